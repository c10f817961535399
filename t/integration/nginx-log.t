# The access log: one JSON object a request, with what operators need, and nothing that a client would not
# want to find there.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;

my $nginx = Pets::Nginx->new(fakes => 1, plain_api => 1)->start;

my @FIELDS = sort qw(time msec request_id trace_id client method path protocol status bytes_in bytes_out seconds upstream
    upstream_status upstream_header_seconds upstream_seconds tls cipher resumed connection connection_requests);

# What the requests below carry and no log may hold. One word each, so that one pattern finds them all.
my $SECRET = 'sesame';
my @WITH   = (
    "Authorization: Bearer $SECRET-token", "Cookie: session=$SECRET-cookie", "Referer: https://a.test/?$SECRET-referer",
    "X-Request-Id: $SECRET-id", "User-Agent: $SECRET-agent", "Origin: https://$SECRET.test", "Accept: text/$SECRET",
    "If-Match: \"$SECRET\"", "Proxy-Authorization: Basic $SECRET", "Host: $SECRET.test", "From: $SECRET\@example.com"
);
my $BODY = qq({"email":"$SECRET\@example.com","password":"$SECRET"});

my @requests = (
    [200, GET    => "/v1/pets?q=$SECRET"],
    [200, POST   => "/v1/auth/login?email=$SECRET%40example.com&password=$SECRET"],
    [200, GET    => "/v1/me?access_token=$SECRET"],
    [404, GET    => "/nowhere?access_token=$SECRET"],
    [404, POST   => "/v1/auth//login?access_token=$SECRET"],
    [400, GET    => "/v1/pets%00?access_token=$SECRET"],
    [400, GET    => "/v1/pets?access_token=$SECRET x"],
    [405, TRACE  => "/v1/pets?access_token=$SECRET"],
    [503, DELETE => "/v1/pets?status=503&$SECRET"],
    [401, GET    => "/v1/pets?status=401&h=WWW-Authenticate:$SECRET"],
);

my $lines = 1;    # the one that asked whether nginx is there
for my $request (@requests) {
    my ($status, $method, $path) = @$request;
    my @headers = $method eq 'TRACE' ? () : grep { !/^Host/ } @WITH;
    my $answer  = $nginx->plain($method => $path, headers => \@headers, body => $BODY);
    my $line    = ($nginx->access_log(++$lines))[-1];
    my $name    = "$method " . ($path =~ s/[?%].*//r);
    subtest "$status $name" => sub {
        is $answer->{status}, $status, 'status' or diag $answer->{text};
        is_deeply [sort keys %$line], \@FIELDS, 'these fields';
        is $line->{status}, $status, 'status logged';
        is $line->{request_id}, $answer->{headers}{'x-request-id'}[0], 'request id';
        is $line->{method}, $method, 'method, though a problem is served as GET' if $path !~ / /;
        is $line->{path}, $path =~ s/\?.*//r, 'path' if $status != 400;
        is $line->{upstream_status}, $answer->{json}{name} ? $status : undef, 'status of the pool';
        like $line->{upstream}, $answer->{json}{name} ? qr/^unix:.*_socket\z/ : qr/\A\z/, 'pool';
        cmp_ok $line->{seconds}, '<', 5, 'seconds';
        like $line->{time}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\z/, 'time';
    };
}

subtest 'over TLS' => sub {
    my $answer = $nginx->request(POST => "/v1/auth/login?$SECRET", headers => [grep { !/^Host/ } @WITH], body => $BODY);
    my $line   = ($nginx->access_log(++$lines))[-1];
    is $line->{tls}, 'TLSv1.3', 'TLS version';
    like $line->{cipher}, qr/\ATLS_/, 'cipher';
    is $line->{protocol}, 'HTTP/2.0', 'protocol';
    is $line->{request_id}, $answer->{headers}{'x-request-id'}[0], 'request id';
    $nginx->request(GET => "/v1/pets?access_token=$SECRET", scheme => 'http', headers => ["Authorization: Bearer $SECRET"]);
    $line = ($nginx->access_log(++$lines))[-1];
    is_deeply [@$line{qw(status path tls)}], [400, '/v1/pets', ''], 'port 80 is logged without its query';
    $nginx->raw("GET /v1/me?$SECRET HTTP/1.1\r\nHost: $SECRET\r\nConnection: close\r\nCookie: $SECRET\r\n\r\n", port => $nginx->https_port);
    $line = ($nginx->access_log(++$lines))[-1];
    is_deeply [@$line{qw(status path tls)}], [400, '/v1/me', ''], 'and plain HTTP to the TLS port';
};

# Bytes that could end a line, a string or an object. Each line must still be one, and be JSON.
subtest 'hostile bytes' => sub {
    my @hostile = (
        qq(GET /v1/a"b\\c HTTP/1.1\r\nHost: a\r\n), qq(GET /v1/pets","status":200,"x":" HTTP/1.1\r\nHost: a\r\n),
        "GET /v1/\x80\xff\xfe HTTP/1.1\r\nHost: a\r\n", "GET /v1/%22%5c%0a%00 HTTP/1.1\r\nHost: a\r\n",
        "GET /v1/\x01\x1b[31m HTTP/1.1\r\nHost: a\r\n", qq(G"ET /v1/pets HTTP/1.1\r\nHost: a\r\n), "\x16\x03\x01\x00\r\n",
        'GET /' . 'x' x 5000 . " HTTP/1.1\r\nHost: a\r\n", 'GET /' . 'x' x 9000 . " HTTP/1.1\r\nHost: a\r\n", "\x00\r\n"
    );
    for my $bytes (@hostile) {
        $nginx->raw("${bytes}Connection: close\r\n\r\n", whole => 1);
        my @log = eval { $nginx->access_log(++$lines) };
        is scalar @log, $lines, 'valid JSON, and one line more: ' . substr $bytes =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger, 0, 50
            or diag $@;
        cmp_ok @log ? length $log[-1]{path} : 0, '<=', 1024, 'of reasonable length';
    }
};

# HTTP/2 has no answer for a header that is too long: nginx 1.22 ends the connection.
subtest 'requests without a status' => sub {
    my $answer = $nginx->request(GET => '/v1/pets', headers => ['X: ' . 'x' x 20000]);
    is $answer->{status}, 0, 'HTTP/2 with a header of 20k is not answered';
    is(($nginx->access_log(++$lines))[-1]{status}, 0, 'and is logged');
    $nginx->raw("GET /v1/pets?$SECRET\r\n");
    my $line = ($nginx->access_log(++$lines))[-1];
    is_deeply [@$line{qw(status path)}], [200, '/v1/pets'], 'HTTP/0.9 is logged';
};

unlike $nginx->access_log_text, qr/\Q$SECRET\E/i, 'nothing secret in the access log';

done_testing;
