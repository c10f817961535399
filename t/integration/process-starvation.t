# Many more kept connections than workers, and nobody starves: whichever connection speaks is served, fresh clients get
# in at once, and peers that misbehave hold the others up no longer than they may.
# harness: alone
use v5.36;
use List::Util qw(min sum);
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Pets::Load;
use Pets::Service;
use Test::More;
use Time::HiRes qw(time sleep);

use constant { CROWD => 200, KEPT => 300 };

my $service = Pets::Service->new(
    hosts  => 1,
    config => { api => { pool => { workers => 2, io_timeout_ms => 400 } } },
    nginx  => { plain_api => 1 },
)->start;
my $api   = $service->api;
my $token = $service->user->token;

sub get ($connection) { return $connection->request(uri => '/v1/pets?limit=1', token => $token)->{status} // 'nothing' }

# Says when it took longest.
my $worst = 0;
sub timed ($what) {
    my $start = time;
    my $value = $what->();
    $worst = time - $start if time - $start > $worst;
    return $value;
}

# What starves waits for a time limit or for ever; what takes longer than this is no longer the machine.
sub not_held_up ($name) {
    cmp_ok $worst, '<', 4, sprintf "$name: the slowest after %.0f ms", 1000 * $worst;
    $worst = 0;
    return;
}

subtest 'a crowd that comes at once' => sub {
    my $bytes = Pets::FastCGI->request_bytes(uri => '/v1/pets?limit=1', token => $token, keep => 1);
    my $start = time;
    my @crowd = map { $api->connect } 1 .. CROWD;
    $_->raw($bytes) for @crowd;
    is scalar(grep { ($_->response(1, 30)->{status} // 0) == 200 } @crowd), CROWD, 'everybody is served';
    cmp_ok time - $start, '<', 4, sprintf 'all of them within %.0f ms', 1000 * (time - $start);
    my ($one, $two) = map { $_->{connections} } grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*;
    cmp_ok min($one, $two), '>=', CROWD / 5, "both workers have their share: $one and $two";
    $_->close for @crowd;
    wait_until { $api->status->{connections} == 0 } 30, 'the crowd to go';
};

my @kept;
subtest 'fresh clients beside ' . KEPT . ' kept connections' => sub {
    my $bad = 0;
    for (1 .. KEPT) {
        push @kept, $api->connect;
        $bad++ if timed(sub { get($kept[-1]) }) ne '200';
    }
    is $bad, 0, 'each was served when it came';
    not_held_up('coming');
    my ($one, $two) = map { $_->{connections} } grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*;
    is $one + $two, KEPT, 'they are all kept';
    cmp_ok min($one, $two), '>=', KEPT / 5, "both workers have their share: $one and $two";
};

subtest 'whoever speaks is served, with fresh clients coming and going' => sub {
    # 16 people whose connections to nginx live for some five requests.
    my $load = Pets::Load->new($service, people => 16, requests => 5, pause => 0.05)->start;
    my $bad  = 0;
    for my $round (1 .. 2) {
        for my $connection (@kept) {
            $bad++ if timed(sub { get($connection) }) ne '200';
        }
    }
    is $bad, 0, 'all of ' . 2 * KEPT . ' requests on kept connections were served';
    not_held_up('kept');
    # Theirs are counted, and ours.
    $load->{before} += 2 * KEPT;
    $load->all_well('fresh');
};

subtest 'while the pool reloads and recycles' => sub {
    $api->set(pool => { max_requests => 150 });
    my $load = Pets::Load->new($service, people => 16, requests => 5, pause => 0.05)->start;
    my $mark = $api->log_mark;
    $api->signal('HUP');
    $api->log_wait(sub ($event) { ($event->{event} // '') eq 'reloaded' }, 60, $mark);
    my $bad = 0;
    $bad += timed(sub { get($_) }) ne '200' for @kept;
    is $bad, 0, 'connections to the old generation are served on';
    not_held_up('kept');
    $load->go_on(500);
    $load->{before} += KEPT;
    $load->all_well('fresh');
    $_->close for @kept;
    @kept = ();
};

subtest 'hostile peers among them' => sub {
    $api->set(pool => { max_requests => 0 });
    my $mark = $api->log_mark;
    $api->signal('HUP');
    $api->log_wait(sub ($event) { ($event->{event} // '') eq 'reloaded' }, 60, $mark);
    my $F     = 'Pets::FastCGI';
    my $whole = $F->request_bytes(method => 'POST', uri => '/v1/pets', token => $token, body => { name => 'X', species => 'dog' });
    my %hostile = (
        'half a request'  => substr($whole, 0, length($whole) - 20),
        'half a record'   => $F->record(1, 1, pack('nCx5', 1, 1)) . substr($F->record(4, 1, 'x' x 100), 0, 50),
        'a huge length'   => $F->record(1, 1, pack('nCx5', 1, 1)) . $F->record(4, 1, pack('N', 0xffffffff) . 'x', length => 65_535),
        'nonsense'        => "GET / HTTP/1.1\r\n\r\n",
        'an aborted one'  => substr($whole, 0, 60) . $F->record(2, 1),
        'two interleaved' => $F->record(1, 1, pack('nCx5', 1, 1)) . $F->record(1, 2, pack('nCx5', 1, 1)) . $F->record(4, 2, 'xx'),
    );
    for my $name (sort keys %hostile) {
        my $before = $api->metrics;
        # One for each worker, at the same time, and then somebody innocent.
        my @peers = map { $api->connect } 1, 2;
        $_->raw($hostile{$name}) for @peers;
        my $status = timed(sub { get($api->connect) });
        is $status, 200, "$name: others are served";
        not_held_up($name);
        is scalar(grep { !$_->closes(20) } @peers), 0, "$name: they are cut off";
        # The guard cuts one off a moment before it is counted.
        my $cut = sub {
            my $after = $api->metrics;
            return sum map { $after->{"pets_$_"} - $before->{"pets_$_"} } qw(connections_broken_total io_timeouts_total);
        };
        ok eval { wait_until { $cut->() >= 2 } 20, 'the count' }, "$name: that is counted";
    }
    my $dribbler = fork // die;
    if (!$dribbler) {
        my $connection = $api->connect;
        $connection->dribble($whole, 1, 0.02);
        POSIX::_exit(0);
    }
    my $bad = 0;
    for (1 .. 100) {
        $bad++ if timed(sub { get($api->connect) }) ne '200';
        sleep 0.01;
    }
    waitpid $dribbler, 0;
    is $bad, 0, 'a dribbling peer: others are served';
    not_held_up('a dribbling peer');
    is scalar($api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_ended' && $event->{ending} !~ /\Are(?:placed|cycled)\z/ })), 0,
        'no worker fell';
};

is $api->stop(40), 0, 'it stops well';

done_testing;
