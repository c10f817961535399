# The master stops, in every manner. Gracefully it loses nothing; when told twice, only what is idle is cut; and when it
# is killed, its workers finish what they have, leave, and free the address for its successor.
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until process_gone random_hex);
use Test::More;
use Time::HiRes qw(time sleep);

# What waits here waits for us, however slow the machine is, and not for a time limit.
my $service = Pets::Direct->new(
    config => {
        api => {
            pool     => { workers => 2, request_timeout_ms => 60_000, kill_timeout_ms => 90_000, drain_timeout_ms => 90_000 },
            database => { statement_timeout_ms => 50_000 },
        },
    }
)->start;
my $api     = $service->api;
my $token   = $service->token;
my $pet     = $api->connect->request(method => 'POST', uri => '/v1/pets', token => $token, body => { name => 'A', species => 'dog' })->{json};

sub get ($connection) { return $connection->request(uri => '/v1/pets?limit=1', token => $token)->{status} // 'nothing' }

# A request that waits until ->rollback: its connection, and what to end it with.
sub slow_request () {
    my $holder = $service->database->dbh;
    $holder->begin_work;
    $holder->do('select * from pets.pet where id = ?::uuid for update', undef, $pet->{id});
    my $connection = $api->connect;
    $connection->raw(Pets::FastCGI->request_bytes(
        method => 'PATCH', uri => "/v1/pets/$pet->{id}", token => $token, keep => 1,
        type => 'application/merge-patch+json', body => { name => random_hex(4) },
    ));
    wait_until { $api->status->{active} } 30, 'the request to be in flight';
    return ($connection, $holder);
}

sub refused () { return !eval { $api->connect; 1 } }

subtest 'TERM' => sub {
    my $idle = $api->connect;
    is get($idle), 200, 'a kept connection';
    my ($slow, $holder) = slow_request();
    my @workers = $api->workers;
    $api->signal('TERM');
    wait_until { refused() } 30, 'new connections to be refused';
    pass 'new connections are refused';
    is get($idle), 200, 'the kept connection is still served';
    is $api->ops('/ready')->{status}, 503, 'the ops worker says that it is not ready';
    $holder->rollback;
    is $slow->response(1, 30)->{status}, 200, 'the request in flight is answered';
    $slow->close;
    ok $api->alive, 'it waits for the kept connection';
    $idle->close;
    is $api->process->wait(30), 0, 'then it ends, with status 0';
    is scalar(grep { !process_gone($_) } @workers), 0, 'and nobody is left';
    ok !-e $api->socket_path && !-e $api->ops_path, 'the socket files are gone';
};

subtest 'TERM twice' => sub {
    $api->start;
    my $idle = $api->connect;
    is get($idle), 200, 'a kept connection';
    my ($slow, $holder) = slow_request();
    $api->signal('TERM');
    wait_until { refused() } 30, 'new connections to be refused';
    $api->signal('TERM');
    ok $idle->closes(30), 'the kept connection is closed';
    $holder->rollback;
    is $slow->response(1, 30)->{status}, 200, 'the request in flight is answered';
    is $api->process->wait(30), 0, 'it ends by itself, with status 0';
};

subtest 'KILL' => sub {
    $api->start;
    my $kept = $api->connect;
    is get($kept), 200, 'a kept connection';
    my @workers = $api->workers;
    is scalar @workers, 3, 'two workers and the ops worker';
    my ($slow, $holder) = slow_request();
    $api->kill_master;
    is get($kept), 200, 'the kept connection is still served';
    my $start = time;
    wait_until { refused() } 30, 'the address to be free';
    pass sprintf 'the address is free after %.0f ms', 1000 * (time - $start);
    ok -e $api->socket_path, 'the socket file is left behind';
    $api->start;
    pass 'a new master takes its place at once';
    is get($api->connect), 200, 'and serves';
    is get($kept), 200, 'the old worker serves its kept connection on';
    $holder->rollback;
    is $slow->response(1, 30)->{status}, 200, 'the request that was in flight is answered';
    $_->close for $kept, $slow;
    wait_until { !grep { !process_gone($_) } @workers } 30, 'the old workers to leave';
    pass 'then the old workers leave';
    my @said = $api->log_grep(sub ($event) { ($event->{event} // '') eq 'master_gone' });
    is scalar @said, 3, 'each has said why';
    is get($api->connect), 200, 'the new pool is not disturbed';
    is $api->stop, 0, 'it stops well';
};

subtest 'two masters' => sub {
    $api->start;
    my ($status, $out, $err) = $api->check;
    is $status >> 8, 1, 'a second one does not start';
    like $err, qr/another process is serving it/, '... and says why';
    is get($api->connect), 200, 'the first one serves on';
    is $api->stop, 0, 'it stops well';
};

done_testing;
