# A database that is slow: the layers of time limits strike in their order, the queue is bounded in length and in
# time, every refusal is counted, and nothing that was refused is written.
# harness: alone
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Test::More;
use Time::HiRes qw(time sleep);

my $F = 'Pets::FastCGI';
my $service = Pets::Direct->new(
    config => {
        api => {
            pool => { workers => 1, queue_max => 5, queue_max_wait_ms => 1500, request_timeout_ms => 4000, slow_request_ms => 200 },
            database => { connections => 2, statement_timeout_ms => 2000 },
        },
    }
)->start;
my $api   = $service->api;
my $token = $service->token;
my $super = $service->database->dbh;

sub locked ($block) {
    $super->begin_work;
    $super->do('lock table pets.pet in access exclusive mode');
    my $good = eval { $block->(); 1 };
    my $why  = $@;
    $super->rollback;
    die $why if !$good;
    return;
}

# Sends creations, each on a connection of its own.
sub create ($name, $count) {
    my @sent = map { { connection => $api->connect, at => time } } 1 .. $count;
    $_->{connection}->raw($F->request_bytes(method => 'POST', uri => '/v1/pets', token => $token, keep => 1, body => { name => $name, species => 'dog' }))
        for @sent;
    return @sent;
}

# Their answers, by code, with the time that each took.
sub answers (@sent) {
    my %by;
    my %open = map { $_ => $_ } @sent;
    while (%open) {
        my %socket = map { $_->{connection}->socket => $_ } values %open;
        for my $ready (IO::Select->new(map { $_->{connection}->socket } values %open)->can_read(30)) {
            my $each  = $socket{$ready};
            my $reply = $each->{connection}->response(1, 30);
            push @{ $by{ $reply->{json}{code} // $reply->{status} // 'nothing' } }, { reply => $reply, took => time - $each->{at} };
            delete $open{$each};
        }
        last if !%socket;
    }
    return \%by;
}

sub there ($name) { return ($super->selectrow_array('select count(*) from pets.pet where name = ?', undef, $name))[0] }

sub counter ($name) { return $api->metrics->{"pets_$name"} // 0 }

subtest 'a statement that takes too long' => sub {
    my $before = counter('statement_timeouts_total');
    my $mark   = $api->log_mark;
    my $by;
    locked(sub { $by = answers(create('Slow', 2)) });
    is_deeply [keys %$by], ['timed_out'], 'timed_out' or diag explain $by;
    for my $answer ($by->{timed_out}->@*) {
        is $answer->{reply}{status}, 504, 'status 504';
        ok $answer->{took} > 1.9 && $answer->{took} < 6, sprintf 'after statement_timeout (%.0f ms)', 1000 * $answer->{took};
    }
    is there('Slow'), 0, 'nothing was written';
    is counter('statement_timeouts_total') - $before, 2, 'counted';
    my $slow = $api->log_wait(sub ($event) { ($event->{event} // '') eq 'slow_request' && ($event->{stage} // '') eq 'database' }, 30, $mark);
    is $slow->{statement}, 'pet_create', 'the log names it while it runs';
    is $slow->{stage}, 'database', '... and where it is';
    ok $slow->{backend_pid} > 0, '... and which server process';
};

subtest 'the queue is bounded' => sub {
    my ($refused, $late) = (counter('queue_refused_total'), counter('queue_timeouts_total'));
    my $by;
    locked(
        sub {
            my @first = create('Queue', 7);
            wait_until { my $status = $api->status; $status->{queued} == 5 } 30, 'a full queue';
            my @more = create('Queue', 4);
            $by = answers(@first, @more);
        }
    );
    is scalar @{ $by->{overloaded} // [] }, 9, 'nine are refused' or diag explain { map { $_ => scalar $by->{$_}->@* } keys %$by };
    is scalar @{ $by->{timed_out}  // [] }, 2, 'two ran, and timed out';
    my @at_once = grep { $_->{took} < 1.4 } $by->{overloaded}->@*;
    my @waited  = grep { $_->{took} >= 1.5 && $_->{took} < 4 } $by->{overloaded}->@*;
    is scalar @at_once, 4, 'four for whom there was no room: at once';
    is scalar @waited,  5, 'five that waited: after queue_max_wait';
    is scalar(grep { $_->{reply}{status} == 503 && $_->{reply}{headers}{'retry-after'} } $by->{overloaded}->@*), 9, 'all 503 with Retry-After';
    is counter('queue_refused_total') - $refused, 4, 'counted: refused';
    is counter('queue_timeouts_total') - $late,   5, 'counted: timed out';
    is there('Queue'), 0, 'nothing was written';
};

subtest 'who waits long enough is served' => sub {
    my @sent;
    locked(sub { @sent = create('Patient', 7); sleep 0.3 });
    my $by = answers(@sent);
    is_deeply [keys %$by], [201], 'all seven' or diag explain $by;
    is there('Patient'), 7, 'written once each';
};

subtest 'a server that stops answering' => sub {
    # The processes of the server stand still, as in a machine that hangs.
    my ($requests, $unknown) = (counter('request_timeouts_total'), counter('outcomes_unknown_total'));
    my $pids = $super->selectcol_arrayref(q{select pid from pg_stat_activity where usename = 'pets_api'});
    kill STOP => @$pids;
    eval {
        my @sent = create('Hung', 2);
        push @sent, { connection => my $reader = $api->connect, at => time };
        $reader->raw($F->request_bytes(uri => '/v1/pets', token => $token, keep => 1));
        my $by = answers(@sent);
        is scalar @{ $by->{outcome_unknown} // [] }, 2, 'of the writes nobody knows the outcome'
            or diag explain { map { $_ => [map { $_->{took} } $by->{$_}->@*] } keys %$by };
        ok !(grep { $_->{took} > 8 } map { @$_ } values %$by), 'all are answered within the limits';
        is $api->ops('/live')->{status}, 200, 'the pool lives';
        wait_until { my $reply = $api->connect->request(uri => '/v1/pets', token => $token); ($reply->{status} // 0) == 200 } 30, 'new connections';
        pass 'it makes new connections and serves';
        1;
    };
    is $@, '', 'nothing was waited for in vain';
    kill CONT => @$pids;
    cmp_ok counter('request_timeouts_total') - $requests + counter('outcomes_unknown_total') - $unknown, '>=', 2, 'counted';
    is $api->connect->request(uri => '/v1/pets', token => $token)->{status}, 200, 'and serves on when the old ones wake up';
};

subtest 'a statement that is cancelled' => sub {
    my $by;
    my @sent;
    locked(
        sub {
            @sent = create('Cancelled', 1);
            wait_until {
                $super->selectrow_array(q{select count(pg_cancel_backend(pid)) from pg_stat_activity where usename = 'pets_api' and wait_event_type = 'Lock'})
            }
            30, 'the statement to be cancelled';
            $by = answers(@sent);
        }
    );
    is_deeply [keys %$by], ['timed_out'], 'cancelled by an operator: timed_out';
    is there('Cancelled'), 0, 'nothing was written';
    is $api->connect->request(uri => '/v1/pets', token => $token)->{status}, 200, 'the connection goes on';
};

subtest 'slow_request_ms = 0: never' => sub {
    $api->set(pool => { slow_request_ms => 0 });
    $api->reload;
    my $mark = $api->log_mark;
    my $by;
    locked(sub { $by = answers(create('Quiet', 1)) });
    is_deeply [keys %$by], ['timed_out'], 'a request takes long';
    is scalar(my @slow = $api->log_grep(sub ($event) { ($event->{event} // '') eq 'slow_request' }, $mark)), 0, 'and is not logged as slow';
};

is $api->stop, 0, 'the pool ends in order';
done_testing;
