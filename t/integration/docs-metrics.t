# The manual lists every metric, with its type and labels, and every field of the status, and no other.
use v5.36;
use Pets::Env qw(src slurp wait_until);
use Pets::Ops qw(parse_metrics);
use Pets::Service;
use Test::More;

my $manual  = slurp(src() . '/docs/manual.md');
my $service = Pets::Service->new;
$service->make_secrets->start_database->start_pools;
my $pool = $service->api;

my %program;
for my $metrics (map { parse_metrics($_->ops('/metrics')->{body}) } $pool, $service->auth) {
    for my $name (keys %{ $metrics->{type} }) {
        my ($first) = @{ $metrics->{samples}{$name} // $metrics->{samples}{"${name}_bucket"} };
        my @labels = sort grep { $_ ne 'le' } keys %{ $first->{labels} };
        $program{$name} = "$metrics->{type}{$name} @labels";
    }
}
my %listed;
my ($section) = $manual =~ /^## Metrics\n(.*?)^## /ms;
while ($section =~ /^\| `(pets_\w+)`(?: by ([\w, ]+))? \| (\w+) \| \S/mg) {
    my ($name, $labels, $type) = ($1, $2 // '', $3);
    $listed{$name} = "$type " . join ' ', sort split /, /, $labels;
}
$listed{pets_build_info} = 'gauge pool version' if ($listed{pets_build_info} // '') eq 'gauge ';
is_deeply \%listed, \%program, 'metrics';

# Paths of all values: a.b for objects, a[] for arrays.
sub paths ($value, $path) {
    return $path if $path =~ /\A(?:counters|recent\.(?:requests|latency_us))\z/;    # as described elsewhere
    return map { paths($value->{$_}, length $path ? "$path.$_" : $_) } keys %$value if ref $value eq 'HASH';
    return map { paths($_, "${path}[]") } @$value if ref $value eq 'ARRAY';
    return $path;
}
$pool->connect->request(uri => '/v1/pets');
wait_until { defined $pool->status->{recent} } 30, 'a second look';
my %paths = map { $_ => 1 } paths($pool->status(full => 1), '');
my %fields;
my ($status) = $manual =~ /^## Status\n(.*?)^## /ms;
for my $row (grep { /^\| `[a-z]/ } split /\n/, $status) {
    my (undef, $names) = split / ?\| ?/, $row;
    for ($names =~ /`([^`]+)`/g) {
        ok !$fields{$_}, "$_ is listed once";
        $fields{$_} = 1;
    }
}
is_deeply [sort keys %fields], [sort keys %paths], 'fields of the status';
done_testing;
