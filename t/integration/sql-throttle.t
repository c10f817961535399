# The buckets that bound guessing: exact under parallel attack, shared by nobody who should not share them, and
# always draining. All with the functions alone; throttle-*.t has them behind the API.
use v5.36;
use Pets::Cluster;
use Pets::Env qw(test_dir wait_until);
use Pets::Sql qw(call start_call person uuid7);
use Test::More;
use Time::HiRes qw(sleep time);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $root  = $pg->dbh;
my $auth  = $pg->dbh('pets_auth');
my @wide  = (24, 64, 90);                  # bits and days
my $long  = 3600;
my $count = 0;

sub take ($dbh, %argument) {
    my ($own, $account, $network) = (delete $argument{own} // [0, 1], delete $argument{account} // [0, 1], delete $argument{network} // [0, 1]);
    my %call = (kind => 'login', address => '192.0.2.1', limits => [@wide, @$own, @$account, @$network], %argument);
    return call($dbh, 'throttle_take', %call)->[0];
}

sub subject () { return 'subject' . ++$count . '@example.org' }

# So many attempts until one is refused, and by what.
sub until_refused (%argument) {
    for my $number (0 .. 200) {
        my $verdict = take($auth, %argument);
        return ($number, $verdict->{refused}, $verdict) if $verdict->{refused};
    }
    return (201, 'nothing');
}

# The functions as the owner sees them: nobody else may look.
sub buckets () { return $root->selectrow_array('select count(*) from pets.throttle') }

subtest 'one bucket' => sub {
    my $who = subject();
    for my $left (2, 1, 0) {
        my $verdict = take($auth, subject => $who, own => [3, $long]);
        is $verdict->{refused}, undef, 'let through';
        is $verdict->{remaining}, $left, "$left left";
        is sprintf('%.0f', $verdict->{reset_s} / $long), 3 - $left, 'empty again when all of them have drained';
    }
    my $verdict = take($auth, subject => $who, own => [3, $long]);
    is $verdict->{refused}, 'own', 'the fourth is refused';
    is $verdict->{remaining}, 0, 'none left';
    cmp_ok $verdict->{retry_s}, '>', $long - 60, 'until one has drained';
    cmp_ok $verdict->{retry_s}, '<=', $long, 'and no longer';
    take($auth, subject => $who, own => [3, $long]) for 1 .. 50;
    cmp_ok take($auth, subject => $who, own => [3, $long])->{retry_s}, '<=', $verdict->{retry_s}, 'what is refused takes nothing: the wait does not grow';
    is take($auth, subject => uc $who, own => [3, $long])->{refused}, 'own', 'the same in any case';
    is take($auth, subject => $who, kind => 'code', own => [3, $long])->{refused}, undef, 'another kind has its own';
    is take($auth, subject => $who, address => '192.0.2.255', own => [3, $long])->{refused}, 'own', 'the same from anywhere in the network';
    is take($auth, subject => $who, address => '192.0.3.1', own => [3, $long])->{refused}, undef, 'another network has its own';
    is take($auth, subject => $who, address => '::ffff:192.0.2.7', own => [3, $long])->{refused}, 'own', 'an address of IPv4 in one of IPv6 is the same';
    is take($auth, subject => "192.0.2.0/24|$who", own => [3, $long])->{refused}, undef, 'a subject cannot be made to look like another';
};

subtest 'networks of IPv6' => sub {
    my $who = subject();
    is take($auth, subject => $who, address => '2001:db8:0:1::1', own => [1, $long])->{refused}, undef, 'one';
    is take($auth, subject => $who, address => '2001:db8:0:1:ffff::2', own => [1, $long])->{refused}, 'own', 'the same /64';
    is take($auth, subject => $who, address => '2001:db8:0:2::1', own => [1, $long])->{refused}, undef, 'another /64';
    is take($auth, subject => $who, address => undef, own => [1, $long])->{refused}, undef, 'no address';
    is take($auth, subject => $who, address => undef, own => [1, $long])->{refused}, 'own', 'is one, too';
};

subtest 'all three, or none' => sub {
    my $who = subject();
    my %limits = (own => [10, $long], account => [2, $long], network => [10, $long]);
    is_deeply [(until_refused(subject => $who, %limits))[0, 1]], [2, 'account'], 'the narrowest decides';
    is take($auth, subject => $who, %limits, account => [0, 1])->{remaining}, 7, 'the refused one took nothing of its own bucket';
    my ($n) = until_refused(subject => $who, address => '198.51.100.1', %limits);
    is $n, 0, 'the account is full for every network';
    is_deeply [(until_refused(subject => subject(), address => '198.51.100.1', %limits))[0, 1]], [2, 'account'], 'another account is not';
    is_deeply [(until_refused(own => [1, 1], network => [4, $long], kind => 'register'))[0, 1]], [4, 'network'], 'without a subject: the network alone';
    is_deeply [(until_refused(subject => subject(), own => [0, 1], account => [0, 1], network => [0, 1]))[0, 1]], [201, 'nothing'], 'no bucket at all: everything goes through';
};

subtest 'giving back' => sub {
    my $who = subject();
    my %limits = (own => [2, $long], account => [2, $long], network => [0, 1]);
    my $verdict = take($auth, subject => $who, %limits);
    call($auth, 'throttle_give', receipt => $verdict->{receipt}, percent => 100);
    is take($auth, subject => $who, %limits)->{remaining}, 1, 'all of it';
    $who = subject();
    my $successes = 0;
    while ($successes < 100) {
        my $verdict = take($auth, subject => $who, own => [3, $long]);
        last if $verdict->{refused};
        call($auth, 'throttle_give', receipt => $verdict->{receipt}, percent => 90);
        $successes++;
    }
    # n successes have left n/10 of a failure; one more needs room for a whole one.
    is $successes, 21, 'a success costs a tenth of a failure';
    call($auth, 'throttle_give', receipt => $_, percent => 90) for undef, '';
    pass 'nothing to give back is fine';
};

subtest 'it drains' => sub {
    my $who = subject();
    my %limits = (own => [2, 4]);
    is_deeply [(until_refused(subject => $who, %limits))[0]], [2], 'two';
    my $verdict = take($auth, subject => $who, %limits);
    ok $verdict->{retry_s} >= 1 && $verdict->{retry_s} <= 4, "wait for $verdict->{retry_s} s of four";
    sleep $verdict->{retry_s};
    is take($auth, subject => $who, %limits)->{refused}, undef, 'after which one fits';
};

subtest 'exact under parallel attack' => sub {
    my $clients = 8;
    my %limits = (own => [0, 1], account => [40, $long], network => [1000, $long]);
    my $who    = subject();
    my @pids;
    pipe my $out, my $in or die;
    for my $client (1 .. $clients) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            $_->{InactiveDestroy} = 1 for $root, $auth;
            my $dbh = $pg->dbh('pets_auth');
            my ($through, $refused) = (0, 0);
            for my $try (1 .. 25) {
                my $verdict = take($dbh, subject => $who, address => "10.$client.$try.1", %limits);
                $verdict->{refused} ? $refused++ : $through++;
            }
            syswrite $in, "$through $refused\n";
            $dbh->disconnect;
            require POSIX;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in;
    waitpid $_, 0 for @pids;
    my ($through, $refused) = (0, 0);
    while (my $line = <$out>) {
        my ($t, $r) = split ' ', $line;
        $through += $t;
        $refused += $r;
    }
    is $through + $refused, 8 * 25, 'all were answered';
    is $through, 40, 'exactly as many as fit were let through';
    # Each network had a bucket that had room: those that were refused have taken nothing from it.
    my %left;
    for my $client (1 .. $clients) {
        for my $try (1 .. 25) {
            my ($taken) = $root->selectrow_array(
                q{select round(extract(epoch from empty_at - clock_timestamp()) / ?) from pets.throttle where id = pets.throttle_id('login', 'network', ?, null)},
                undef, $long, "10.$client.$try.0/24");
            $left{$taken // 'nothing'}++;
        }
    }
    is_deeply \%left, { 1 => 40, nothing => 8 * 25 - 40 }, 'from the networks exactly as much was taken';
};

subtest 'a network that has signed in' => sub {
    my $ann = person($pg, subject());
    my %limits = (own => [3, $long], account => [5, $long], network => [5, $long]);
    my $known = sub ($address, $most = 10) {
        $auth->do('select pets.throttle_known(?, ?, ?, ?)', undef, $ann->{id}, $address, [@wide, (0) x 6], $most);
    };
    my $networks = sub () { join ' ', sort map { $_->[0] } $root->selectall_arrayref('select network from pets.known_network where account_id = ?', undef, $ann->{id})->@* };
    my %ann = (subject => $ann->{email}, account_id => $ann->{id});
    $known->('203.0.113.5');
    is $networks->(), '203.0.113.0/24', 'is remembered, as a network';

    take($auth, %ann, address => "10.9.$_.1", %limits) for 1 .. 20;
    is take($auth, %ann, address => '10.99.0.1', %limits)->{refused}, 'account', 'strangers have used up what there is for strangers';
    take($auth, subject => subject(), address => '203.0.113.9', %limits) for 1 .. 20;
    is take($auth, subject => subject(), address => '203.0.113.9', %limits)->{refused}, 'network', 'and a neighbour what there is for the network';
    is take($auth, %ann, address => '203.0.113.77', %limits)->{refused}, undef, 'she is let in all the same';
    is_deeply [(until_refused(%ann, address => '203.0.113.77', %limits))[0, 1]], [2, 'own'], 'her own allowance ends, too';

    $known->("198.51.$_.1") for 1 .. 4;
    is $networks->(), join(' ', map({ "198.51.$_.0/24" } 1 .. 4), '203.0.113.0/24'), 'more networks';
    $root->do(q{update pets.known_network set last_seen = last_seen - interval '2 hours' where network = '198.51.2.0/24'});
    $known->('198.51.5.1', 5);
    is $networks->(), join(' ', map({ "198.51.$_.0/24" } 1, 3, 4, 5), '203.0.113.0/24'), 'at most so many: the one not seen for longest goes';
    my $bob = person($pg, subject());
    $root->do(q{update pets.known_network set last_seen = last_seen - interval '91 days' where network = '203.0.113.0/24'});
    is take($auth, %ann, address => '203.0.113.77', %limits, own => [10, $long], network => [0, 1])->{refused}, 'account', 'one not seen for 91 days is none';
    $auth->do('select pets.throttle_known(?, ?, ?, ?)', undef, $bob->{id}, '192.0.2.1', [@wide, (0) x 6], 5);
    is $networks->(), join(' ', map { "198.51.$_.0/24" } 1, 3, 4, 5), 'and goes when anybody signs in from somewhere new';
    $root->do('delete from pets.known_network');
};

subtest 'what is empty is swept away' => sub {
    $root->do('delete from pets.throttle');
    $root->do(q{insert into pets.throttle select gen_random_uuid(), now() - interval '1 second' from generate_series(1, 1000)});
    my ($keep) = take($auth, subject => 'kept@example.org', own => [1, $long]);
    my $n = 0;
    take($auth, subject => 'x' . $n++, own => [1, $long]) while buckets() > $n + 200 && $n < 2000;
    cmp_ok $n, '<', 2000, "after $n attempts most of it is gone";
    is take($auth, subject => 'kept@example.org', own => [1, $long])->{refused}, 'own', 'what is not empty stays';
};

subtest 'an attempt waits for nobody but who takes from the same bucket' => sub {
    $root->do('delete from pets.throttle');
    my $other = $pg->dbh('pets_auth');
    $other->begin_work;
    my $who = subject();
    take($other, subject => $who, own => [5, $long], network => [0, 1]);
    is take($auth, subject => subject(), own => [5, $long])->{refused}, undef, 'another subject';
    $auth->do(q{set lock_timeout = '100ms'});
    ok !eval { take($auth, subject => $who, own => [5, $long]); 1 }, 'the same one waits';
    like $@, qr/lock timeout/, 'for the lock of its bucket';
    $other->rollback;
    is take($auth, subject => $who, own => [5, $long])->{remaining}, 4, 'and what was rolled back was never taken';
    $auth->do('reset lock_timeout');
    $other->disconnect;
};

subtest 'a crash forgives' => sub {
    my $ann = person($pg, subject());
    $auth->do('select pets.throttle_known(?, ?, ?, ?)', undef, $ann->{id}, '203.0.113.5', [@wide, (0) x 6], 5);
    take($auth, subject => 'x', own => [1, $long]);
    cmp_ok buckets(), '>', 0, 'something is taken';
    $_->disconnect for $root, $auth;
    $pg->kill9;
    $pg->start;
    $root = $pg->dbh;
    is buckets(), 0, 'the table is empty after a crash of PostgreSQL';
    is $root->selectrow_array('select count(*) from pets.known_network'), 1, 'known networks are known';
};

done_testing;
