# Peers that go away or are slow, at every stage of a request, and many of them: the worker keeps its promises to
# the others, and its descriptors and memory do not grow.
# harness: alone
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Test::More;
use Time::HiRes qw(time sleep);

# AddressSanitizer would keep 256 MB of freed memory from reuse, and hide what grows.
$ENV{ASAN_OPTIONS} .= ':quarantine_size_mb=1:thread_local_quarantine_size_kb=64' if $ENV{ASAN_OPTIONS};

my $F = 'Pets::FastCGI';
my $service = Pets::Direct->new(
    config => {
        # Who waits for the database here waits until we let go, and not for a time limit.
        api => {
            pool     => { io_timeout_ms => 500, workers => 2, queue_max_wait_ms => 60_000, request_timeout_ms => 80_000, kill_timeout_ms => 90_000 },
            database => { connections => 1, statement_timeout_ms => 60_000 },
        },
        auth => { password => { bcrypt_cost => 12 } },
    }
)->start;
my $api   = $service->api;
my $auth  = $service->auth;
my $token = $service->token;
my @pids  = $service->serving;
my $super = $service->database->dbh;

sub get ($connection, %option) { return $connection->request(uri => '/v1/pets?limit=1', token => $token, %option) }

sub count_pets ($name) { return ($super->selectrow_array('select count(*) from pets.pet where name = ?', undef, $name))[0] }

# Nothing is in flight and no connection left behind.
sub quiet ($pool, $name) {
    my $status;
    my $good = eval {
        wait_until { $status = $pool->status; $status->{active} <= 1 && $status->{queued} == 0 && $status->{connections} <= 2 } 30, 'quiet';
    };
    ok $good, "$name: nothing is left in flight" or diag explain $status;
    return;
}

