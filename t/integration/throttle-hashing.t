# Flooding: however many workers there are, at most hash_slots passwords are hashed at once; a worker that dies while
# it hashes takes no slot with it; what does not fit into the queue is refused at once; and whoever does not want a
# hash does not notice.
use v5.36;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Pets::Service;
use Test::More;
use Time::HiRes qw(sleep time);

use constant { WORKERS => 4, QUEUE => 2 };

# A hash takes long enough to be seen.
my $service = Pets::Service->new(config => { auth => { pool => { workers => WORKERS, request_timeout_ms => 60_000, kill_timeout_ms => 120_000 }, password => { bcrypt_cost => 12, hash_slots => 1, hash_queue => QUEUE } } })->start;
my $auth    = $service->auth;
my $ann     = $service->user;
my $number  = 0;

# A login that is sent and not waited for: its connection.
sub begin_login () {
    my $connection = $auth->connect(timeout => 60);
    my %body = (email => 'nobody' . ++$number . '@example.org', password => 'no such password');
    $connection->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/login', body => \%body));
    return $connection;
}

sub answer ($connection) {
    my $reply = $connection->response(1, 60);
    return $reply->{complete} ? $reply : { status => 'lost' };
}

sub counters () { return $auth->status->{counters} }

# Looks until all are answered; returns the most that was seen at once.
sub watch_until ($done) {
    my ($most, $looks) = (0, 0);
    while (!$done->()) {
        my $hashing = $auth->status->{hashing};
        $most = $hashing if $hashing > $most;
        $looks++;
    }
    return ($most, $looks);
}

sub flood_of ($count, $slots) {
    my $before = counters()->{password_hashes_total};
    my $from   = time;
    my @logins = map { begin_login() } 1 .. $count;
    my ($most, $looks) = watch_until(sub { $auth->status->{active} == 0 });
    my %count;
    for my $reply (map { answer($_) } @logins) {
        $count{ $reply->{status} }++;
        is $reply->{headers}{'retry-after'}, 1, 'who is refused shall come again in a second' if $reply->{status} == 503;
    }
    note sprintf '%d logins in %.1f s, %d looks: %s', $count, time - $from, $looks, join ', ', map { "$count{$_} times $_" } sort keys %count;
    is $most, $slots, "never more than $slots hashed at once, of " . WORKERS . ' workers';
    is counters()->{password_hashes_total} - $before, $count{401} // 0, 'who was answered was hashed';
    is +($count{401} // 0) + ($count{503} // 0), $count, 'all were answered';
    return \%count;
}

subtest 'one slot' => sub {
    my $refused = counters()->{password_hashes_refused_total};
    my $count = flood_of(20, 1);
    # A place is taken before anything is waited for, so at most so many get one at first; a few of those who come
    # later find one that is free again.
    cmp_ok $count->{401}, '>=', QUEUE, 'what fits into the queue is served';
    cmp_ok $count->{503}, '>', 0, 'the rest is refused';
    is counters()->{password_hashes_refused_total} - $refused, $count->{503}, 'and counted';
    is $auth->status->{hash_pending}, 0, 'nothing is left in the queue';
};

subtest 'nobody else notices' => sub {
    my @logins = map { begin_login() } 1 .. 8;
    wait_until { $auth->status->{hashing} == 1 } 5, 'a hash';
    my @took;
    for (1 .. 20) {
        for my $uri ('/v1/me', '/.well-known/jwks.json') {
            my $from  = time;
            my $reply = Pets::FastCGI->get($auth->socket_path, $uri, token => $ann->token);
            push @took, time - $from;
            $reply->{status} == 200 or return fail("$uri: $reply->{status}");
        }
    }
    my $pending = $auth->status->{hash_pending};
    @took = sort { $a <=> $b } @took;
    note sprintf 'median %.1f ms, slowest %.1f ms, while %d passwords were in hand', 1e3 * $took[20], 1e3 * $took[-1], $pending;
    cmp_ok $took[20], '<', 0.1, 'requests that want no hash are answered as ever';
    answer($_) for @logins;
};

subtest 'a worker that dies while it hashes' => sub {
    my @logins = map { begin_login() } 1 .. WORKERS * QUEUE;
    my $holder = wait_until {
        my ($worker) = grep { $_->{hashing} } $auth->status(full => 1)->{processes}->@*;
        $worker
    } 5, 'a worker that hashes';
    kill KILL => $holder->{pid};
    my @replies = map { answer($_) } @logins;
    my %count;
    $count{ $_->{status} }++ for @replies;
    cmp_ok $count{lost} // 0, '>', 0, 'what it had in hand is lost';
    is +($count{lost} // 0) + ($count{401} // 0) + ($count{503} // 0), scalar @logins, 'everybody else is answered: its slot is free';
    wait_until { my $status = $auth->status; $status->{workers}{ready} == WORKERS && $status->{hashing} == 0 } 30, 'its successor';
    is answer(begin_login())->{status}, 401, 'and so it goes on';
};

subtest 'another number of slots, by a reload' => sub {
    my $generation = $auth->status->{generation} + 1;
    $auth->set(password => { hash_slots => 3, hash_queue => 16 });
    $auth->signal('HUP');
    wait_until { my $status = $auth->status(full => 1); $status->{generation} == $generation && !grep { $_->{generation} != $generation } $status->{processes}->@* } 30, 'workers with three slots';
    my $before = counters()->{password_hashes_total};
    my @logins = map { begin_login() } 1 .. 24;
    my ($most) = watch_until(sub { $auth->status->{active} == 0 });
    cmp_ok $most, '<=', 3, 'never more than three';
    cmp_ok $most, '>', 1, 'more than one';
    is_deeply [map { answer($_)->{status} } @logins], [(401) x 24], 'all are answered';
    is counters()->{password_hashes_total} - $before, 24, 'and hashed';
};

done_testing;
