# A worker that hangs is killed after kill_timeout_ms; the log says which request it was at, and others are served
# all the while. A request that is slow is told of while it runs.
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until random_hex);
use Test::More;
use Time::HiRes qw(time);

# Long enough to look at what is stuck before any time limit strikes.
use constant KILL_MS => 6000;

my $service = Pets::Direct->new(
    config => {
        api => {
            pool => {
                workers            => 2,
                kill_timeout_ms    => KILL_MS,
                request_timeout_ms => KILL_MS - 500,
                queue_max_wait_ms  => 1000,
                slow_request_ms    => 300,
            },
            database => { statement_timeout_ms => KILL_MS - 600 },
        },
    }
)->start;
my $api   = $service->api;
my $token = $service->token;
my $pet   = $api->connect->request(method => 'POST', uri => '/v1/pets', token => $token, body => { name => 'Stuck', species => 'dog' })->{json};
ok $pet->{id}, 'there is a pet';

# Whoever changes the pet waits, as long as this transaction lives.
my $holder = $service->database->dbh;
$holder->begin_work;
$holder->do('select * from pets.pet where id = ?::uuid for update', undef, $pet->{id});

my $id         = random_hex(16);
my $connection = $api->connect;
my $mark       = $api->log_mark;
my $sent       = time;
$connection->raw(Pets::FastCGI->request_bytes(
    method => 'PATCH', uri => "/v1/pets/$pet->{id}", token => $token, id => $id, keep => 1,
    type => 'application/merge-patch+json', body => { name => 'Changed' },
));

my $slow = $api->log_wait(sub ($event) { ($event->{event} // '') eq 'slow_request' && ($event->{request_id} // '') eq $id }, 30, $mark);
like $slow->{route}, qr{/v1/pets/\{id\}}, 'the slow request is logged while it runs, with its route';
is $slow->{stage}, 'database', '... its stage';
cmp_ok $slow->{backend_pid}, '>', 0, '... and whom it waits for';

my ($stuck) = map { $_->{pid} } grep { $_->{active} } grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*;
is $slow->{pid}, $stuck, 'the status page knows the worker';
kill STOP => $stuck;

# The others go on: fresh connections, for as long as it takes.
my ($asked, $worst, $bad) = (0, 0, 0);
my $end;
while (!$end) {
    my $start = time;
    my $reply = $api->connect->request(uri => '/v1/pets?limit=1', token => $token, keep => 0);
    my $took  = time - $start;
    $worst = $took if $took > $worst;
    $asked++;
    $bad++ if ($reply->{status} // 0) != 200;
    ($end) = $api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_ended' && $event->{worker} == $stuck }, $mark);
    last if time - $sent > 60;
}
ok $end, 'the worker is gone' or BAIL_OUT('it is not killed');
my $took = time - $sent;
cmp_ok $took, '>=', KILL_MS / 1000, 'not before its time';
cmp_ok $took, '<', 2 * KILL_MS / 1000, sprintf 'after %.1f s', $took;
is $bad, 0, "$asked others were served meanwhile";
cmp_ok $worst, '<', 4, sprintf '... the slowest after %.0f ms', 1000 * $worst;
is $end->{ending}, 'killed', 'it counts as killed';
is scalar $api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_stuck' && $event->{worker} == $stuck }, $mark), 1, 'the log says why';

my $lost = $api->log_wait(sub ($event) { ($event->{event} // '') eq 'request_lost' }, 30, $mark);
is $lost->{request_id}, $id, 'the lost request is named';
like $lost->{route}, qr{/v1/pets/\{id\}}, '... with its route';
is $lost->{stage}, 'database', '... its stage';
ok $lost->{statement}, '... its statement';
cmp_ok $lost->{age_ms}, '>=', KILL_MS, '... and its age';
my $reply = eval { $connection->response(1, 30) };
ok $reply && !$reply->{complete}, 'whoever asked sees the connection end';

$holder->rollback;
wait_until { 2 == grep { $_->{kind} eq 'pool' && $_->{state} eq 'ready' } $api->status(full => 1)->{processes}->@* } 60, 'its successor';
is $api->connect->request(uri => "/v1/pets/$pet->{id}", token => $token)->{json}{name}, 'Stuck', 'the change was not made';
is $api->metrics->{'pets_worker_endings_total{cause="killed"}'}, 1, 'one kill is counted';
is $api->stop, 0, 'it stops well';

done_testing;
