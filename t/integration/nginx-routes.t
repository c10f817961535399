# Which pool gets which path, with exactly which parameters, over connections that are kept and requests
# that are never repeated. The corpus is t/data/routes.json.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use IO::Socket::INET;
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;
use Time::HiRes qw(sleep time);

my $corpus = corpus('routes.json');
my $nginx  = Pets::Nginx->new(fakes => 1, plain_api => 1)->start;

sub shown ($bytes) { return $bytes =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger }

# One request on an open connection, in one write (two would wait for a delayed ACK each).
sub exchange ($socket, $method, $path, $body) {
    my $length = length $body;
    $socket->syswrite("$method $path HTTP/1.1\r\nHost: a\r\nContent-Length: $length\r\n\r\n$body");
    my $got = '';
    until ($got =~ /\r\n0\r\n\r\n\z/) {
        sysread $socket, $got, 65536, length $got or last;
    }
    return Pets::Nginx::parse_answer($got);
}

subtest routes => sub {
    for my $row (@{$corpus->{routes}}) {
        my ($path, $whose, $seen) = @$row;
        for my $method (qw(GET POST)) {
            my $answer = $nginx->plain($method => $path);
            my $name   = "$method " . shown($path);
            headers_ok($answer, $name, tls => 0);
            if ($whose =~ /\d/) {
                is $answer->{status}, $whose, "$name: $whose" or diag $answer->{text};
                is $answer->{headers}{'content-type'}[0], 'application/problem+json', "$name: a problem";
                next;
            }
            is $answer->{status}, 200, "$name: answered" or diag $answer->{text};
            is $answer->{json}{name}, $whose, "$name: to $whose";
            is $answer->{json}{params}{REQUEST_URI}, $seen // $path, "$name: unchanged";
        }
    }
};

