# pgbouncer, as Debian has it, between the pools and PostgreSQL: what docs/manual.md (Growing) says of it. In session mode
# everything works, once it lets our startup parameter pass, and roles have their time limit from PostgreSQL. In
# transaction mode nothing does, and the log says why.
use v5.36;
use Pets::Direct;
use Pets::Env qw(slurp sock_dir spawn spew test_dir tool wait_until);
use Pets::FastCGI;
use Pets::Pool;
use Test::More;
use Time::HiRes qw(time);

my $place   = sock_dir() . '/bouncer';
my $service = Pets::Direct->new(config => { both => { database => { host => $place, port => 6432, reconnect_max_ms => 500 } }, api => { pool => { workers => 2 } } });
$service->make_secrets;
$service->start_database;
my $database = $service->database;
my $super    = $database->dbh;
mkdir $place or die "$place: $!\n";
my ($bouncer, $ann);

# pgbouncer with these options; whoever ran before has ended.
sub bounce (%option) {
    $bouncer->stop if $bouncer;
    my $users = join '', map { qq("$_->[0]" "$_->[1]"\n) } $super->selectall_arrayref(q{select rolname, rolpassword from pg_authid where rolname in ('pets_api', 'pets_auth')})->@*;
    my %all   = (
        unix_socket_dir => $place,
        listen_port     => 6432,
        auth_type       => 'scram-sha-256',
        auth_file       => spew(test_dir() . '/secrets/users.txt', $users, 0600),
        logfile         => test_dir() . '/pgbouncer.log',
        default_pool_size => 50,
        server_login_retry => 1,
        %option,
    );
    my $file = spew(test_dir() . '/pgbouncer.ini', join('', '[databases]', sprintf("\npets = host=%s port=%d dbname=pets\n", $database->socket_dir, $database->port), "[pgbouncer]\n", map { "$_ = $all{$_}\n" } sort keys %all));
    $bouncer = spawn(name => 'pgbouncer', cmd => [tool('pgbouncer'), '-q', $file], stdout => '/dev/null', stderr => '/dev/null');
    wait_until { -S "$place/.s.PGSQL.6432" } 30, 'pgbouncer';
    return;
}

# A pool that nobody else knows, for petsd -t -d.
sub checked () {
    my $pool = Pets::Pool->new(name => 'api', dir => test_dir() . '/check', config => $service->pool_config('api'));
    my ($status, undef, $err) = $pool->check('-t', '-d');
    return $status == 0 ? 'good' : $err;
}

subtest 'as it comes' => sub {
    bounce(pool_mode => 'session');
    like checked(), qr/unsupported startup parameter: options/, 'it refuses the parameter with our statement_timeout';
};

subtest 'session mode' => sub {
    $super->do("alter role pets_api set statement_timeout = '600ms'");
    bounce(pool_mode => 'session', ignore_startup_parameters => 'options');
    is checked(), 'good', 'petsd -t -d';
    $service->start_pools;
    ($ann, my $ben) = map { $service->token } 1 .. 2;
    my $api = $service->api;
    my @made = map { $api->connect->request(method => 'POST', uri => '/v1/pets', token => $ann, body => { name => "Pet $_", species => 'dog' })->{status} } 1 .. 20;
    is_deeply \@made, [(201) x 20], 'pets are created';
    my %seen = map { scalar $api->connect->request(uri => '/v1/pets', token => $ann)->{json}{items}->@* => 1 } 1 .. 10;
    is_deeply [keys %seen], [20], 'who has made them sees them, by whichever connection';
    is scalar $api->connect->request(uri => '/v1/pets', token => $ben)->{json}{items}->@*, 0, 'nobody else does';
    is $super->selectrow_array(q{select count(*) from pg_stat_activity where usename = 'pets_api'}), 1 + $api->status->{database_connections}, 'a connection to PostgreSQL for each of ours: none is saved';
    cmp_ok $super->selectrow_array(q{select count(*) from pg_stat_activity where application_name like 'pets-api/auth %'}), '>=', 4, 'PostgreSQL sees who signs, and with which key';

    $super->begin_work;
    $super->do('lock table pets.pet in access exclusive mode');
    my $start = time;
    my $reply = $api->connect->request(method => 'POST', uri => '/v1/pets', token => $ann, body => { name => 'Slow', species => 'dog' });
    $super->rollback;
    is $reply->{json}{code}, 'timed_out', "the role's statement_timeout holds" or diag $reply->{raw};
    cmp_ok time - $start, '<', 4, '... and not ours, which is longer';

    $super->disconnect;
    $database->stop;
    $database->start;
    $super = $database->dbh;
    wait_until { ($api->connect->request(uri => '/v1/pets', token => $ann)->{status} // 0) == 200 } 60, 'the pool to recover';
    pass 'it recovers when PostgreSQL was away';
    is $_->stop, 0, 'the pool ends in order' for $service->api, $service->auth;
};

# What ten people are told at once.
sub lists ($pool) {
    my @people = map { $pool->connect } 1 .. 10;
    $_->raw(Pets::FastCGI->request_bytes(uri => '/v1/pets', token => $ann)) for @people;
    return { map { my $reply = $_->response(1, 30); ($reply->{json}{code} // $reply->{status} // 'nothing') => 1 } @people };
}

subtest 'transaction mode' => sub {
    bounce(pool_mode => 'transaction', ignore_startup_parameters => 'options', default_pool_size => 2);
    my $pool = Pets::Pool->new(name => 'api', dir => test_dir() . '/transaction', config => $service->pool_config('api'));
    $pool->start(wait => 'up');
    my $event = $pool->log_wait(sub ($event) { ($event->{event} // '') eq 'database_connect_failed' });
    like $event->{error}, qr/prepared statement "\w+" already exists/, 'a connection meets the statements of another one';
    wait_until { lists($pool)->{internal_error} } 60, 'a request to miss its statements';
    ok $pool->log_grep(sub ($event) { ($event->{sqlstate} // '') eq '26000' }), 'others miss their own, and the log says so';
    $pool->stop;
};

done_testing;
