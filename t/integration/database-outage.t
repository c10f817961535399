# The database goes away and comes back, in every manner, while people read and write. The pool says so at once,
# recovers by itself, and its answers are true: what was answered 201 is there, once; what was answered with
# "nothing was changed" is not; only "outcome unknown" may be either.
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until);
use Pets::Outage;
use Test::More;
use Time::HiRes qw(time sleep);

my $service = Pets::Direct->new(config => { both => { database => { reconnect_max_ms => 500 } }, api => { pool => { workers => 2, queue_max_wait_ms => 6000 } } })->start;
my $database = $service->database;
my $api      = $service->api;
my $token    = $service->token;

sub list () { return $api->connect->request(uri => '/v1/pets?limit=1', token => $token) }

sub recovers ($name, $seconds = 60) {
    my $start = time;
    wait_until { (list()->{status} // 0) == 200 } $seconds, 'the pool to recover';
    pass sprintf '%s: recovered after %.0f ms', $name, 1000 * (time - $start);
    return;
}

subtest 'the pool starts without a database' => sub {
    $api->stop;
    $database->stop;
    $api->start(wait => 'up');
    my $reply = wait_until { my $reply = list(); $reply->{status} && $reply } 30, 'an answer';
    is $reply->{status}, 503, 'a request is refused';
    is $reply->{json}{code}, 'database_unavailable', '... with the reason';
    like $reply->{headers}{'retry-after'}, qr/\A[1-9]\d?\z/, '... and when to come back';
    # Whoever waited would do so for queue_max_wait_ms.
    my $worst = 0;
    for (1 .. 50) {
        my $begin = time;
        list();
        $worst = time - $begin if time - $begin > $worst;
    }
    cmp_ok $worst, '<', 4, sprintf '... at once (%.0f ms at worst)', $worst * 1000;
    is $api->ops('/live')->{status}, 200, 'it lives';
    is $api->ops('/ready')->{status}, 503, 'it is not ready';
    is $api->connect->request(uri => '/nowhere')->{status}, 404, 'what needs no database is answered';
    is $api->connect->request(uri => '/v1/pets')->{json}{code}, 'token_missing', '... a missing token too';
    $database->start;
    recovers('started later');
    wait_until { $api->ops('/ready')->{status} == 200 } 30, 'readiness';
    pass 'it is ready';
};

my $load = Pets::Outage->new(api => $api, token => $token);

for my $way (['stop -m fast', sub { $database->stop('fast') }], ['stop -m immediate', sub { $database->stop('immediate') }], ['kill -9', sub { $database->kill9 }]) {
    subtest $way->[0] => sub {
        my $count = $load->under(
            $way->[0],
            sub {
                $way->[1]->();
                $load->until_told(qr/^POST \S+ database_unavailable /m);
                $database->start;
                recovers($way->[0]);
            },
            $database
        );
        cmp_ok $count->{'POST database_unavailable'} // 0, '>', 0, 'some were refused';
    };
}

subtest 'three restarts in a row' => sub {
    $load->under(
        'restarts',
        sub {
            for (1 .. 3) {
                $database->stop('fast');
                $database->start;
                recovers("restart $_");
            }
        },
        $database
    );
};

subtest 'single connections are ended by the server' => sub {
    $load->under(
        'terminated',
        sub {
            for (1 .. 10) {
                $database->dbh->do(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pets_api' order by random() limit 2});
                sleep 0.1;
            }
        },
        $database
    );
};

my $metrics = $api->metrics;
cmp_ok $metrics->{'pets_database_connections_lost_total'}, '>', 0, 'lost connections are counted';
is_deeply [$api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_ended' && ($event->{ending} // '') ne 'replaced' })], [], 'no worker has died';
is $api->stop, 0, 'the pool ends in order';
done_testing;
