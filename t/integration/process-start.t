# How a pool starts: what it listens on, what it tells systemd and when, how it is ready, and with which words and
# status it refuses to start.
use v5.36;
use IO::Socket::UNIX;
use Pets::Direct;
use Pets::Env qw(bin run spawn wait_until slurp spew sock_dir test_dir);
use Pets::Pool;
use Test::More;

my $service = Pets::Direct->new(config => { api => { pool => { workers => 2 } } })->start;
my $api     = $service->api;
my $token   = $service->token;
is $api->stop, 0, 'the first pool has done its part';

# Another pool with the same configuration but for this.
sub another ($name, %option) {
    my $config = $service->pool_config('api');
    my $pool   = delete $option{pool} // {};
    $config->{pool} = { %{ $config->{pool} }, %$pool };
    my $other = Pets::Pool->new(name => 'api', dir => test_dir() . "/$name", config => $config, %option);
    return $other;
}

sub listener ($path) { return IO::Socket::UNIX->new(Local => $path, Listen => 16) // die "$path: $!\n" }

sub list ($address) {
    return Pets::FastCGI->get($address, '/v1/pets?limit=1', token => $token)->{status} // 'nothing';
}

subtest 'bound by the master' => sub {
    my $pool = another('bound', notify => 1, env => { WATCHDOG_USEC => 400_000 }, pool => { listen_mode => '0600', ops_listen_mode => '0666' })->start;
    is list($pool->socket_path), 200, 'it serves';
    is sprintf('%04o', (stat $pool->socket_path)[2] & 07777), '0600', 'the socket has its mode';
    is sprintf('%04o', (stat $pool->ops_path)[2] & 07777), '0666', 'and so has that of the ops worker';
    my $ready = $pool->log_wait(sub ($event) { ($event->{event} // '') eq 'ready' });
    cmp_ok $ready->{after_ms}, '<', 4000, "ready after $ready->{after_ms} ms";
    is $ready->{workers}, 2, 'with two workers';
    is scalar $pool->log_grep(sub ($event) { exists $event->{unparsed} }), 0, 'every line of the log is JSON';
    is $pool->notify_wait('\AREADY='), 'READY=1', 'systemd is told';
    like $pool->notify_wait('\ASTATUS='), qr/\ASTATUS=generation 1 is serving with 2 workers\z/, '... in words, too';
    is $pool->notify_wait('\AWATCHDOG='), 'WATCHDOG=1', 'the watchdog is fed';
    my %comm = map { chomp(my $comm = slurp("/proc/$_/comm")); $comm => 1 } $pool->workers;
    is_deeply [sort keys %comm], ['petsd-api', 'petsd-api-ops'], 'processes have names of their own';
    $pool->signal('HUP');
    is $pool->notify_wait('\ARELOADING='), 'RELOADING=1', 'a reload is told';
    like $pool->notify_wait('\AMONOTONIC_USEC='), qr/\AMONOTONIC_USEC=\d+\z/, '... with its time';
    $pool->notify_wait('generation 2 is serving');
    is $pool->stop, 0, 'it stops well';
    is $pool->notify_wait('\ASTOPPING='), 'STOPPING=1', 'and says so';
    my @order = grep { /\A(?:READY|RELOADING|STOPPING)=/ } $pool->notifications;
    is "@order", 'READY=1 RELOADING=1 READY=1 STOPPING=1', 'in this order';
};

subtest 'passed by systemd' => sub {
    my ($path, $ops) = map { sock_dir() . "/passed-$_" } qw(api ops);
    my $pool = another('passed', listen => 0, ops_listen => 0, pool => { listen => 'systemd', ops_listen => 'systemd' },
        pass => [['ops', listener($ops)], ['other', listener("$path-2")], ['api', listener($path)]]);
    $pool->{ops} = $ops;
    $pool->start;
    is list($path), 200, 'it serves on the socket of its name';
    is $pool->stop, 0, 'it stops well';
    ok -S $path, 'the socket file, which is not its own, stays';
};

# Two on the same sockets: the one that helps out leaves the ops socket, and its numbers, to the other.
subtest 'a relief' => sub {
    my ($path, $ops) = map { sock_dir() . "/relief-$_" } qw(api ops);
    my @pass = (['api', listener($path)], ['api-ops', listener($ops)]);
    my %option = (listen => 0, ops_listen => 0, pool => { listen => 'systemd', ops_listen => 'systemd' }, pass => \@pass);
    my $main   = another('relieved', %option);
    my $relief = another('relief', %option, arguments => ['--relief'], notify => 1);
    $_->{ops} = $ops for $main, $relief;
    $main->start;
    $relief->start(wait => 'none');
    is $relief->notify_wait('\AREADY='), 'READY=1', 'it is ready';
    my @workers = $relief->workers;
    is scalar @workers, 2, 'it has two workers, and no ops worker';
    is $main->stop, 0, 'the other one stops';
    is list($path), 200, 'and it serves';
    $main->start(wait => 'none');
    $main->wait_alive(sub { (eval { Pets::FastCGI->get($ops, '/ready') } // {})->{status} // 0 }, 60, 'the other one to answer');
    is $main->status->{pid}, $main->master, 'the status is that of the other one';
    is $relief->stop, 0, 'relieved again, it stops';
    is list($path), 200, 'and the other one serves';
    is $main->stop, 0, 'which stops well, too';
};

subtest 'on an address' => sub {
    my $pool = another('address', listen => 0, pool => { listen => '127.0.0.1:0' })->start;
    my $listening = $pool->log_wait(sub ($event) { ($event->{event} // '') eq 'listening' && $event->{for} eq 'pool' });
    like $listening->{address}, qr/\A127\.0\.0\.1:[1-9]\d+\z/, 'the log says which';
    is list($listening->{address}), 200, 'it serves there';
    is $pool->status->{listen_queue}{limit}, 511, 'its queue is known';
    my $kept = Pets::FastCGI->new($listening->{address});
    is $kept->request(uri => '/v1/pets?limit=1', token => $token)->{status}, 200, 'a kept connection';
    $pool->signal('TERM');
    wait_until { !eval { Pets::FastCGI->new($listening->{address}) } } 30, 'new connections to be refused';
    is $kept->request(uri => '/v1/pets?limit=1', token => $token)->{status}, 200, 'told to stop, it refuses new connections and serves the kept one';
    is $pool->ops('/live')->{status}, 200, 'and so does the ops worker';
    $kept->close;
    is $pool->stop, 0, 'it stops well';
};

subtest 'the log is rotated' => sub {
    my $pool = another('log');
    my $file = test_dir() . '/log/rotated';
    $pool->set(log => { file => $file })->start;
    rename $file, "$file.1";
    $pool->signal('USR1');
    wait_until { -e $file } 30, 'the new file';
    $pool->signal('HUP');
    wait_until { slurp($file) =~ /"reloaded"/ } 30, 'the reload in the new file';
    is $pool->stop, 0, 'it stops well';
    like slurp($file), qr/"stopped"/, 'the end is in the new file';
    unlike slurp("$file.1"), qr/"stopped"/, 'and not in the old one';
    is sprintf('%03o', (stat $file)[2] & 0007), '000', 'others cannot read it';
};

# --- refusals -------------------------------------------------------------------------------------------

sub refuses ($name, $pool, $status, $words) {
    my ($got, $out, $err) = $pool->check;
    is $got >> 8, $status, "$name: status $status" or diag $err;
    like $err, $words, "$name: the reason";
    ok !-e $pool->socket_path, "$name: nothing is left";
    return;
}

subtest 'what cannot start' => sub {
    my $pool = another('refused');
    my $key  = $service->signing_key_file;
    refuses('a secret of the other pool', $pool->set(token => { signing_key_file => $key }), 78, qr/api pool must not have this secret/);
    $pool->set(token => { signing_key_file => undef });
    refuses('no such directory', $pool->set(pool => { listen => '/nonexistent/x.sock' }), 1, qr{pool\.listen = /nonexistent/x\.sock: the directory /nonexistent});
    $pool->set(pool => { listen => $pool->socket_path });
    my $password = $pool->{config}{database}{password_file};
    my $readable = spew(test_dir() . '/readable', slurp($password), 0644);
    refuses('a secret that others can read', $pool->set(database => { password_file => $readable }), 78, qr/its mode must be 0600 or 0400/);
    $pool->set(database => { password_file => $password });
    refuses('no keys', $pool->set(token => { public_keys_dir => '/nonexistent' }), 78, qr/"start_failed"/);
    $pool->set(token => { public_keys_dir => $service->public_keys_dir });
    for my $name (qw(PGPASSWORD PETS_API_SECRET)) {
        local $pool->{env} = { $name => 'hunter2' };
        my ($got, $out, $err) = $pool->check;
        ok $got >> 8, "$name in the environment: refused";
        like $err, qr/\b$name\b/, '... by name';
        unlike $err, qr/hunter2/, '... and not by value';
    }
};

subtest 'started again and again' => sub {
    my $pool = another('again');
    for my $round (1 .. 5) {
        $pool->start;
        is list($pool->socket_path), 200, "round $round: it serves";
        is $pool->stop, 0, "round $round: it stops well";
    }
};

done_testing;
