# The ops address: loopback only, by its own names only, each pool's ops worker below its own path.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;

my $RELAXED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";
my $http    = "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Address;\n";
my $nginx   = Pets::Nginx->new(fakes => 1, http => $http)->start;

sub ops ($method, $path, @headers) {
    @headers = ('Host: localhost') if !grep { /^Host/ } @headers;
    my $bytes = join "\r\n", "$method $path HTTP/1.1", 'Connection: close', @headers, '', '';
    return Pets::Nginx::parse_answer($nginx->raw($bytes, port => $nginx->ops_port));
}

for my $pool ('api', 'auth') {
    for my $path ('/live', '/ready', '/status', '/status?full&format=json', '/metrics', '/') {
        my $answer = ops(GET => "/$pool$path", 'Host: localhost', 'Authorization: Bearer x', 'Accept: text/html');
        is $answer->{json}{name}, "${pool}_ops", "/$pool$path: pool" or diag $answer->{text};
        is $answer->{json}{params}{REQUEST_URI}, $path, "/$pool$path: the pool's name is taken off";
        is_deeply [sort @{$answer->{json}{order}}],
            [qw(CONTENT_LENGTH CONTENT_TYPE HTTP_ACCEPT REMOTE_ADDR REQUEST_ID REQUEST_METHOD REQUEST_URI)], 'parameters';
        headers_ok($answer, "/$pool$path", tls => 0, csp => $RELAXED);
    }
}

for my $path ('/', '/api', '/auth', '/v1/pets', '/v1/auth/login', '/metrics', '/apix/metrics', '/.well-known/jwks.json') {
    problem_ok(ops(GET => $path), 404, 'not_found', "$path is not here", tls => 0, instance => $path);
}

for my $host ('localhost', 'LOCALHOST', '127.0.0.1', '[::1]', 'localhost:9180', '127.0.0.1:80') {
    is ops(GET => '/api/live', "Host: $host")->{status}, 200, "Host: $host";
}
for my $host ('evil.test', 'localhost.evil.test', '10.0.0.1', 'api.example.com') {
    problem_ok(ops(GET => '/api/status', "Host: $host"), 403, 'forbidden', "Host: $host", tls => 0, instance => '/api/status');
}
for my $address ('10.0.0.1', '192.168.1.1', '8.8.8.8', '127.0.0.2', '2001:db8::1', '::2') {
    problem_ok(ops(GET => '/auth/status', 'Host: localhost', "X-Test-Address: $address"), 403, 'forbidden', "from $address",
        tls => 0, instance => '/auth/status');
}
is ops(GET => '/api/live', 'Host: localhost', 'X-Test-Address: ::1')->{status}, 200, 'from ::1';

my $answer = ops(GET => '/api/status?h=Content-Security-Policy:default-src%20none&h=Content-Type:text/html&h=Refresh:2');
headers_ok($answer, 'a page with a policy of its own', tls => 0, csp => 'default-src none');
is_deeply $answer->{headers}{refresh}, ['2'], 'that refreshes itself';
is ops(GET => '/api/ready?status=503&h=Retry-After:1')->{json}{name}, 'api_ops', 'an error of the worker passes';
$nginx->{fakes}{api_ops_socket}->stop;
problem_ok(ops(GET => '/api/live'), 502, 'bad_gateway', 'a pool that is away', tls => 0, instance => '/api/live');
is ops(GET => '/auth/live')->{status}, 200, 'the other one is there';
is scalar(grep { $_->{path} =~ /live/ } $nginx->access_log(1)), 0, 'nothing of it is in the access log';

done_testing;
