#!/usr/bin/perl
# Blocks of PostgreSQL for pages of pets (t/bench/pages starts it), as EXPLAIN (ANALYZE, BUFFERS) counts them. The statements
# are those of sql/statements, run as the role of the pool. Five pages after each other are taken together, since one
# may happen to lie on one block of an index more than another.
use v5.36;
use Bench::Pets;
use Getopt::Long qw(GetOptions);
use Pets::Cluster;
use Pets::Env qw(test_dir);
use Pets::Sql qw(person);

use constant { LIMIT => 20, PAGES => 5, ALLOWED => 1.2 };

my %option = (pets => 1_000_000, page => 10_000);
GetOptions(\%option, 'pets=i', 'page=i') or exit 2;
$option{pets} >= 3 * LIMIT * ($option{page} + PAGES) or die "page $option{page} needs more pets\n";

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg', config => { shared_buffers => '512MB', max_wal_size => '4GB', autovacuum => 'off' })->start;
my $pets  = Bench::Pets->new($pg);
my ($ann, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
$pets->load(1, $option{pets}, "case when n % 2 = 0 then '$ann->{id}'::uuid else md5((n % 5000)::text)::uuid end");
printf "%-24s %-12s %10s %10s %7s\n", "pages of @{[LIMIT]}", 'whose', 'page 1', "page $option{page}", 'ratio';
my $bad = 0;
for my $list (Bench::Pets::ORDERS) {
    my ($statement, $key, $sorted) = @$list;
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

# The blocks of five pages from this one on.
sub pages ($statement, $person, $owner, $key, $sorted, $page) {
    my $sum = 0;
    for my $number ($page .. $page + PAGES - 1) {
        my %cursor;
        if ($number > 1) {
            my ($id, $value) = $pets->place($owner, $key, $sorted, ($number - 1) * LIMIT);
            %cursor = (before => $id, defined $key ? (before_key => $value) : ());
        }
        my ($rows, $blocks) = cost($person, $statement, limit => LIMIT + 1, %cursor);
        $rows == LIMIT + 1 or die "$statement: page $number has $rows rows\n";
        $sum += $blocks;
    }
    return $sum;
}

sub cost ($person, $name, %argument) { return $pets->cost($person, $name, %argument)->@{qw(rows blocks)} }
