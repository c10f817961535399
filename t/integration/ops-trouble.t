# When things go wrong the ops socket still answers, at once, and says what: all workers waiting, one of them stuck,
# the pool stopping, the database away.
use v5.36;
use Pets::Env qw(wait_until random_hex);
use Pets::Ops qw(parse_page parse_metrics);
use Pets::Service;
use Test::More;
use Time::HiRes qw(time sleep);

my $service = Pets::Service->new(
    hosts  => 1,
    config => {
        api => { pool => { workers => 2, queue_max_wait_ms => 60_000, request_timeout_ms => 80_000, kill_timeout_ms => 90_000 },
            database => { connections => 1, statement_timeout_ms => 60_000 } },
    }
);
$service->make_secrets->start_database->start_pools;
my ($api, $auth) = ($service->api, $service->auth);

# An answer and how long it took; the limit leaves room for a busy machine.
sub at_once ($uri, $name) {
    my $start = time;
    my $reply = $api->ops($uri);
    cmp_ok time - $start, '<', 4, "$name: $uri is answered at once";
    return $reply;
}

my $email = 'ann.' . random_hex(4) . '@example.org';
my $door  = $auth->connect;
$door->request(method => 'POST', uri => '/v1/auth/register', body => { email => $email, password => 'the password of ann', display_name => 'Ann' });
my $token = $door->request(method => 'POST', uri => '/v1/auth/login', body => { email => $email, password => 'the password of ann' })->{json}{access_token}
    or BAIL_OUT('cannot log in');

subtest 'all workers wait for the database' => sub {
    my $lock = $service->database->dbh;
    $lock->begin_work;
    $lock->do('lock table pets.pet in access exclusive mode');
    my @waiting = map { $api->connect } 1 .. 6;
    my %id;
    for my $connection (@waiting) {
        my $id = random_hex(16);
        $id{$id} = 1;
        $connection->raw(Pets::FastCGI->request_bytes(keep => 1, uri => '/v1/pets', token => $token, id => $id));
    }
    # And past what comes before the database: one of each worker is with it, the others are queued.
    wait_until {
        my @stages = map { $_->{stage} } map { $_->{in_flight}->@* } grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*;
        @stages == 6 && !grep { !/\A(?:queue|database)\z/ } @stages
    }
    30, 'six requests in flight';
    my $status = at_once('/status?full&format=json', 'busy')->{json};
    my @serving = grep { $_->{kind} eq 'pool' && $_->{active} } @{ $status->{processes} };
    is $status->{queued}, 6 - @serving, 'one of each worker is with the database, the others are queued';
    my @entries = map { @{ $_->{in_flight} } } grep { $_->{kind} eq 'pool' } @{ $status->{processes} };
    is_deeply { map { $_->{request_id} => 1 } @entries }, \%id, 'every request is shown with its id';
    is_deeply [grep { $_->{route} ne 'GET /v1/pets' } @entries], [], 'and its route';
    my ($sent)   = grep { $_->{stage} eq 'database' } @entries;
    my ($queued) = grep { $_->{stage} eq 'queue' } @entries;
    is $sent->{statement}, 'pet_list', 'one that waits for PostgreSQL names its statement';
    ok $lock->selectrow_array('select true from pg_stat_activity where pid = ?', undef, $sent->{backend_pid}), 'and a backend that is there';
    is $queued->{backend_pid}, undef, 'one that is queued has none';
    cmp_ok $sent->{age_ms}, '>=', $sent->{stage_age_ms}, 'ages are in order';
    like at_once('/status?full&format=text', 'busy')->{body}, qr/$sent->{request_id} +GET \/v1\/pets .* in database \(pet_list, backend $sent->{backend_pid}\)/,
        'the text shows it';
    my $page = at_once('/status?format=html', 'busy')->{body};
    ok eval { parse_page($page) }, 'the page is well-formed' or diag $@;
    like $page, qr/class="tile busy"/, 'with a busy tile';
    like $page, qr/<em class="busy-c">database<\/em>/, 'and a stage';
    is at_once('/live',    'busy')->{status}, 200, 'alive';
    is at_once('/ready',   'busy')->{status}, 200, 'ready';
    is parse_metrics(at_once('/metrics', 'busy')->{body})->{value}{pets_requests_active}, 6, 'metrics say how many';
    $lock->rollback;
    is $_->response(1)->{status}, 200, 'a request that waited is answered' for @waiting;
    wait_until { $api->status->{active} == 0 } 60, 'no request in flight';
};

subtest 'a worker is stuck' => sub {
    my ($worker) = grep { $_->{kind} eq 'pool' } @{ $api->status(full => 1)->{processes} };
    kill STOP => $worker->{pid};
    my $status;
    wait_until { $status = $api->status; $status->{health} ne 'ok' } 60, 'the status to say so';
    is $status->{health}, 'degraded', 'degraded';
    like $status->{reason}, qr/\AWorker $worker->{pid} is stuck/, 'because of this worker';
    my $page = at_once('/status?format=html', 'stuck')->{body};
    like $page, qr/class="tile stuck" id="pid-$worker->{pid}"/, 'a tile shows it';
    like at_once('/status?format=text', 'stuck')->{body}, qr/\A.* degraded: Worker/, 'the text says it first';
    is at_once('/ready', 'stuck')->{status}, 200, 'the pool is ready nevertheless';
    kill CONT => $worker->{pid};
    wait_until { $api->status->{health} eq 'ok' } 60, 'it goes on';
    pass 'and all is well when it goes on';
};

subtest 'no database' => sub {
    $service->database->stop('immediate');
    my $reply;
    wait_until { $reply = $api->ops('/ready'); $reply->{status} == 503 } 60, 'not to be ready';
    is $reply->{json}{code}, 'database_unavailable', 'not ready: the database is away';
    cmp_ok $reply->{headers}{'retry-after'}, '>', 0, 'Retry-After';
    wait_until { $api->status->{database_connections} == 0 } 60, 'all connections to be lost';
    is at_once('/live', 'no database')->{status}, 200, 'alive nevertheless';
    my $status = at_once('/status?format=json', 'no database')->{json};
    is $status->{health}, 'down', 'down';
    is $status->{reason}, 'No connection to the database.', 'and why';
    cmp_ok parse_metrics(at_once('/metrics', 'no database')->{body})->{value}{pets_database_connections_lost_total}, '>=', 2, 'counted';
    $service->database->start;
    wait_until { $api->ops('/ready')->{status} == 200 } 60, 'to be ready again';
    wait_until { $api->status->{health} eq 'ok' } 60, 'all to be well';
    pass 'it recovers by itself';
};

subtest 'the pool is stopping' => sub {
    my $kept = $api->connect;
    # The database was away a moment ago, and each worker comes back to it in its own time.
    wait_until { $kept->request(uri => '/v1/pets', token => $token)->{status} == 200 } 60, 'a kept connection';
    $api->signal('QUIT');
    my $reply;
    wait_until { $reply = $api->ops('/ready'); $reply->{status} == 503 } 60, 'not to be ready';
    is $reply->{json}{code}, 'shutting_down', 'not ready: shutting down';
    is at_once('/live', 'stopping')->{status}, 200, 'alive';
    my $status = at_once('/status?format=json', 'stopping')->{json};
    is $status->{health}, 'draining', 'draining';
    ok $status->{draining}, 'as a flag too';
    is $kept->request(uri => '/v1/pets', token => $token)->{status}, 200, 'the kept connection is still served';
    $kept->close;
    wait_until { !$api->alive } 60, 'the pool to end';
    is $api->process->status, 0, 'it ends well';
};

done_testing;
