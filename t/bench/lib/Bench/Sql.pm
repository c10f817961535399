package Bench::Sql;

=head1 NAME

Bench::Sql - scripts for pgbench, made of the statements that the program sends

=head1 WHY

The limit is what PostgreSQL can do with the very same statements, so they are read from F<sql/statements>. Each
$N becomes what pgbench has for the parameter of that name: a variable, or for an id a text put together from a
number, since pgbench has numbers only. (That costs PostgreSQL less than a microsecond. A null is written as a
null, which it even saves a little by.) As in a worker, `enter` and the statement are one pipeline and so
one transaction, and every command is prepared once on each connection.

    my ($script, $variables) = Bench::Sql::script('read', pets => 100_000, owners => 1000);

=cut

use v5.36;
use Pets::Env qw(slurp src);

my $pet     = "('019a' || :pet::text || '70008000000000000000')";
my $account = "('0199' || :owner::text || '70008000000000000000')";
my $session = "('0198' || :owner::text || '70008000000000000000')";
my $new     = "('019b' || :number::text || '70008000' || :tail::text)";

my %common = (request_id => '5f2d0b7c9a1e4d3f8b6a7c5d4e3f2a1b', address => '127.0.0.1');

my %workload = (
    read => { statement => 'pet_get', parameters => { id => $pet, own => $account } },
    list => {
        statement  => 'pet_list',
        parameters => { own => $account, owner => 'null', before => 'null' },
        variables  => { limit => 21 },
    },
    create => {
        statement  => 'pet_create',
        parameters => { id => $new, own => $account, microchip => 'null' },
        variables  => {
            name         => 'Rex the Younger',
            species      => 'dog',
            breed        => 'Beagle',
            sex          => 'male',
            born_on      => '2021-05-04',
            weight_grams => 11500,
            notes        => 'Likes long walks and short naps; afraid of thunder.',
            tags         => '{house,garden}',
            number       => 10_000_000,
        },
        # Increasing, as the ids of the program are, and never the same twice.
        before => "\\set number :number + 1\n\\set tail 100000000000 + :round * 1000 + :client_id\n",
    },
);

# One workload: its script, and the variables that it must be given (-D), `round` apart.
sub script($name, %size) {
    my $workload = $workload{$name} // die "workload $name?\n";
    my $text = sprintf "\\set pet random(10000000, %d)\n\\set owner 10000000 + (:pet - 10000000) %% %d\n", 9_999_999 + $size{pets}, $size{owners};
    $text .= $workload->{before} // '';
    $text .= "\\startpipeline\n";
    $text .= statement('enter', session_id => $session, account_id => $account, need_role => 'null', need_mfa => 'true', max_age_s => 'null',
        application => "'pets-api/api 5f2d0b7c9a1e4d3f8b6a7c5d4e3f2a1b'", trace => 'null');
    $text .= statement($workload->{statement}, %{ $workload->{parameters} });
    $text .= "\\endpipeline\n";
    return ($text, { %common, %{ $workload->{variables} // {} } });
}

# The text of a statement with its parameters replaced; a parameter that is not given is a variable of its name.
sub statement($name, %value) {
    my $text = slurp(src() . "/sql/statements/$name.sql");
    my ($list) = $text =~ /^-- params: (.*)$/m or die "$name.sql has no params\n";
    my @names = map { (split ' ')[0] } split /,\s*/, $list;
    $text =~ s/^--.*\n//mg;
    $text =~ s/\$(\d+)/$value{ $names[$1 - 1] } \/\/ ":$names[$1 - 1]"/ge;
    $text =~ s/\s+\z//;
    return "$text;\n";
}

1;
