# CORS: exactly the listed origins, exactly these headers, on every kind of answer; nothing for others.
#
# The corpus is t/data/cors.json. Each origin asks in five ways: an answer of the program, an error of the
# program, an error of nginx, a preflight, and OPTIONS that is no preflight.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;

my $corpus = corpus('cors.json');
my $nginx  = Pets::Nginx->new(fakes => 1, plain_api => 1, origins => $corpus->{listed})->start;

my $EXPOSED = 'Allow, ETag, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id';
my %PREFLIGHT = (
    'access-control-allow-methods' => ['GET, HEAD, POST, PUT, PATCH, DELETE'],
    'access-control-allow-headers' =>
        ['authorization, content-type, if-match, if-none-match, idempotency-key, prefer, traceparent'],
    'access-control-max-age' => ['7200'],
);
my $ASK   = 'Access-Control-Request-Method: PUT';
my $ALLOW = '?status=204&h=Allow:GET';

# The answer's CORS headers, and what they must be.
sub cors ($answer) {
    return {map { $_ => $answer->{headers}{$_} } grep { /\Aaccess-control-/ } keys %{$answer->{headers}}};
}
sub granted ($origin) {
    return {'access-control-allow-origin' => [$origin], 'access-control-expose-headers' => [$EXPOSED]};
}

sub asks ($origin) {
    my @from = defined $origin ? ("Origin: $origin") : ();
    return (
        [200, GET     => '/v1/pets',               \@from],
        [503, POST    => '/v1/auth/x?status=503',  \@from],
        [404, GET     => '/nowhere',               \@from],
        [204, OPTIONS => "/v1/pets$ALLOW",         \@from],
        [204, OPTIONS => "/v1/pets$ALLOW",         [@from, 'Access-Control-Request-Headers: authorization']],
    );
}

for my $origin (@{$corpus->{allowed}}) {
    subtest "allowed: $origin" => sub {
        for my $ask (asks($origin)) {
            my ($status, $method, $path, $headers) = @$ask;
            my $answer = $nginx->plain($method => $path, headers => $headers);
            is $answer->{status}, $status, "$method $path";
            is_deeply cors($answer), granted($origin), "$method $path: CORS headers";
            headers_ok($answer, "$method $path", tls => 0);
            is_deeply $answer->{headers}{allow}, ['GET'], 'plain OPTIONS went to the program' if $method eq 'OPTIONS';
        }
        for my $path ('/v1/pets', '/v1/auth/login', '/v1/me', '/.well-known/jwks.json', '/nowhere') {
            my $answer = $nginx->plain(OPTIONS => $path, headers => ["Origin: $origin", $ASK]);
            is $answer->{status}, 204, "preflight $path";
            is $answer->{body},   '',  "preflight $path: no body";
            is_deeply cors($answer), {'access-control-allow-origin' => [$origin], %PREFLIGHT}, "preflight $path: headers";
            headers_ok($answer, "preflight $path", tls => 0);
        }
    };
}

for my $origin (@{$corpus->{refused}}, undef) {
    my $shown = $origin // 'no Origin at all';
    utf8::encode($shown);
    utf8::encode($origin) if defined $origin;
    subtest "refused: $shown" => sub {
        my $preflight = [204, OPTIONS => "/v1/pets$ALLOW", [defined $origin ? "Origin: $origin" : (), $ASK]];
        for my $ask (asks($origin), $preflight) {
            my ($status, $method, $path, $headers) = @$ask;
            my $answer = $nginx->plain($method => $path, headers => $headers);
            is $answer->{status}, $status, "$method $path";
            is_deeply cors($answer), {}, "$method $path: no CORS header";
            headers_ok($answer, "$method $path", tls => 0);
            is_deeply $answer->{headers}{allow}, ['GET'], 'OPTIONS went to the program' if $method eq 'OPTIONS';
        }
    };
}

subtest 'two Origin headers' => sub {
    my $answer = $nginx->plain(GET => '/v1/pets', headers => ['Origin: https://evil.test', 'Origin: https://app.example.com']);
    is_deeply cors($answer), {}, 'an unlisted first one is not saved by a listed second one';
};

subtest 'the program cannot grant or add anything' => sub {
    my $own    = '?h=Access-Control-Allow-Origin:*&h=Access-Control-Allow-Credentials:true&h=Vary:Accept';
    my $answer = $nginx->plain(GET => "/v1/pets$own", headers => ['Origin: https://evil.test']);
    is_deeply cors($answer), {}, 'its CORS headers are dropped';
    headers_ok($answer, 'its Vary is kept', tls => 0, vary => 'Accept, Origin');
};

subtest 'over TLS and HTTP/2' => sub {
    my $origin = 'https://app.example.com';
    my $answer = $nginx->request(OPTIONS => '/v1/pets/x', headers => ["Origin: $origin", $ASK]);
    is $answer->{version}, 'HTTP/2', 'HTTP/2';
    is $answer->{status},  204,      'preflight';
    is_deeply cors($answer), {'access-control-allow-origin' => [$origin], %PREFLIGHT}, 'headers';
    headers_ok($answer, 'preflight');
    $answer = $nginx->request(OPTIONS => '/v1/pets', headers => ["Origin: $origin", $ASK], scheme => 'http');
    problem_ok($answer, 400, 'tls_required', 'no preflight on port 80', tls => 0, instance => '/v1/pets');
};

done_testing;
