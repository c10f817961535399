package Pets::Sql;

=head1 NAME

Pets::Sql - the statements of F<sql/statements>, to be called from a test

=head1 WHY

A test of the database should send what the program sends, and read well. So a statement is called by its
name, with its parameters by theirs (what is not given is null), and answers a list of rows:

    use Pets::Sql qw(statements call as person uuid7);
    my $ann = person($pg, 'ann@example.org');            # { id, session, role }; registered, logged in
    my $pet = as($pg, $ann, sub ($dbh) {                 # begin, enter, the block, commit
        call($dbh, 'pet_create', id => uuid7(), own => $ann->{id}, name => 'Rex', species => 'dog');
    })->[0];

What fails dies, within C<as> with "SQLSTATE xxxxx: " in front. C<statements> gives what the headers say: name => { name, pools, params, columns, writes, sql }.

=cut

use v5.36;
use Exporter qw(import);
use Pets::Env qw(src slurp random_hex);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(statements call start_call as enter person session_terms uuid7);

sub statements () {
    state $statements = { map { $_->{name} => $_ } map { _read($_) } glob src() . '/sql/statements/*.sql' };
    return $statements;
}

sub _read ($file) {
    my ($name) = $file =~ m{/(\w+)\.sql\z};
    my $text   = slurp($file);
    my %header = $text =~ /^-- (\w+):[ ]?(.*)$/mg;
    my $list   = sub ($items) { [map { [split / /, $_, 2] } split /, /, $items] };
    return {
        name    => $name,
        pools   => [split / /, $header{pool}],
        params  => $list->($header{params}),
        columns => $list->($header{columns}),
        writes  => $header{writes} eq 'yes',
        sql     => $text =~ s/^--.*\n//mgr,
    };
}

# Sends a statement; with (pg_async => 1) in the attributes without waiting.
sub start_call ($dbh, $attributes, $name, %argument) {
    my $statement = statements()->{$name} // die "no statement is called $name\n";
    my $sth       = $dbh->prepare($statement->{sql}, $attributes);
    my @values    = map { delete $argument{ $_->[0] } } $statement->{params}->@*;
    die "$name has no parameter ", join(', ', sort keys %argument), "\n" if %argument;
    $sth->execute(@values);
    return $sth;
}

# Runs a statement; returns its rows as hashes.
sub call ($dbh, $name, %argument) {
    my $sth = start_call($dbh, {}, $name, %argument);
    return $sth->{NUM_OF_FIELDS} ? $sth->fetchall_arrayref({}) : [];
}

# Takes on an identity for the transaction that is open.
sub enter ($dbh, $person, $need_role = undef) {
    return call($dbh, 'enter', session_id => $person->{session}, account_id => $person->{id}, need_role => $need_role, need_mfa => 0)->[0]{role};
}

# What session_open needs to know of times and tokens.
sub session_terms() {
    return (refresh_hash => '\\x' . random_hex(32), credential_generation => 1, mfa => 0, idle_s => 3600, absolute_s => 7200);
}

# Runs a block in a transaction with an identity; $dbh is the connection to use, or a cluster, whose api
# pool is meant.
sub as ($where, $person, $block) {
    state %connection;
    my $dbh = $where->isa('Pets::Cluster') ? ($connection{$where} //= $where->dbh('pets_api')) : $where;
    $dbh->begin_work;
    my @result = eval { enter($dbh, $person); $block->($dbh) };
    if (my $why = $@) {
        my $state = $dbh->state;    # the rollback forgets it
        $dbh->rollback;
        die "SQLSTATE $state: $why";
    }
    $dbh->commit;
    return wantarray ? @result : $result[0];
}

# An account with a session. An ADMIN is added as petsctl does it, anybody else registers.
sub person ($pg, $email, $role = 'USER') {
    my %account = (id => uuid7(), email => $email, display_name => "The person $email", hash => '$2b$12$' . 'x' x 53, pepper_id => 'p1');
    my $auth    = $pg->dbh('pets_auth');
    if ($role eq 'ADMIN') {
        call($pg->dbh('pets_ops'), 'account_add', %account, role => $role, operator => 'test');
    }
    else {
        call($auth, 'account_register', %account);
    }
    my $session = uuid7();
    call($auth, 'session_open', session_id => $session, account_id => $account{id}, session_terms(), user_agent => 'test');
    return { id => $account{id}, session => $session, role => $role, email => $email };
}

# A UUID of version 7, later than the one before.
sub uuid7 () {
    state $last = 0;
    my $now = int(time * 4096_000);    # microseconds and a bit, in the 48 bits of time and 12 after them
    $last = $now > $last ? $now : $last + 1;
    my $hex = sprintf '%012x%03x', $last >> 12, $last & 0xfff;
    my $random = random_hex(8);
    return sprintf '%s-%s-7%s-a%s-%s', substr($hex, 0, 8), substr($hex, 8, 4), substr($hex, 12, 3), substr($random, 0, 3), substr($random, 4, 12);
}

1;
