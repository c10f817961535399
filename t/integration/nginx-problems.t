# Every error that nginx makes itself is a problem of the documented form, with the headers that all
# answers have; errors of the program pass untouched. The corpus is t/data/problems.json.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use File::Temp;
use Pets::CA;
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;

my $returns = join '', map { "location = /t/$_ { return $_; }\n" } qw(400 403 405 429 431 495 497 500 501 503);
my $nginx   = Pets::Nginx->new(
    fakes     => 1,
    plain_api => 1,
    server    => $returns,
    settings  => {UPSTREAM_TIMEOUT => '3s'}
)->start;

# Bytes for humans who read the output of the test.
sub shown ($bytes) {
    return (length $bytes > 70 ? substr($bytes, 0, 70) . '...' : $bytes) =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
}

for my $row (@{corpus('problems.json')->{raw}}) {
    my $bytes = $row->{send} =~ s/\{(\d+)\}x/'x' x $1/ger;
    my $ended = $bytes =~ s/^([A-Z]+ \S+ HTTP\/1\.1\r\n)/$1Connection: close\r\n/r;
    my $code  = $row->{code};
    problem_ok(Pets::Nginx::parse_answer($nginx->raw($ended, whole => 1)), $row->{status}, $code,
        "$row->{status} $code: " . shown($row->{send}), tls => 0, instance => $row->{instance});

    # The same as HEAD has the same header and no body, wherever there is a method to change.
    next if $bytes !~ /\AGET / || $row->{status} == 413;
    problem_ok(Pets::Nginx::parse_answer($nginx->raw($ended =~ s/\AGET/HEAD/r)), $row->{status}, $code,
        "$row->{status} $code as HEAD", tls => 0, head => 1);
}

subtest 'over TLS and HTTP/2' => sub {
    my $long = 'x' x 9000;
    for my $row (
        [404, 'not_found',          GET     => '/nowhere'],
        [404, 'not_found',          GET     => '/v1/%2e%2e/x'],
        [405, 'method_not_allowed', TRACE   => '/v1/pets'],
        [413, 'payload_too_large',  POST    => '/v1/pets', body => 'x' x 65537],
        [413, 'payload_too_large',  POST    => '/v1/pets', body => 'x' x 65537, curl => ['--http1.1']],
        [413, 'payload_too_large',  POST    => '/v1/pets', body => 'x' x 65537, headers => ['Transfer-Encoding: chunked'], curl => ['--http1.1']],
        [431, 'headers_too_large',  GET     => '/v1/pets', headers => ["X-Long: $long"], curl => ['--http1.1']],
        [502, 'bad_gateway',        POST    => '/v1/pets?close=before', body => '{}'],
        [504, 'timed_out',          POST    => '/v1/pets?nothing',      body => '{}'],
        [503, 'unavailable',        PUT     => '/t/503', body => '{}'],
    ) {
        my ($status, $code, $method, $path, %option) = @$row;
        my $answer = $nginx->request($method => $path, %option);
        problem_ok($answer, $status, $code, "$method $path @{$option{curl} // []}", instance => $path =~ s/\?.*//r);
    }
};

subtest 'a pool that is away' => sub {
    $nginx->{fakes}{api_socket}->stop;
    problem_ok($nginx->plain($_ => '/v1/pets'), 502, 'bad_gateway', "$_ without a socket", tls => 0, instance => '/v1/pets')
        for qw(GET POST PUT DELETE);
    is $nginx->plain(GET => '/v1/me')->{status}, 200, 'the other pool is not concerned';
    $nginx->{fakes}{api_socket}->start;
    is $nginx->plain(GET => '/v1/pets')->{status}, 200, 'back at once when it is back';
};

subtest 'errors of the program' => sub {
    for my $status (400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 500, 503, 504) {
        my $answer = $nginx->plain(POST =>
            "/v1/pets?status=$status&h=Content-Type:application/problem%2Bjson&h=Retry-After:7&h=Allow:GET", body => '{}');
        is $answer->{status}, $status, "status $status";
        is $answer->{json}{name}, 'api', "$status: its own body";
        is_deeply [map { $answer->{headers}{$_} } qw(retry-after allow content-type)],
            [['7'], ['GET'], ['application/problem+json']], "$status: its own headers, once";
        headers_ok($answer, "status $status", tls => 0);
    }
};

# No room for a body that does not fit into memory (one byte a chunk) is nginx's own 500.
subtest 'a real 500' => sub {
    chmod 0, $nginx->dir . '/tmp/body';
    my $answer = Pets::Nginx::parse_answer($nginx->raw(
        "POST /v1/pets HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "1\r\nx\r\n" x 40000 . "0\r\n\r\n"
    ));
    problem_ok($answer, 500, 'internal_error', 'temporary file refused', tls => 0, instance => '/v1/pets');
    chmod 0700, $nginx->dir . '/tmp/body';
};

# A site may ask for client certificates: 495 (not ours) and 496 (none).
subtest 'client certificates' => sub {
    my $scratch = File::Temp->newdir;
    chmod 0755, $scratch;
    my $ours   = Pets::CA->new(dir => "$scratch/ours");
    my $theirs = Pets::CA->new(dir => "$scratch/theirs");
    my $mutual = Pets::Nginx->new(
        dir => "$scratch/nginx", fakes => 1, ca => $ours,
        server => 'ssl_verify_client on; ssl_client_certificate ' . $ours->ca_file . ";\n"
    );
    system 'chown', '-R', 'nobody', "$scratch/ours" if $> == 0;
    $mutual->start;
    my ($good, $good_key) = $ours->issue('good');
    my ($bad,  $bad_key)  = $theirs->issue('bad');
    is $mutual->request(GET => '/v1/pets', curl => ['--cert', $good, '--key', $good_key])->{status}, 200, 'ours';
    for my $http ('--http1.1', '--http2') {
        problem_ok($mutual->request(GET => '/v1/pets', curl => [$http]),
            400, 'client_certificate', "none, $http", instance => '/v1/pets');
        problem_ok($mutual->request(GET => '/v1/pets', curl => [$http, '--cert', $bad, '--key', $bad_key]),
            400, 'client_certificate', "another authority's, $http", instance => '/v1/pets');
    }
};

done_testing;
