# Limits of one client: rates and bursts counted exactly, connections, sizes of bodies and headers, and
# clients that are slow. Rates of one a minute make the counts exact: nothing trickles in meanwhile.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use IO::Socket::INET;
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;
use Time::HiRes qw(sleep time);

# The address comes from a header here, so that one machine can be many clients.
my $MANY  = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Address;\n";
my $nginx = Pets::Nginx->new(
    fakes     => 1,
    plain_api => 1,
    http      => $MANY,
    settings  => {
        LIMIT_RATE => '1r/m', LIMIT_BURST => 7, AUTH_RATE => '1r/m', AUTH_BURST => 2, LIMIT_CONNECTIONS => 3,
        HEADER_TIMEOUT => '1s', BODY_TIMEOUT => '1s', WORKERS => 2
    }
)->start;

# A client that has never been seen before.
my $clients = 0;
sub somebody () { return sprintf 'X-Test-Address: 10.0.%d.%d', ++$clients / 250, 1 + $clients % 250 }

sub statuses ($times, $method, $path, @headers) {
    return join ' ', map { $nginx->plain($method => $path, headers => [@headers])->{status} } 1 .. $times;
}

subtest rates => sub {
    my ($one, $two, $three) = (somebody, somebody, somebody);
    is statuses(11, GET => '/v1/pets', $one), join(' ', (200) x 8, (429) x 3), 'one and a burst of seven, then 429';
    problem_ok($nginx->plain(GET => '/v1/pets?x', headers => [$one]), 429, 'rate_limited', 'a problem',
        tls => 0, instance => '/v1/pets');
    problem_ok($nginx->plain(HEAD => '/v1/pets', headers => [$one]), 429, 'rate_limited', 'as HEAD', tls => 0, head => 1);
    my $told = sub ($method, $path, $who) { my $headers = $nginx->plain($method => $path, headers => [$who])->{headers}; return join ' ', map { ($headers->{$_} // ['-'])->@* } qw(ratelimit-policy ratelimit retry-after) };
    is $told->(GET => '/v1/pets', $one), '"address";q=7;w=420 "address";r=0;t=5 5', 'how many fit in, and when there is room';
    is $told->(GET => '/v1/pets', somebody), '- - -', 'nobody else is told';
    is statuses(1, GET => '/v1/auth/x', $one), 429, 'the auth routes count as requests too';
    is statuses(1, GET => '/v1/me',     $one), 429, 'and so does the account';

    is statuses(5, POST => '/v1/auth/login', $two), '200 200 200 429 429', 'auth: one and a burst of two';
    is $told->(POST => '/v1/auth/login', $two), '"sign-in";q=2;w=120 "sign-in";r=0;t=5 5', 'the tighter limit';
    is $told->(PUT => '/v1/me/password', $two), '"sign-in";q=2;w=120 "sign-in";r=0;t=5 5', 'wherever it is';
    is statuses(2, POST => '/v1/auth/register', $two), '429 429', 'together, not each route';
    is statuses(1, $_->@*, $two), '429', "and so is $_->[0] $_->[1]"
        for [PUT => '/v1/me/password'], [POST => '/v1/me/second-factor'], [POST => '/v1/me/second-factor/confirm'], [POST => '/v1/me/recovery-codes'];
    is statuses(7, GET => '/v1/pets', $two), '200 200 200 200 200 429 429', 'what was refused was not counted elsewhere';
    is statuses(3, GET => '/v1/pets', $three), '200 200 200', 'another client is not concerned';
    is statuses(20, GET => '/nowhere', $one), join(' ', (404) x 20), 'what is no route costs nobody anything';

    my $origin = 'Access-Control-Request-Method: GET';
    is statuses(2, OPTIONS => '/v1/pets', $one, $origin), '429 429', 'OPTIONS of an unlisted origin counts';
};

subtest 'IPv6 clients are counted by /64' => sub {
    my $from = sub ($address) { return statuses(1, POST => '/v1/auth/login', "X-Test-Address: $address") };
    is join(' ', map { $from->("2001:db8:0:1::$_") } 1 .. 5), '200 200 200 429 429', 'five addresses, one network';
    is $from->('2001:db8:0:1:ffff:ffff:ffff:ffff'), 429, 'the last address of it';
    is $from->('2001:db8:0:2::1'),                  200, 'the next network';
    is $from->('2001:db8:a00:a0a:a0a:a0a:a0a:a0a'), 200, 'bytes that are line ends';
    is join(' ', map { $from->("2001:db8:a00:a0a:${_}0a:a0a:a0a:a0a") } 1 .. 4), '200 200 429 429', 'are bytes like others';
};

subtest connections => sub {
    my $client = somebody;
    my $seen   = sub { return $nginx->plain(GET => '/v1/pets', headers => [somebody])->{json}{request} };
    my $before = $seen->();
    my @slow   = map {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->plain_port) or die "connect: $!";
        $socket->syswrite("GET /v1/pets?delay=5 HTTP/1.0\r\n$client\r\n\r\n");
        $socket
    } 1 .. 3;
    # The three have to be in progress before a fourth asks, or it takes the place of one of them: others ask how
    # many have come so far.
    my $until = time + 4;
    my $more  = 0;
    while (time < $until && $seen->() < $before + ++$more + 3) { sleep 0.02 }
    my $answer = $nginx->plain(GET => '/v1/me', headers => [$client]);
    problem_ok($answer, 429, 'rate_limited', 'a fourth at the same time', tls => 0, instance => '/v1/me');
    like join('', <$_>), qr{\AHTTP/1.1 200}, 'the three are answered' for @slow;
};

# From here on each request is another client.
sub post ($body, @headers) { return $nginx->plain(POST => '/v1/pets', headers => [somebody, @headers], body => $body) }

sub post_chunked (@chunks) {
    my $bytes = "POST /v1/pets HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" . somebody . "\r\nTransfer-Encoding: chunked\r\n\r\n";
    $bytes .= sprintf "%x\r\n%s\r\n", length, $_ for @chunks;
    return Pets::Nginx::parse_answer($nginx->raw("${bytes}0\r\n\r\n", whole => 1));
}

subtest bodies => sub {
    for my $size (0, 1, 1023, 65535, 65536) {
        is post('x' x $size)->{json}{body_length}, $size, "$size bytes arrive";
        is post_chunked('x' x $size)->{json}{body_length}, $size, "$size bytes arrive chunked" if $size;
    }
    is post_chunked(('x' x 100) x 655)->{json}{body_length}, 65500, 'in many chunks';
    problem_ok(post('x' x 65537), 413, 'payload_too_large', '65537 bytes', tls => 0, instance => '/v1/pets');
    problem_ok(post_chunked('x' x 65537), 413, 'payload_too_large', '65537 bytes chunked', tls => 0, instance => '/v1/pets');
    problem_ok(post_chunked('x' x 65536, 'x'), 413, 'payload_too_large', 'in two chunks', tls => 0, instance => '/v1/pets');
    problem_ok(post_chunked(('x' x 8192) x 9), 413, 'payload_too_large', 'in nine chunks', tls => 0, instance => '/v1/pets');
    unlike $nginx->error_log, qr/buffered to a temporary file/, 'no body was written to disk';
};

subtest headers => sub {
    my $status = sub (@headers) { return $nginx->plain(GET => '/v1/pets', headers => [somebody, @headers])->{status} };
    is $status->('A: ' . 'x' x 8180), 200, 'a line of 8k';
    is $status->('A: ' . 'x' x 8192), 431, 'a longer one';
    is $status->(map { "A$_: " . 'x' x 7000 } 1 .. 4), 200, '28k together';
    is $status->(map { "A$_: " . 'x' x 7000 } 1 .. 5), 431, '35k together';
    is $nginx->request(GET => '/v1/pets', headers => [map { "A$_: " . 'x' x 7000 } 1 .. 3])->{status}, 200, '21k over HTTP/2';
    is $nginx->request(GET => '/v1/pets', headers => ['A: ' . 'x' x 20000])->{status}, 0, 'too much over HTTP/2 ends the connection';
    is $nginx->plain(GET => '/v1/pets?' . 'x' x 8100, headers => [somebody])->{status}, 200, 'a request line of nearly 8k';
    is $nginx->plain(GET => '/v1/pets?' . 'x' x 8192, headers => [somebody])->{status}, 414, 'a longer one';
    is $nginx->plain(GET => '/v1/pets', headers => [somebody, 'Authorization: Bearer ' . 'x' x 4000])->{json}{params}{HTTP_AUTHORIZATION},
        'Bearer ' . 'x' x 4000, 'a long token arrives whole';
};

# nginx 1.22 closes a connection that is too slow, and answers nothing: 408 is in the log alone.
subtest 'slow clients' => sub {
    my %begin = (
        'half a request line' => 'GET /v1/sl',
        'half a header'       => "GET /v1/slow HTTP/1.1\r\nHost: a\r\nAuthor",
        'no body'             => "POST /v1/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
        'half a body'         => "POST /v1/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345",
        'half a chunk'        => "POST /v1/slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    );
    for my $name (sort keys %begin) {
        my $start = time;
        is $nginx->raw($begin{$name} =~ s/\r\n/"\r\n" . somebody . "\r\n"/er), '', "$name: closed without an answer";
        my $took = time - $start;
        ok $took > 0.9 && $took < 8, "$name: after one second" or diag $took;
    }
    my $dribble = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $nginx->plain_port) or die "connect: $!";
    my $start   = time;
    local $SIG{PIPE} = 'IGNORE';
    for my $byte (split //, "GET /v1/slow HTTP/1.1\r\nHost: a\r\n" . 'X' x 400) {
        $dribble->syswrite($byte) or last;
        select undef, undef, undef, 0.05;
        last if IO::Select->new($dribble)->can_read(0);
    }
    my $took = time - $start;
    ok $took < 8, 'a header byte by byte is closed as well' or diag $took;
    close $dribble;
    # Each worker writes what it holds back in its own time.
    my (@slow, $looks);
    do {
        sleep 0.2 if $looks++;
        @slow = grep { $_->{status} == 408 } $nginx->access_log;
    } until @slow >= 5 || $looks > 100;
    cmp_ok scalar @slow, '>=', 5, 'each is a 408 in the log' or diag explain \@slow;
};

done_testing;
