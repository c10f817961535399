# Two servers, both named in database.host, the second a synchronous standby of the first. The first is lost while
# people read and write, the second is promoted, and the pools find it by themselves: every write that was answered 201
# is there. Then a server that stops taking writes while another one begins to, and a host that is silent.
use v5.36;
use IO::Socket::INET;
use Pets::Direct;
use Pets::Env qw(free_port sock_dir test_dir wait_until);
use Pets::Outage;
use Pets::Pool;
use Test::More;
use Time::HiRes qw(time);

# The hosts are links, so that their paths are short whatever those of the clusters are.
my $hosts   = join ',', map { sock_dir() . "/$_" } qw(a b);
my $service = Pets::Direct->new(
    database => { port   => free_port() },
    config   => { both => { database => { host => $hosts, reconnect_max_ms => 500 } }, api => { pool => { workers => 2 } } },
);
$service->make_secrets;
$service->start_database;
my $first  = $service->database;
my $second = $first->replica(dir => test_dir() . '/second')->start;
host(a => $first);
host(b => $second);
$first->dbh->do(q{alter system set synchronous_standby_names = 'replica'});
$first->dbh->do('select pg_reload_conf()');
synchronous();
$service->start_pools;
my $api  = $service->api;
my $load = Pets::Outage->new(api => $api, token => $service->token);

sub host ($name, $cluster) {
    my $link = sock_dir() . "/$name";
    unlink $link;
    symlink $cluster->socket_dir, $link or die "$link: $!\n";
    return;
}

sub synchronous () {
    wait_until { $first->psql('select sync_state from pg_stat_replication') eq 'sync' } 30, 'the standby to be synchronous';
    return;
}

# Who serves the people of a pool.
sub connections ($cluster, $role = 'pets_api') {
    return $cluster->psql("select count(*) from pg_stat_activity where usename = '$role'");
}

# Until somebody's write is answered 201 that began after now.
sub recovers ($name, $since) {
    wait_until {
        my $reply = $api->connect->request(method => 'POST', uri => '/v1/pets', token => $load->{token}, body => { name => 'Back', species => 'dog' });
        ($reply->{status} // 0) == 201
    }
    60, 'a write to be taken';
    pass sprintf '%s: writes are taken again after %.0f ms', $name, 1000 * (time - $since);
    return;
}

subtest 'the standby is not served from' => sub {
    cmp_ok connections($first), '>=', 8, 'the first server has the connections of two workers';
    is connections($second), 0, 'the standby has none';
};

subtest 'the only standby is away' => sub {
    $second->stop;
    my $reply = $api->connect->request(method => 'POST', uri => '/v1/pets', token => $load->{token}, timeout => 30, body => { name => 'Waiting', species => 'dog' });
    is $reply->{json}{code}, 'outcome_unknown', 'a write that the standby has not confirmed is not said to be done' or diag $reply->{raw};
    is $api->connect->request(uri => '/v1/pets', token => $load->{token})->{status}, 200, 'who reads does not wait';
    $second->start;
    synchronous();
    wait_until { $second->psql(q{select count(*) from pets.pet where name = 'Waiting'}) == 1 } 30, 'the write to be on both';
    pass 'it is there in the end';
};

subtest 'the first server is lost, the standby is promoted' => sub {
    my $count = $load->under(
        'failover',
        sub {
            $first->kill9(all => 1);
            my $lost = time;
            $load->until_told(qr/^POST \S+ database_unavailable /m);
            my $promoted = time;
            $second->promote;
            pass sprintf 'promoted in %.0f ms', 1000 * (time - $promoted);
            recovers('since the loss', $lost);
        },
        $second
    );
    cmp_ok $count->{'POST database_unavailable'} // 0, '>', 0, 'some were refused';
    is_deeply [$api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_ended' })], [], 'no worker was replaced';
    wait_until { connections($second, 'pets_auth') >= 4 } 30, 'the auth pool to find it';
    $service->{database} = $second;
    like $service->token, qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, 'the auth pool registers people and logs them in';
};

subtest 'a server that takes no writes any more is left' => sub {
    my $third = $second->replica(dir => test_dir() . '/third')->start;
    host(a => $third);
    $load->under(
        'switch',
        sub {
            $second->dbh->do('alter system set default_transaction_read_only = on');
            $second->dbh->do('select pg_reload_conf()');
            my $since = time;
            $load->until_told(qr/^POST \S+ database_unavailable /m);
            wait_until {
                $third->psql('select pg_last_wal_replay_lsn()') eq $second->psql('select pg_current_wal_lsn()')
            }
            30, 'the standby to have all';
            $third->promote;
            recovers('since the server was made read-only', $since);
        },
        $third
    );
    ok $api->log_grep(sub ($event) { ($event->{event} // '') eq 'database_connection_lost' && $event->{error} eq 'the server is read-only' }),
        'the log says why a connection was given up';
    wait_until { connections($third) >= 8 } 60, 'the connections of two workers';
    $service->{database} = $third;
};

subtest 'a host that is silent' => sub {
    my $database = $service->database;
    my $silent   = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $database->port, Listen => 100, ReuseAddr => 1) or die "listen: $!\n";
    my $config   = $service->pool_config('api');
    $config->{pool}{workers} = 1;
    $config->{database} = { %{ $config->{database} }, host => '127.0.0.1,' . sock_dir() . '/a', connect_timeout_ms => 2000 };
    my $pool  = Pets::Pool->new(name => 'api', dir => test_dir() . '/silent', sockets => sock_dir() . '/silent', config => $config);
    mkdir sock_dir() . '/silent';
    my ($status, undef, $err) = $pool->check('-t', '-d');
    is $status, 0, 'petsd -t -d asks the next one' or diag $err;
    $pool->start;
    my $event = sub ($name) { return sub ($event) { ($event->{event} // '') eq $name } };
    wait_until { 5 == $pool->log_grep($event->('database_connected')) } 60, 'the connections of the worker and of the ops worker';
    is scalar(my @waited = $pool->log_grep($event->('database_connect_failed'))), 5, 'each connection has waited for it once';
    my $mark = $pool->log_mark;
    $database->dbh->do(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pets_api'});
    wait_until { 5 == $pool->log_grep($event->('database_connected'), $mark) } 30, 'all of them again';
    is scalar($pool->log_grep($event->('database_connect_failed'), $mark)), 0, 'made again, they begin with the host that had answered';
    is $pool->stop, 0, 'the pool ends in order';
};

is $_->stop, 0, $_->name . ' ends in order' for $service->api, $service->auth;
done_testing;