subtest 'routes over HTTP/2' => sub {
    for my $row (grep { $_->[0] =~ m{\A/[!-~]*\z} && $_->[0] !~ m{[#\\]} && ($_->[1] ne '404' || $_->[0] =~ /auth/) } @{$corpus->{routes}}) {
        my ($path, $whose) = @$row;
        my $answer = $nginx->request(GET => $path);
        is $answer->{status}, $whose =~ /\d/ ? $whose : 200, "$path: status" or diag $answer->{errors};
        is $answer->{json}{name} // 'nginx', $whose =~ /\d/ ? 'nginx' : $whose, "$path: to $whose";
    }
};

subtest methods => sub {
    for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS PURGE PROPFIND MKCOL LOCK FOO X-Y)) {
        my $answer = $nginx->plain($method => '/v1/pets');
        is $answer->{status}, 200, "$method is for the program to judge";
        is $answer->{json}{params}{REQUEST_METHOD}, $method, 'unchanged' if $method ne 'HEAD';
        is $answer->{body}, '', 'no body' if $method eq 'HEAD';
    }
};

subtest parameters => sub {
    my %wanted = map { $_ => {%{$corpus->{if_sent}}, %{$corpus->{"${_}_if_sent"}}} } qw(api auth);
    my %sent   = map { %$_ } values %wanted;
    my @all    = (values %sent, @{$corpus->{never}}, 'Content-Type: application/json');
    for my $row (['/v1/pets', 'api'], map { [$_, 'auth'] } '/v1/auth/login', '/v1/me', '/v1/me/x', '/.well-known/jwks.json') {
        my ($path, $pool) = @$row;
        my $bare = $nginx->plain(GET => $path)->{json};
        is_deeply [sort @{$bare->{order}}], $corpus->{always}, "$path: these and no others";
        is $bare->{params}{CONTENT_LENGTH}, '', "$path: no length of no body";

        for my $send (
            sub { $nginx->plain(POST => $path, headers => [grep { !/^Host/ } @all], body => '{"a":1}') },
            sub { $nginx->request(POST => $path, headers => [grep { !/^(?:Host|Upgrade)/ } @all], body => '{"a":1}') },
        ) {
            my $answer = $send->();
            my %params = %{$answer->{json}{params} // {}};
            is_deeply [sort @{$answer->{json}{order} // []}], [sort @{$corpus->{always}}, keys %{$wanted{$pool}}], "$path: with everything sent";
            is $answer->{json}{body}, '{"a":1}', "$path: body";
            while (my ($name, $header) = each %{$wanted{$pool}}) {
                is $params{$name}, $header =~ s/^[^:]+: //r, "$path: $name";
            }
            is_deeply [@params{qw(REQUEST_METHOD REQUEST_URI CONTENT_TYPE CONTENT_LENGTH REMOTE_ADDR)}],
                ['POST', $path, 'application/json', 7, '127.0.0.1'], "$path: values";
            like $params{REQUEST_ID}, qr/\A[0-9a-f]{32}\z/, "$path: REQUEST_ID";
            isnt $params{REQUEST_ID}, '0' x 32, 'not the one that the client made up';
            is $params{REQUEST_ID}, $answer->{headers}{'x-request-id'}[0], "$path: is X-Request-Id";
        }
    }
    my $chunked = $nginx->request(POST => '/v1/pets', body => '{"a":1}', curl => ['--http1.1'], headers => ['Transfer-Encoding: chunked'])->{json};
    is_deeply [$chunked->{params}{CONTENT_LENGTH}, $chunked->{body}], [7, '{"a":1}'], 'a chunked body arrives with its length';
};

subtest 'what the program answers' => sub {
    my $answer = $nginx->plain(GET => '/.well-known/jwks.json?h=Cache-Control:public,%20max-age%3D300');
    headers_ok($answer, 'a mark of its own on what may be stored', tls => 0, cache => 'public, max-age=300');
    my $ours = join '&', map { "h=$_:evil" } qw(X-Request-Id Strict-Transport-Security X-Content-Type-Options
        Content-Security-Policy Referrer-Policy Server);
    headers_ok($nginx->plain(GET => "/v1/pets?$ours"), 'headers that are ours', tls => 0);
    $answer = $nginx->plain(GET => '/v1/pets?h=X-Accel-Redirect:/.problem/unavailable&h=X-Accel-Limit-Rate:1');
    is $answer->{status}, 200, 'no steering by X-Accel-Redirect';

    $answer = $nginx->plain(GET => '/v1/pets?h=ETag:%223%22&h=Last-Modified:Tue, 24 Nov 2026 00:00:00 GMT&h=Accept-Ranges:bytes' =~ s/ /%20/gr,
        headers => ['If-None-Match: "3"', 'If-Match: "9"', 'If-Modified-Since: Tue, 24 Nov 2026 00:00:00 GMT']);
    is_deeply [$answer->{status}, $answer->{headers}{etag}], [200, ['"3"']], 'nginx does not judge preconditions';
    $answer = $nginx->plain(GET => '/v1/pets?status=304&h=ETag:%223%22');
    is_deeply [$answer->{status}, $answer->{body}], [304, ''], 'the program does';
    headers_ok($answer, '304', tls => 0);
    $answer = $nginx->request(GET => '/v1/pets', headers => ['Accept-Encoding: gzip, br']);
    ok !$answer->{headers}{'content-encoding'}, 'no compression';
    $answer = $nginx->request(GET => '/v1/pets?size=3000000');
    is length $answer->{body}, 3_000_000, 'a large answer arrives whole';
    $answer = $nginx->plain(GET => '/v1/pets?close=middle&size=100000');
    isnt length $answer->{body}, 100_000, 'a broken one is not made whole';
};

subtest 'kept connections' => sub {
    my (%status, %connection, %seen);
    my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->plain_port) or die "connect: $!";
    for my $number (1 .. 1200) {
        my $answer = exchange($client, 'POST', '/v1/pets', qq({"n":$number}));
        $status{$answer->{status}}++;
        $connection{$answer->{json}{connection}}++;
        $seen{$answer->{json}{body}}++;
        next if ($answer->{headers}{connection}[0] // '') ne 'close';
        $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->plain_port) or die "connect: $!";
    }
    is_deeply \%status, {200 => 1200}, '1200 POSTs in a row: no 502';
    is scalar(grep { $_ == 1 } values %seen), 1200, 'each arrived once';
    my ($most) = sort { $b <=> $a } values %connection;
    cmp_ok $most, '<=', 1000, 'no connection to the pool had more than 1000';
    cmp_ok scalar keys %connection, '<=', 20, 'and they were few' or diag explain \%connection;
};

# A draining worker counts on this: nginx leaves by itself, however busy it is.
subtest 'a connection to a pool gets as old as it may' => sub {
    $nginx->render(UPSTREAM_KEEP => '3s');
    $nginx->reload;
    my $connection = sub { $nginx->plain(GET => '/v1/pets')->{json}{connection} };
    $nginx->{fakes}{api_socket}->stop;
    $nginx->{fakes}{api_socket}->start;
    my ($start, $first) = (time, $connection->());
    my $last = $first;
    while (time < $start + 15 && ($last = $connection->()) == $first) { sleep 0.2 }
    my $took = time - $start;
    is $last, $first + 1, 'then nginx opens another one';
    ok $took > 2 && $took < 8, 'after three seconds' or diag $took;
};

subtest 'nothing is repeated' => sub {
    my $count = sub { $nginx->plain(GET => '/v1/pets')->{json}{request} };
    for my $method (qw(GET PUT DELETE POST PATCH)) {
        my $before = $count->();
        is $nginx->plain($method => '/v1/pets?close=before', body => '{}')->{status}, 502, "$method on a kept connection that breaks";
        is $count->() - $before, 2, "$method was sent once";
    }
};

subtest 'reload' => sub {
    my @before = $nginx->worker_pids;
    $nginx->render(MAX_BODY => '1k')->reload;
    isnt "@before", join(' ', $nginx->worker_pids), 'new workers';
    is $nginx->plain(POST => '/v1/pets', body => 'x' x 1024)->{status}, 200, 'a setting has changed: 1024 bytes';
    is $nginx->plain(POST => '/v1/pets', body => 'x' x 1025)->{status}, 413, 'and no more';
};

done_testing;
