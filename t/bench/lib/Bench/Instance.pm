package Bench::Instance;

=head1 NAME

Bench::Instance - the service that is measured, and what it is measured against

=head1 WHY

Everything runs at once, on one machine and one kernel, and is loaded in turn: what differs between two numbers
is then the thing that is measured. It is the service of the tests (Pets::Service), with a release build,
more shared memory for PostgreSQL, and a hundred thousand pets. fsync is off: a disk is not what this measures.
Autovacuum is off, so that it does not run in one round and not in the next.

    my $instance = Bench::Instance->new(workers => 2, connections => 4, pets => 100_000, owners => 1000)->start;
    $instance->url('api');        # plain HTTP through the shipped configuration
    $instance->url('tls');        # the same over TLS
    $instance->start_limits($bytes);
    $instance->url('echo');       # the shipped configuration with the echo behind it instead of the pool
    $instance->url('return');     # nginx alone

=cut

use v5.36;
use Pets::Env qw(bin run slurp spawn spew test_dir sock_dir wait_until);
use Pets::Service;

use constant TOKEN_SECONDS => 3600;

sub new($class, %option) {
    return bless {%option}, $class;
}

sub start($self) {
    my $service = $self->{service} = Pets::Service->new(
        config => { auth => $self->{auth} // {}, api => { pool => { workers => $self->{workers} }, database => { connections => $self->{connections} } } },
        database => {
            config => {
                shared_buffers     => '256MB',
                max_wal_size       => '2GB',
                checkpoint_timeout => '30min',
                autovacuum         => 'off',
                max_connections    => 100 + 2 * $self->{workers} * $self->{connections},
            }
        },
        nginx => { plain_api => 1, settings => { WORKERS => $self->{nginx_workers} } },
    );
    $service->make_secrets;
    $service->start_database;
    $self->load;
    $service->start_pools;
    $service->start_nginx;
    $self->make_tokens;
    return $self;
}

sub service($self)     { return $self->{service} }
sub tokens_file($self) { return test_dir() . '/tokens' }
sub echo_pid($self)    { return $self->{echo}->pid }
sub limits_nginx($self) { return $self->{limits} }

sub load($self) {
    my ($owners, $pets) = @$self{qw(owners pets)};
    $self->{service}->database->psql("\\set owners $owners\n\\set pets $pets\n" . slurp(Pets::Env::src() . '/t/bench/pets.sql'));
    return;
}

# The two ids of an owner, as pets.sql makes them.
sub owner_id($prefix, $number) {
    return sprintf '%s%s-%s-7000-8000-000000000000', $prefix, unpack 'A4 A4', 10_000_000 + $number;
}

sub make_tokens($self) {
    my $owners = join '', map { owner_id('0198', $_) . ' ' . owner_id('0199', $_) . "\n" } 0 .. $self->{owners} - 1;
    my ($status, $out, $err) = run([bin('tokens'), $self->{service}->auth->file, TOKEN_SECONDS], stdin => $owners);
    $status == 0 or die "tokens: $err\n";
    spew($self->tokens_file, $out, 0600);
    $self->{tokens} = [split /\n/, $out];
    return;
}

# A request as text, for Bench::Load::requests.
sub request_text($self, $workload, $number) {
    my $owner = $number % $self->{owners};
    my $head  = "Host: localhost\r\nAccept: application/json\r\nAuthorization: Bearer $self->{tokens}[$owner]\r\n";
    return sprintf("GET /v1/pets/%s HTTP/1.1\r\n%s\r\n", owner_id('019a', $number), $head) if $workload eq 'read';
    return "GET /v1/pets HTTP/1.1\r\n$head\r\n" if $workload eq 'list';
    my $body = '{"name":"Rex the Younger","species":"dog","breed":"Beagle","sex":"male","born_on":"2021-05-04",'
        . '"weight_grams":11500,"notes":"Likes long walks and short naps; afraid of thunder.","tags":["house","garden"]}';
    return "POST /v1/pets HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: @{[ length $body ]}\r\n\r\n$body";
}

# The echo behind an nginx of its own with the same configuration, and an nginx that answers by itself. The
# answer has `bytes` bytes.
sub start_limits($self, $bytes) {
    my $socket = sock_dir() . '/echo.sock';
    $self->{echo} = spawn(name => 'echo', cmd => [bin('echo'), $socket, $self->{workers}, $bytes]);
    wait_until { -S $socket } 5, 'the echo';
    my $port = Pets::Env::free_port();
    $self->{return_port} = $port;
    my $body = 'x' x $bytes;
    $self->{limits} = Pets::Nginx->new(
        dir        => test_dir() . '/nginx-limits',
        api_socket => $socket,
        plain_api  => 1,
        settings   => { WORKERS => $self->{nginx_workers} },
        http       => "server { listen 127.0.0.1:$port backlog=4096; default_type application/json; return 200 '$body'; }\n",
    );
    $self->{limits}->start;
    return;
}

sub url($self, $what) {
    my $nginx = $self->{service}->nginx;
    return 'http://127.0.0.1:' . $nginx->plain_port if $what eq 'api';
    return 'https://localhost:' . $nginx->https_port if $what eq 'tls';
    return 'http://127.0.0.1:' . $self->{limits}->plain_port if $what eq 'echo';
    return "http://127.0.0.1:$self->{return_port}" if $what eq 'return';
    die "url of $what?\n";
}

# The access logs would grow to gigabytes.
sub empty_logs($self) {
    for my $nginx ($self->{service}->nginx, $self->{limits} // ()) {
        my $log = $nginx->dir . '/logs/access.log';
        truncate $log, 0 if -e $log;
    }
    return;
}

sub stop($self) {
    $self->{limits}->stop if $self->{limits};
    $self->{echo}->stop   if $self->{echo};
    $self->{service}->stop;
    return;
}

1;
