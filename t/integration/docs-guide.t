# The guide is true: its commands, pasted into a shell one after the other, are answered by the running service as it shows.
# Each block of shell that is followed by one of HTTP has that answer: its status, its headers, and at least its JSON, in
# which "..." is any text. And the limits that it names are those of the configuration that is shipped.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run slurp spew src test_dir);
use Pets::Service;
use Test::More;

my $json  = JSON::PP->new->utf8->canonical->allow_nonref;
my $guide = slurp(src() . '/docs/guide.md');
my @blocks = map { { $_->%* } } blocks($guide);

sub blocks ($text) {
    my @found;
    while ($text =~ /^```(\w+)\n(.*?)^```\n/msg) {
        if ($1 eq 'sh') { push @found, { command => $2 } }
        elsif ($1 eq 'http' && @found && !$found[-1]{answer}) { $found[-1]{answer} = $2 }
        else { push @found, { stray => "$1: $2" } }
    }
    return @found;
}

# What is wrong with what came, when this was promised.
sub complaints ($where, $promised, $came) {
    if (ref $promised eq 'HASH') {
        return "$where: no object" if ref $came ne 'HASH';
        return map { exists $came->{$_} ? complaints("$where/$_", $promised->{$_}, $came->{$_}) : "$where/$_ is missing" } sort keys %$promised;
    }
    if (ref $promised eq 'ARRAY') {
        return "$where: other items" if ref $came ne 'ARRAY' || @$came != @$promised;
        return map { complaints("$where/$_", $promised->[$_], $came->[$_]) } 0 .. $#$promised;
    }
    my ($p, $c) = map { $json->encode($_) } $promised, $came;
    return like_text($p, $c) ? () : "$where: $c, not $p";
}

sub like_text ($promised, $came) {
    my $pattern = join '.+', map { quotemeta } split /\.\.\./, $promised, -1;
    return $came =~ /\A$pattern\z/s;
}

is_deeply [complaints('', { a => ['...', 1], b => 'x...y' }, { a => ['z', 1], b => 'xzy', c => 2 })], [], 'the comparison takes what is right';
is scalar complaints('', { a => [1], b => 'x...', c => JSON::PP::null, d => 1 }, { a => [2], b => 'y', c => 0 }), 4, '... and refuses what is not';

is join(' | ', map { $_->{stray} // () } @blocks), '', 'every answer follows its commands';
cmp_ok scalar(grep { $_->{answer} } @blocks), '>=', 10, 'there are answers to compare';

my $service = Pets::Service->new->start;
my $dir     = test_dir();
spew("$dir/curl.sh", <<~'SH');
    curl() {
      command curl -q --cacert "$CA" --noproxy '*' -sS -D "$DIR/head" "$@" >"$DIR/body" && cat "$DIR/body"
    }
    SH

# One shell for all of them, so that variables stay: it says after each block where it is.
my $script = ". '$dir/curl.sh'\nset -e\n";
for my $i (0 .. $#blocks) {
    my $command = $blocks[$i]{command} =~ s{^API=https://api\.example\.com$}{API=\$SERVICE}mr;
    $script .= "$command\nfor part in head body; do if [ -e \"\$DIR/\$part\" ]; then mv \"\$DIR/\$part\" \"\$DIR/\$part.$i\"; fi; done\n";
}
my ($status, undef, $err) = run(['sh', '-c', $script], env => { CA => $service->ca_file, DIR => $dir, SERVICE => $service->url });
is $status, 0, 'the commands can be pasted into a shell' or diag $err;

# What came, without the headers that `curl -i` shows.
sub body ($i) { return -e "$dir/body.$i" ? slurp("$dir/body.$i") =~ s/\AHTTP.*?\r\n\r\n//sr : '' }

for my $i (grep { $blocks[$_]{answer} } 0 .. $#blocks) {
    my $name = (split /\n/, $blocks[$i]{command})[-1] =~ s/\A\s+//r;
    my ($head, $promised) = split /\n\n/, $blocks[$i]{answer}, 2;
    my ($first, @headers) = split /\n/, $head;
    my ($code) = $first =~ m{\AHTTP/2 (\d{3})\z} or fail("$first: no status");
    my $came = -e "$dir/head.$i" ? slurp("$dir/head.$i") =~ s/\r//gr : '';
    my ($came_code) = $came =~ m{\AHTTP/2 (\d+)};
    is $came_code, $code, "$code: $name" or diag body($i);
    for my $header (@headers) {
        ok scalar(grep { like_text($header, $_) } split /\n/, $came), "... $header" or diag $came;
    }
    next if !defined $promised;
    is join("\n", complaints('', $json->decode($promised), eval { $json->decode(body($i)) })), '', '... with that content';
}
my ($ann) = body(1) =~ /"id":"([^"]+)"/;
is $service->admin->get('/v1/pets', query => { owner_id => $ann })->json->{items}->@*, 3, 'of two requests with one key there is one pet, besides Rex and Dot';

# --- the retries ----------------------------------------------------------------------------------------

my ($printed, $routes) = run([bin('petsd'), '--routes']);
my @posts = map { [(split /\t/)[2, 5]] } grep { /\tPOST\t/ } split /\n/, $routes;
cmp_ok scalar @posts, '>', 10, 'the routes were read';
is join(' ', map { $_->[0] } grep { $_->[1] eq 'repeats' } @posts), join(' ', map { $_->[0] } grep { $_->[0] =~ m{\A/v1/(?:pets|transfers)\b} } @posts),
    'what takes an Idempotency-Key is what the guide says';

# --- the limits -----------------------------------------------------------------------------------------

my %setting = slurp(src() . '/nginx/settings') =~ /^([A-Z_]+)=(.*)$/mg;
my ($limits) = $guide =~ /^## Limits\n(.*)/ms;
my %row = $limits =~ /^\| (.+?) \| (.+?) \|$/mg;
my %words = (one => 1);
my ($rate, $burst) = $row{requests} =~ /^(\d+) a second .*, (\d+) more/;
is "${rate}r/s $burst", "$setting{LIMIT_RATE} $setting{LIMIT_BURST}", 'requests';
my ($auth) = grep { m{/v1/auth/} } keys %row;
($rate, $burst) = $row{$auth} =~ /^(\w+) a second .*, (\d+) more/;
is "$words{$rate}r/s $burst", "$setting{AUTH_RATE} $setting{AUTH_BURST}", 'what is tighter';
is +($row{connections} =~ /^(\d+)/)[0], $setting{LIMIT_CONNECTIONS}, 'connections';
is $row{body} =~ s/ KiB\z/k/r, $setting{MAX_BODY}, 'bodies';
my $user = $service->user;
is $user->get('/v1/pets', query => { limit => $row{'items of a page'} })->status, 200, 'the largest page';
is $user->get('/v1/pets', query => { limit => 1 + $row{'items of a page'} })->status, 400, '... is the largest';
my ($batch) = grep { /batch/ } keys %row;
for my $count ($row{$batch}, 1 + $row{$batch}) {
    my $reply = $user->post('/v1/pets:batch', [map { { name => "Pet $_", species => 'dog' } } 1 .. $count]);
    is $reply->status, $count > $row{$batch} ? 422 : 201, "a batch of $count" or diag $reply->summary;
    is $reply->json->{errors}[0]{code}, 'too_many', '... is too many' if $reply->status == 422;
}
my ($keys) = slurp(src() . '/docs/errors.md') =~ /An account may have (\d+) live ones/;
is $row{'API keys of an account'}, $keys, 'API keys, as it is said of the error';
done_testing;
