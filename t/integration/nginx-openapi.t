# nginx serves the contract at /openapi.json: the file that the build makes of docs/openapi.yaml, to GET and HEAD alone, to
# be asked for again by its entity tag; and a problem when it is not there.
use v5.36;
use JSON::PP ();
use Pets::Env qw(built slurp spew src test_dir);
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;
use YAML::PP;

my $file  = built('openapi.json');
my $text  = slurp($file);
my $made  = JSON::PP->new->utf8->decode($text);
my $nginx = Pets::Nginx->new(fakes => 1, plain_api => 1, openapi => $file, origins => ['https://app.test'])->start;

is_deeply $made, YAML::PP->new(schema => ['Core'], boolean => 'JSON::PP')->load_file(src() . '/docs/openapi.yaml'), 'the build has made of docs/openapi.yaml what it says';
unlike $text, qr/^\s*"/m, 'in one line';

my $answer = $nginx->request(GET => '/openapi.json');
headers_ok($answer, 'the contract', cache => 'no-cache', vary => 'Accept-Encoding, Origin');
is $answer->{status}, 200, 'it is there for anybody';
is $answer->{body}, $text, 'byte for byte';
is_deeply $answer->{headers}{'content-type'}, ['application/json'], 'as JSON';
my ($etag) = $answer->{headers}{etag}->@*;
like $etag, qr/\A"[^"]+"\z/, 'with a strong entity tag';

my $again = $nginx->request(GET => '/openapi.json', headers => ["If-None-Match: $etag"]);
is $again->{status}, 304, 'who has it already gets no more';
is $again->{body}, '', '... than that';
my $head = $nginx->request(HEAD => '/openapi.json');
is "$head->{status} $head->{body}", '200 ', 'HEAD';
is $head->{headers}{'content-length'}[0], length $text, '... tells its length';
my $page = $nginx->request(GET => '/openapi.json', headers => ['Origin: https://app.test']);
is $page->{headers}{'access-control-allow-origin'}[0], 'https://app.test', 'a listed web page may read it';

for my $method (qw(POST PUT PATCH DELETE)) {
    my $refused = $nginx->request($method => '/openapi.json', body => '{}');
    headers_ok($refused, $method);
    is "$refused->{status} $refused->{json}{code}", '405 method_not_allowed', "$method: a problem";
    is $refused->{headers}{allow}[0], 'GET, HEAD', '... with Allow';
}
for my $path ('/openapi.json/', '/openapi.jsonx', '/openapi.yaml', '/openapi') {
    is $nginx->request(GET => $path)->{status}, 404, "$path: nothing";
}
$nginx->stop;

my $empty = Pets::Nginx->new(dir => test_dir() . '/empty', fakes => 1)->start;
my $missing = $empty->request(GET => '/openapi.json');
headers_ok($missing, 'no contract');
is "$missing->{status} $missing->{json}{code}", '404 not_found', 'where it is not installed: a problem';
$empty->stop;
done_testing;
