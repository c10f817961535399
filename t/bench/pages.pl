#!/usr/bin/perl
# Blocks of PostgreSQL for pages of pets (t/bench/pages starts it), as EXPLAIN (ANALYZE, BUFFERS) counts them. The statements
# are those of sql/statements, run as the role of the pool. Five pages after each other are taken together, since one
# may happen to lie on one block of an index more than another.
use v5.36;
use Getopt::Long qw(GetOptions);
use JSON::PP ();
use Pets::Cluster;
use Pets::Env qw(test_dir);
use Pets::Sql qw(statements enter person);

use constant { LIMIT => 20, PAGES => 5, ALLOWED => 1.2 };

my %option = (pets => 1_000_000, page => 10_000);
GetOptions(\%option, 'pets=i', 'page=i') or exit 2;
$option{pets} >= 3 * LIMIT * ($option{page} + PAGES) or die "page $option{page} needs more pets\n";

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg', config => { shared_buffers => '512MB', max_wal_size => '4GB', autovacuum => 'off' })->start;
my $super = $pg->dbh;
my ($ann, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
my $api   = $pg->dbh('pets_api');

load();
printf "%-24s %-12s %10s %10s %7s\n", "pages of @{[LIMIT]}", 'whose', 'page 1', "page $option{page}", 'ratio';
my $bad = 0;
for my $list (
    ['', undef, 'id desc'],
    ['newest', undef, 'id desc'],
    ['name', 'name', 'name_key, id'],
    ['name_desc', 'name', 'name_key desc, id desc'],
    ['born', 'born_on', 'born_on, id'],
    ['born_desc', 'born_on', 'born_on is null, born_on desc, id desc'],
    ['created', 'created_at', 'created_at, id'],
    ['created_desc', 'created_at', 'created_at desc, id desc'],
) {
    my ($order, $key, $sorted) = @$list;
    my $statement = $order ? "pet_list_$order" : 'pet_list';
    for my $who (['own', $ann, $ann->{id}], ['everybody', $ada, undef]) {
        my ($whose, $person, $owner) = @$who;
        my @cost = map { pages($statement, $person, $owner, $key, $sorted, $_) } 1, $option{page};
        my $ratio = $cost[1] / $cost[0];
        $bad++ if $ratio > ALLOWED;
        printf "%-24s %-12s %10.1f %10.1f %7.2f%s\n", $statement, $whose, map({ $_ / PAGES } @cost), $ratio, $ratio > ALLOWED ? ' !' : '';
    }
}
printf "\n%-24s %-36s %7s %10s\n", 'looked for', '', 'rows', 'blocks';
for my $case ([tag => 'rare'], [q => '77777'], [q => 'rex 9999'], [tag => 'rare', sex => 'male'], [born_after => '2015-06-01', born_before => '2015-06-03']) {
    my ($rows, $blocks) = cost($ada, 'pet_search', limit => LIMIT + 1, @$case);
    printf "%-24s %-36s %7d %10d\n", 'pet_search', "@$case", $rows, $blocks;
}
my ($rows, $blocks) = cost($ada, 'pet_list_newest', limit => LIMIT + 1, tag => 'none');
printf "%-24s %-36s %7d %10d\n", 'pet_list_newest', 'what is not there, to its bound', $rows, $blocks;
exit($bad ? 1 : 0);

# Indexes are made after the rows, which is quicker.
sub load () {
    my $indexes = $super->selectall_arrayref(q{select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index where indrelid = 'pets.pet'::regclass and not indisunique});
    $super->do("drop index $_->[0]") for @$indexes;
    $super->do('set session_replication_role = replica');
    $super->do(q{
        insert into pets.pet (id, owner_id, name, species, sex, born_on, weight_grams, microchip, tags, created_at)
        select (lpad(to_hex(1700000000000 + n), 12, '0') || '7000a' || lpad(to_hex(n), 15, '0'))::uuid,
               case when n % 2 = 0 then $1::uuid else md5((n % 5000)::text)::uuid end,
               (array['Rex', 'Luna', 'Max', 'Bella', 'Felix', 'Nala', 'Oscar'])[1 + n % 7] || ' ' || n,
               (array['dog', 'cat', 'bird', 'fish', 'rabbit', 'rodent', 'reptile', 'horse', 'other'])[1 + n % 9],
               (array['female', 'male', 'unknown'])[1 + n % 3], case when n % 8 > 1 then date '2015-01-01' + (n * 31 % 3650)::int end, 1 + n % 40000,
               case when n % 4 = 0 then lpad(n::text, 15, '0') end,
               case when n % 50000 = 17 then '{rare,good}' else '{house,good}' end::pets.tag[], timestamptz '2025-01-01' + n * interval '1 s'
        from generate_series(1::bigint, $2::bigint) n}, undef, $ann->{id}, $option{pets});
    $super->do('set session_replication_role = origin');
    $super->do($_->[1]) for @$indexes;
    $super->do('vacuum (analyze) pets.pet');
    return;
}

# The blocks of five pages from this one on.
sub pages ($statement, $person, $owner, $key, $sorted, $page) {
    my $sum = 0;
    for my $number ($page .. $page + PAGES - 1) {
        my %cursor;
        if ($number > 1) {
            my ($id, $value) = $super->selectrow_array('select id, ' . ($key // 'null') . " from pets.pet where \$1::uuid is null or owner_id = \$1 order by $sorted offset \$2 limit 1", undef, $owner, ($number - 1) * LIMIT - 1);
            %cursor = (before => $id, defined $key ? (before_key => $value) : ());
        }
        my ($rows, $blocks) = cost($person, $statement, limit => LIMIT + 1, %cursor);
        $rows == LIMIT + 1 or die "$statement: page $number has $rows rows\n";
        $sum += $blocks;
    }
    return $sum;
}

# Rows and blocks of a statement; what is looked up in the catalogue the first time does not count.
sub cost ($person, $name, %argument) {
    my $statement = statements()->{$name};
    my @params    = $statement->{params}->@*;
    $argument{own} = $person->{id} if grep { $_->[0] eq 'own' } @params;
    my $values = join ', ', map { $api->quote($argument{ $_->[0] }) } @params;
    my $plan;
    for (1, 2) {
        $api->begin_work;
        enter($api, $person);
        $api->do("prepare \"$name\" (" . join(', ', map { $_->[1] } @params) . ") as $statement->{sql}") if !$api->selectrow_array('select count(*) from pg_prepared_statements where name = $1', undef, $name);
        $plan = JSON::PP->new->decode($api->selectrow_array("explain (analyze, buffers, timing off, format json) execute \"$name\"($values)"))->[0]{Plan};
        $api->rollback;
    }
    return ($plan->{'Actual Rows'}, $plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'});
}