subtest 'peers that leave while their request waits for the database' => sub {
    # All connections of the pool wait for this lock.
    $super->begin_work;
    $super->do('lock table pets.pet in access exclusive mode');
    my @running = map { $api->connect } 1 .. 8;
    $_->raw($F->request_bytes(method => 'POST', uri => '/v1/pets', token => $token, keep => 1, body => { name => 'Gone', species => 'dog' }))
        for @running;
    # One runs in each worker that got any; all are past what comes before.
    my %stage;
    wait_until {
        %stage = ();
        $stage{ $_->{stage} }++ for map { $_->{in_flight}->@* } grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*;
        ($stage{database} // 0) + ($stage{queue} // 0) == 8
    }
    30, 'the queue to fill';
    my $queued = $stage{queue};
    cmp_ok $queued, '>=', 6, "$queued wait in the queue";
    $_->close for @running;
    wait_until { $api->status->{queued} == 0 } 30, 'the queue to empty';
    pass 'who waits in the queue and leaves is forgotten';
    $super->rollback;
    quiet($api, 'left');
    # One may still be written, as "quiet" lets one be in flight.
    eval { wait_until { count_pets('Gone') >= 8 - $queued } 30, 'what was sent' };
    is count_pets('Gone'), 8 - $queued, 'what was sent to the database took effect, what was queued did not';
    is get($api->connect)->{status}, 200, 'others are served';
};

subtest 'peers that leave while a password is hashed' => sub {
    my $before = $auth->metrics->{'pets_password_hashes_total'};
    for (1 .. 12) {
        my $connection = $auth->connect;
        $connection->raw($F->request_bytes(method => 'POST', uri => '/v1/auth/login', body => { email => 'nobody@example.org', password => 'a wrong password' }));
        sleep 0.02;
        $connection->close;
    }
    quiet($auth, 'hashing');
    my $reply = $service->ask(auth => POST => '/v1/auth/login', { email => 'nobody@example.org', password => 'a wrong password' });
    is $reply->{json}{code}, 'invalid_credentials', 'the next login is served';
    my ($alone) = $auth->metrics->{'pets_password_hashes_total'};
    cmp_ok $alone - $before, '<', 12, 'hashes nobody waits for are not made';
};

subtest 'peers that leave in the middle of an answer' => sub {
    $super->do(
        q{insert into pets.pet (id, owner_id, name, species, notes)
          select gen_random_uuid(), id, 'Big', 'dog', repeat(chr(9835), 2000) from pets.account, generate_series(1, 100)
          where id = (select owner_id from pets.pet limit 1)}
    );
    my $whole = $api->connect->request(uri => '/v1/pets?limit=100', token => $token);
    cmp_ok length $whole->{body}, '>', 500_000, 'a big answer';
    for (1 .. 20) {
        my $connection = $api->connect;
        $connection->raw($F->request_bytes(uri => '/v1/pets?limit=100', token => $token, keep => 1));
        sleep 0.01;
        $connection->read_record if $_ % 2;
        $connection->close;
    }
    quiet($api, 'half answers');
    is_deeply [$service->serving], \@pids, 'the same workers';
};

subtest 'a peer that does not read is cut, and holds one worker no longer than it may' => sub {
    my $slow  = $api->connect;
    my $start = time;
    $slow->raw($F->request_bytes(uri => '/v1/pets?limit=100', token => $token, keep => 1));
    my ($asked, $served, $worst) = (0, 0, 0);
    while (time < $start + 2) {
        my $begin = time;
        my $reply = get($api->connect, keep => 0);
        $asked++;
        $served++ if ($reply->{status} // 0) == 200;
        $worst = time - $begin if time - $begin > $worst;
        sleep 0.01;
    }
    is $served, $asked, "all of $asked others were served";
    cmp_ok $worst, '<', 4, sprintf 'none waited much longer than io_timeout (%.0f ms)', $worst * 1000;
    my $reply = $slow->response(1, 30);
    ok !$reply->{complete}, 'the slow one has been cut';
    quiet($api, 'cut');

    # A reader that is slow, but reads, gets everything.
    my $patient = $api->connect;
    $patient->raw($F->request_bytes(uri => '/v1/pets?limit=100', token => $token, keep => 1));
    my $got = 0;
    while (my $record = $patient->read_record(30)) {
        $got += length $record->{content} if $record->{type} == 6;
        last if $record->{type} == 3;
        sleep 0.001;
    }
    cmp_ok $got, '>', 500_000, 'a slow reader gets all of it';
};

subtest 'peers that dribble a request' => sub {
    my $whole = $F->request_bytes(uri => '/v1/pets', token => $token);
    my $slow  = $api->connect;
    ok !$slow->dribble($whole, 1, 0.1), 'cut';
    quiet($api, 'dribbled');
};

subtest 'twenty thousand requests leave no trace' => sub {
    my @kept  = map { $api->connect } 1 .. 4;
    my $round = sub ($requests) {
        my %count;
        my $bytes = $F->request_bytes(uri => '/v1/pets?limit=1', token => $token, keep => 1);
        my $bad   = $F->request_bytes(method => 'POST', uri => '/v1/pets', token => $token, keep => 1, body => '{"name":');
        for my $i (1 .. $requests / @kept) {
            my $which = $i % 3 ? $bytes : $bad;
            $_->raw($which) for @kept;
            $count{ $_->response(1)->{status} // 'none' }++ for @kept;
            if ($i % 100 == 0) {    # a fresh client, and one that breaks
                get($api->connect, keep => 0);
                my $broken = $api->connect;
                $broken->raw("\1\1\0\1");
                $broken->close;
            }
        }
        return \%count;
    };
    $round->(2000);
    my @before = map { $service->resources($_) } @pids;
    my $start  = time;
    my $count  = $round->(20_000);
    my $took   = time - $start;
    is $count->{200} + $count->{400}, 20_000, sprintf 'every request is answered (%.0f a second)', 20_000 / $took;
    is scalar keys %$count, 2, 'as it should be' or diag explain $count;
    $_->close for @kept;
    quiet($api, 'afterwards');
    for my $i (0 .. $#pids) {
        my $after = $service->resources($pids[$i]);
        cmp_ok $after->{fds}, '<=', $before[$i]{fds}, "worker $i: no descriptor more";
        cmp_ok $after->{rss} - $before[$i]{rss}, '<', $ENV{ASAN_OPTIONS} ? 20_000 : 2000, "worker $i: memory does not grow"
            or diag "$before[$i]{rss} kB before, $after->{rss} kB after";
    }
    is_deeply [$service->serving], \@pids, 'the same workers still';
};

is $_->stop, 0, 'the pool ends in order' for $api, $auth;
done_testing;
