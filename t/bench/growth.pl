#!/usr/bin/perl
# What lists and writes of pets cost as the table grows (t/bench/growth starts it), as EXPLAIN (ANALYZE, BUFFERS, WAL) has it.
# The statements are those of sql/statements, run as the role of the pool. Everybody has a hundred pets, at any size.
use v5.36;
use Bench::Pets;
use Getopt::Long qw(GetOptions);
use Pets::Cluster;
use Pets::Env qw(test_dir random_hex);
use Pets::Sql qw(person uuid7);
use Time::HiRes qw(time);

use constant { LIMIT => 20, ALLOWED => 1.5 };

my %option = (sizes => '1000000,10000000', times => 31);
GetOptions(\%option, 'sizes=s', 'times=i') or exit 2;
my @sizes = split /,/, $option{sizes};
$| = 1;

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg', config => { shared_buffers => '512MB', max_wal_size => '8GB', autovacuum => 'off' })->start;
my $super = $pg->dbh;
my $pets  = Bench::Pets->new($pg);
my ($ann, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
my (@rows, %cost);    # names in their order; name => one cost a size
my %bytes;

say $pg->psql('select version()') =~ s/,.*//r;
my $filled = 0;
for my $size (@sizes) {
    my $start = time;
    my $people = ($size - $filled) / 100;
    $pets->load($filled + 1, $size, "case when n between 1 and 10000 and n % 100 = 0 then '$ann->{id}'::uuid else md5(($filled + n % $people)::text)::uuid end");
    $filled = $size;
    printf "%d pets: filled in %.0f s\n", $size, time - $start;
    measure();
    $bytes{ $_->[0] }{$size} = $_->[1]
        for $super->selectall_arrayref(q{select relname, pg_relation_size(oid) from pg_class where oid = 'pets.pet'::regclass or oid in (select indexrelid from pg_index where indrelid = 'pets.pet'::regclass)})->@*;
}

say "\n| page of @{[LIMIT]}, or a write | ", join(' | ', map { ("$_: blocks", 'ms') } @sizes), ' | times as many blocks |';
say '| --- ', '| ---: ' x (2 * @sizes + 1), '|';
my $bad = 0;
for my $name (@rows) {
    my @each  = $cost{$name}->@*;
    my $ratio = $each[-1]{blocks} / $each[0]{blocks};
    $bad++ if $ratio > ALLOWED && $each[-1]{blocks} > $each[0]{blocks} + 10 && $name !~ /pet_search.*everybody/;
    printf "| %s | %s | %.2f |\n", $name, join(' | ', map { (sprintf('%.0f', $_->{blocks}), sprintf '%.2f', $_->{ms}) } @each), $ratio;
}
say "\nBytes of WAL of a write: ", join '; ', map { my $name = $_; "$name " . join ' and ', map { $_->{wal} } $cost{$name}->@* } grep { $cost{$_}[0]{wal} } @rows;
say "\n| MB | ", join(' | ', @sizes), " |\n| --- ", '| ---: ' x @sizes, '|';
for my $name (sort { $bytes{$b}{ $sizes[-1] } <=> $bytes{$a}{ $sizes[-1] } } keys %bytes) {
    say "| `$name` | ", join(' | ', map { sprintf '%.0f', $bytes{$name}{$_} / 2**20 } @sizes), ' |';
}
exit($bad ? 1 : 0);

# The median of each figure of so many runs.
sub note ($name, $run) {
    push @rows, $name if !$cost{$name};
    $run->() for 1 .. 3;
    my @runs = map { $run->() } 1 .. $option{times};
    push $cost{$name}->@*, {
        map { my $figure = $_; $figure => (sort { $a <=> $b } map { $_->{$figure} // 0 } @runs)[@runs / 2] } qw(blocks ms wal)
    };
    return;
}

sub measure () {
    for my $list (Bench::Pets::ORDERS) {
        my ($statement, $key, $sorted) = @$list;
        note("`$statement`, one's own", sub { $pets->once($ann, $statement, 0, limit => LIMIT + 1) });
        note("`$statement`, everybody's", sub { $pets->once($ada, $statement, 0, limit => LIMIT + 1) });
        my ($id, $value) = $pets->place(undef, $key, $sorted, int $filled / 2);
        note("`$statement`, everybody's, from the middle", sub { $pets->once($ada, $statement, 0, limit => LIMIT + 1, before => $id, defined $key ? (before_key => $value) : ()) });
    }
    note('`pet_list_newest`, everybody\'s, a tag that nobody has', sub { $pets->once($ada, 'pet_list_newest', 0, limit => LIMIT + 1, tag => 'nobody') });
    note('`pet_search`, one\'s own, a name', sub { $pets->once($ann, 'pet_search', 0, owner => $ann->{id}, limit => LIMIT + 1, q => 'rex 77') });
    note('`pet_search`, everybody\'s, a name that one has', sub { $pets->once($ada, 'pet_search', 0, limit => LIMIT + 1, q => 'rex 777777') });
    my $of_ann = $super->selectcol_arrayref('select id from pets.pet where owner_id = $1', undef, $ann->{id});
    note('`pet_get`', sub { $pets->once($ann, 'pet_get', 0, id => $of_ann->[rand @$of_ann]) });
    note('`pet_create`', sub { $pets->once($ann, 'pet_create', 1, id => uuid7(), name => 'New ' . random_hex(6), species => 'dog', tags => ['new']) });
    note('`pet_update`', sub { $pets->once($ann, 'pet_update', 1, id => $of_ann->[rand @$of_ann], mask => 1, name => 'Other ' . random_hex(6)) });
    return;
}
