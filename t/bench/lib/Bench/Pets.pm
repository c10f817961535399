package Bench::Pets;

=head1 NAME

Bench::Pets - a table with very many pets, and what PostgreSQL spends on a statement of the program

=head1 WHY

t/bench/pages and t/bench/growth ask the same of tables of different sizes: they send the statements of sql/statements as
the role of the pool, and read what EXPLAIN says.

    my $pets = Bench::Pets->new($pg);                   # a Pets::Cluster that runs
    $pets->load(1, 1_000_000, "...");                    # numbers of pets, and an expression of n for the owner
    my $cost = $pets->cost($person, 'pet_list_newest', limit => 21);
    # { rows, blocks, ms, wal }; the second run of it is looked at, and undone unless keep => 1 among the options

=cut

use v5.36;
use JSON::PP ();
use Pets::Sql qw(statements enter);

# The statement of each order of the list, the column of its cursor, and the order in SQL.
use constant ORDERS => (
    ['pet_list', undef, 'id desc'],
    ['pet_list_newest', undef, 'id desc'],
    ['pet_list_name', 'name', 'name_key, id'],
    ['pet_list_name_desc', 'name', 'name_key desc, id desc'],
    ['pet_list_born', 'born_on', 'born_on, id'],
    ['pet_list_born_desc', 'born_on', 'born_on is null, born_on desc, id desc'],
    ['pet_list_created', 'created_at', 'created_at, id'],
    ['pet_list_created_desc', 'created_at', 'created_at desc, id desc'],
);

sub new($class, $pg) { return bless { super => $pg->dbh, api => $pg->dbh('pets_api') }, $class }

# Indexes are made after the rows, which is quicker.
sub load($self, $from, $to, $owner) {
    my $super   = $self->{super};
    my $indexes = $super->selectall_arrayref(q{select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index where indrelid = 'pets.pet'::regclass and not indisunique});
    $super->do("drop index $_->[0]") for @$indexes;
    $super->do('set session_replication_role = replica');
    $super->do(<<~"END", undef, $from, $to);
        insert into pets.pet (id, owner_id, name, species, sex, born_on, weight_grams, microchip, tags, created_at)
        select (lpad(to_hex(1700000000000 + n), 12, '0') || '7000a' || lpad(to_hex(n), 15, '0'))::uuid, $owner,
               (array['Rex', 'Luna', 'Max', 'Bella', 'Felix', 'Nala', 'Oscar'])[1 + n % 7] || ' ' || n,
               (array['dog', 'cat', 'bird', 'fish', 'rabbit', 'rodent', 'reptile', 'horse', 'other'])[1 + n % 9],
               (array['female', 'male', 'unknown'])[1 + n % 3], case when n % 8 > 1 then date '2015-01-01' + (n * 31 % 3650)::int end, 1 + n % 40000,
               case when n % 4 = 0 then lpad(n::text, 15, '0') end,
               case when n % 50000 = 17 then '{rare,good}' else '{house,good}' end::pets.tag[], timestamptz '2025-01-01' + n * interval '1 s'
        from generate_series(\$1::bigint, \$2::bigint) n
        END
    $super->do('set session_replication_role = origin');
    $super->do(q{set maintenance_work_mem = '1GB'});
    $super->do($_->[1]) for @$indexes;
    $super->do('vacuum (analyze) pets.pet');
    return;
}

# The id and the value of an order's key of the pet in that place, for a cursor behind it.
sub place($self, $owner, $key, $sorted, $number) {
    return $self->{super}->selectrow_array(
        'select id, ' . ($key // 'null') . " from pets.pet where \$1::uuid is null or owner_id = \$1 order by $sorted offset \$2 limit 1", undef, $owner, $number - 1);
}

# Once, in a transaction of its own; the arguments by their names.
sub once($self, $person, $name, $keep, %argument) {
    my $api       = $self->{api};
    my $statement = statements()->{$name};
    my @params    = $statement->{params}->@*;
    $argument{own} = $person->{id} if grep { $_->[0] eq 'own' } @params;
    my $values = join ', ', map { $api->quote($argument{ $_->[0] }) } @params;
    $api->begin_work;
    enter($api, $person);
    $api->do("prepare \"$name\" (" . join(', ', map { $_->[1] } @params) . ") as $statement->{sql}") if !$api->selectrow_array('select count(*) from pg_prepared_statements where name = $1', undef, $name);
    my $explained = JSON::PP->new->decode($api->selectrow_array("explain (analyze, buffers, wal, timing off, format json) execute \"$name\"($values)"))->[0];
    $keep ? $api->commit : $api->rollback;
    my $plan = $explained->{Plan};
    return {
        rows   => $plan->{'Actual Rows'},
        blocks => $plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'},
        ms     => $explained->{'Execution Time'} + $explained->{'Planning Time'},
        wal    => $plan->{'WAL Bytes'},
    };
}

# The second time: what is looked up in the catalogue the first time does not count.
sub cost($self, $person, $name, %argument) {
    $self->once($person, $name, 0, %argument);
    return $self->once($person, $name, 0, %argument);
}

1;
