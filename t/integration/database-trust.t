# Whom the pool trusts and by which password: a rotated password is picked up without a restart, a wrong one is
# recovered from, a server is believed over TCP only with the right certificate, and one that says nothing or
# nonsense costs nobody more than the time limits.
use v5.36;
use IO::Socket::UNIX;
use Pets::CA;
use Pets::Cluster;
use Pets::Direct;
use Pets::Env qw(run bin spawn sock_dir test_dir wait_until slurp spew);
use Test::More;
use Time::HiRes qw(time sleep);

my $service = Pets::Direct->new(config => { both => { database => { reconnect_max_ms => 300, connect_timeout_ms => 10_000 } } });
$service->make_secrets;
my $database = $service->{database} = Pets::Cluster->new(dir => test_dir() . '/pg', tls => 1, config => { listen_addresses => '127.0.0.1,127.0.0.2' });
$database->start;
$service->start_pools;
my $api   = $service->api;
my $token = $service->token;
my @pids  = $service->serving;
my $file  = $database->password_file('pets_api');

sub list () { return $api->connect->request(uri => '/v1/pets', token => $token) }
sub code () { my $reply = list(); return $reply->{json}{code} // $reply->{status} }

sub drop_connections () {
    $database->dbh->do(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pets_api'});
    return;
}

sub becomes ($wanted, $name) {
    ok eval { wait_until { code() eq $wanted } 30, $wanted }, $name or diag code(), "\n", $api->log_tail(5);
    return;
}

# No connection is left, nor one on its way that knew a password from before; the ops worker has one, too.
sub cut_off ($name) {
    my $cut = sub { drop_connections(); sleep 0.2; return $api->ops('/ready')->{status} != 200 && !grep { code() ne 'database_unavailable' } 1 .. 6 };
    ok eval { wait_until { $cut->() } 60, $name }, $name or diag code(), "\n", $api->log_tail(5);
    return;
}

subtest 'passwords' => sub {
    my $old = $database->password('pets_api');
    my $new = $database->set_password('pets_api');
    isnt $new, $old, 'the password is rotated, in PostgreSQL and in the file';
    is code(), 200, 'connections that are there go on';
    drop_connections();
    becomes(200, 'new ones use the new password');
    is_deeply [$service->serving], \@pids, 'without a restart';

    my $mark = $api->log_mark;
    spew($file, 'not the password', 0600);
    is code(), 200, 'a wrong password in the file: connections go on';
    cut_off('new ones are refused');
    is $api->ops('/ready')->{status}, 503, 'the pool is not ready';
    # Others may have failed because they were cut off on their way.
    $api->log_wait(sub ($event) { ($event->{event} // '') eq 'database_connect_failed' && $event->{error} =~ /password authentication failed/ }, 30, $mark);
    pass 'the log says why';
    spew($file, "$new\n", 0600);
    becomes(200, 'the right one is picked up');

    unlink $file;
    cut_off('no file at all');
    spew("$file.new", $new, 0644);
    rename "$file.new", $file or die "rename: $!";
    sleep 0.5;
    is code(), 'database_unavailable', 'a file that others can read is not used';
    chmod 0600, $file;
    becomes(200, 'until that is mended');
    is_deeply [$service->serving], \@pids, 'all that without a restart';
    unlike slurp($api->log_file), qr/\Q$new\E|\Q$old\E|not the password/, 'no password is in the log';
};

subtest 'TLS' => sub {
    my $other = Pets::CA->new(dir => test_dir() . '/other');
    my $root  = $database->root_cert;
    my $try   = sub (%options) {
        my $config = $service->pool_config('api');
        $config->{database} = { $config->{database}->%*, %options };
        my $pool = Pets::Pool->new(name => 'api', dir => test_dir() . '/tls', sockets => sock_dir() . '/tls', config => $config);
        my ($status, $out, $err) = $pool->check('-t', '-d');
        return wantarray ? ($status >> 8, $err) : $status >> 8;
    };
    mkdir sock_dir() . '/tls';
    is $try->(host => '127.0.0.1', sslrootcert => $root), 0, 'the right authority, by address';
    is $try->(host => 'localhost', sslrootcert => $root), 0, 'the right authority, by name';
    my ($status, $said) = $try->(host => '127.0.0.1', sslrootcert => $other->ca_file);
    isnt $status, 0, 'another authority is refused';
    like $said, qr/certificate verify failed/, '... with the reason' or diag $said;
    ($status, $said) = $try->(host => '127.0.0.2', sslrootcert => $root);
    isnt $status, 0, 'another address is refused';
    like $said, qr/does not match host name/, '... with the reason' or diag $said;
    ($status, $said) = $try->(host => '127.0.0.1');
    isnt $status, 0, 'no authority at all is refused';
    like $said, qr/root certificate/, '... with the reason' or diag $said;

    # The pool itself, over TCP.
    my $tcp = Pets::Pool->new(
        name    => 'api',
        dir     => test_dir() . '/tcp',
        sockets => sock_dir() . '/tls',
        config  => { $service->pool_config('api')->%*, database => { $service->pool_config('api')->{database}->%*, host => 'localhost', sslrootcert => $root } },
    )->start;
    is $tcp->connect->request(uri => '/v1/pets', token => $token)->{status}, 200, 'a pool serves over TLS';
    my ($version) = $database->dbh->selectrow_array(
        q{select min(s.version) from pg_stat_ssl s join pg_stat_activity a using (pid) where a.usename = 'pets_api' and a.client_addr is not null});
    like $version, qr/\ATLSv1\.[23]\z/, '... encrypted';
    is $tcp->stop, 0, '... and ends in order';
};

# --- servers that are none ------------------------------------------------------------------------------

# A process that listens where PostgreSQL would, and does with each connection as it is told.
sub impostor ($name, $code) {
    my $dir = sock_dir() . "/$name";
    mkdir $dir;
    spawn(name => $name, cmd => [$^X, '-e', <<~'PERL', "$dir/.s.PGSQL.5432", $code]);
        use v5.36;
        use IO::Socket::UNIX;
        my ($path, $code) = @ARGV;
        my $server = IO::Socket::UNIX->new(Local => $path, Listen => 50) or die "$path: $!\n";
        my @kept;
        while (my $client = $server->accept) {
            $client->autoflush(1);
            if    ($code eq 'silent')  { push @kept, $client }
            elsif ($code eq 'nonsense') { print $client "HTTP/1.1 400 Bad Request\r\n\r\n" x 100; push @kept, $client }
            elsif ($code eq 'half')    { print $client "R\0\0"; push @kept, $client }
            elsif ($code eq 'huge')    { print $client "R\x7f\xff\xff\xff" . 'x' x 1000; push @kept, $client }
            elsif ($code eq 'error')   { print $client "E\0\0\0\x1aSFATAL\0C57P03\0Mnot yet\0\0" }
        }
        PERL
    wait_until { -S "$dir/.s.PGSQL.5432" } 30, $name;
    return $dir;
}

for my $kind (qw(silent nonsense half huge error closed)) {
    subtest "a server that is $kind" => sub {
        my $config = $service->pool_config('api');
        $config->{database} = { $config->{database}->%*, host => impostor($kind, $kind), port => 5432, connect_timeout_ms => 800 };
        $config->{pool}     = { workers => 1, queue_max_wait_ms => 500 };
        my $pool = Pets::Pool->new(name => 'api', dir => test_dir() . "/$kind", sockets => sock_dir() . "/$kind", config => $config);
        my $start = time;
        $pool->start(wait => 'up');
        cmp_ok time - $start, '<', 4, 'the pool is up';
        my ($worst, %count) = (0);
        while (time < $start + 2.5) {
            my $begin = time;
            my $reply = $pool->connect->request(uri => '/v1/pets', token => $token);
            $count{ $reply->{json}{code} // 'nothing' }++;
            $worst = time - $begin if time - $begin > $worst;
            is $reply->{headers}{'retry-after'} ? 1 : 0, 1, 'Retry-After' if $reply->{status} != 503 || !$reply->{headers}{'retry-after'};
            sleep 0.05;
        }
        is_deeply [grep { !/\A(?:database_unavailable|overloaded)\z/ } keys %count], [], 'requests are refused as they should be' or diag explain \%count;
        cmp_ok $worst, '<', 4, sprintf '... none much later than connect_timeout or queue_max_wait (%.0f ms)', 1000 * $worst;
        is $pool->ops('/live')->{status}, 200, 'it lives';
        is $pool->ops('/ready')->{status}, 503, 'it is not ready';
        is $pool->stop, 0, 'it ends in order';
    };
}

is $_->stop, 0, 'the pool ends in order' for $api, $service->auth;
done_testing;
