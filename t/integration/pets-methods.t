# Methods and representations: HEAD is GET without its body, OPTIONS and 405 tell what is allowed, and 406, 413,
# 415 are said before anything is done.
use v5.36;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $ann     = $service->user;
my $pet     = $service->pet($ann);
my %allow   = (
    '/v1/pets'                   => 'GET, HEAD, OPTIONS, POST',
    "/v1/pets/$pet->{id}"        => 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT',
    "/v1/pets/$pet->{id}/history" => 'GET, HEAD, OPTIONS',
    '/v1/me'                     => 'GET, HEAD, OPTIONS',
    '/v1/auth/login'             => 'OPTIONS, POST',
    '/v1/auth/register'          => 'OPTIONS, POST',
    '/v1/auth/logout'            => 'OPTIONS, POST',
    '/.well-known/jwks.json'     => 'GET, HEAD, OPTIONS',
);

sub sorted ($list) {
    return join ', ', sort split /\s*,\s*/, $list // '';
}

for my $path (sort keys %allow) {
    my $options = $ann->options($path);
    is $options->status, 204, "OPTIONS $path: 204" or diag $options->summary;
    is sorted($options->header('allow')), $allow{$path}, "OPTIONS $path: Allow";
    for my $method (qw(GET POST PUT PATCH DELETE)) {
        next if $allow{$path} =~ /\b$method\b/;
        my $reply = $ann->request($method, $path, body => {}, type => $method eq 'PATCH' ? 'application/merge-patch+json' : 'application/json');
        is $reply->status, 405, "$method $path: 405" or diag $reply->summary;
        is $reply->code, 'method_not_allowed', "$method $path: a problem";
        is sorted($reply->header('allow')), $allow{$path}, "$method $path: Allow";
    }
}
for my $method (qw(BREW PROPFIND get)) {
    my $reply = $ann->request($method, '/v1/pets');
    ok $reply->status == 405 || $reply->status == 501 || $reply->status == 400, "$method is refused: " . $reply->status;
    is $reply->type, 'application/problem+json', "$method: a problem";
}

subtest 'HEAD' => sub {
    for my $path (grep { $allow{$_} =~ /GET/ } sort keys %allow) {
        my ($get, $head) = ($ann->get($path), $ann->head($path));
        is $head->status, $get->status, "$path: the same status";
        is $head->body, '', "$path: no body";
        for my $name (qw(content-type content-length etag link cache-control vary)) {
            my ($mine, $its) = map { $_->header($name) } $head, $get;
            is $mine, $its, "$path: $name" if $name ne 'content-length' || defined $mine;
        }
    }
    is $ann->head('/v1/pets/00000000-0000-7000-8000-000000000000')->status, 404, 'of what is not there: 404';
    is $ann->head('/v1/pets', token => undef)->status, 401, 'without a token: 401';
};

subtest 'Accept' => sub {
    for my $case (
        ['application/json',                         200],
        ['*/*',                                      200],
        ['application/*',                            200],
        ['text/html, application/json;q=0.5',        200],
        ['text/html, */*;q=0.1',                     200],
        ['application/json; charset=utf-8',          200],
        ['text/html',                                406],
        ['application/json;q=0',                     406],
        ['application/json;q=0, */*',                406],
        ['image/*',                                  406],
    ) {
        my ($accept, $status) = @$case;
        my $reply = $ann->get('/v1/pets', accept => $accept);
        is $reply->status, $status, "$accept: $status" or diag $reply->summary;
        is $reply->code, 'not_acceptable', "$accept: said as a problem" if $status == 406;
    }
    my $reply = $ann->post('/v1/pets', { name => 'x', species => 'dog' }, accept => 'text/html');
    is $reply->status, 406, 'POST: 406';
    is scalar $ann->get('/v1/pets')->json->{items}->@*, 1, 'and nothing was created';
};

subtest 'bodies' => sub {
    my $path = "/v1/pets/$pet->{id}";
    my $big  = '{"name":"x","species":"dog","notes":"' . 'x' x 70_000 . '"}';
    for my $case (['POST', '/v1/pets'], ['PUT', $path], ['PATCH', $path]) {
        my ($method, $target) = @$case;
        my $type  = $method eq 'PATCH' ? 'application/merge-patch+json' : 'application/json';
        my $reply = $ann->request($method, $target, body => $big, type => $type);
        is $reply->status, 413, "$method: 413 for 70,000 bytes" or diag $reply->summary;
        is $reply->code, 'payload_too_large', "$method: a problem";
        $reply = $ann->request($method, $target, body => '{}', type => 'text/plain');
        is $reply->status, 415, "$method: 415 for text/plain";
        is $reply->code, 'unsupported_media_type', "$method: a problem";
        my $told = $reply->header($method eq 'PATCH' ? 'accept-patch' : $method eq 'POST' ? 'accept-post' : 'accept') // $reply->header('accept') // '';
        like $told, qr/\Q$type\E/, "$method: says what it takes";
    }
    my $fits = '{"name":"x","species":"dog"' . ' ' x (65_536 - 28) . '}';
    is length $fits, 65_536, 'a body of 65,536 bytes';
    is $ann->request('POST', '/v1/pets', body => $fits)->status, 201, 'is the largest that is taken';
    is $ann->get($path)->etag, '"1"', 'what was refused has changed nothing';
};

subtest 'every answer' => sub {
    for my $reply ($ann->get('/v1/pets'), $ann->get('/v1/none'), $ann->get('/v1/pets', token => undef), $ann->post('/v1/pets', {})) {
        is $reply->header('cache-control'), 'no-store', 'is not stored: ' . $reply->status;
        is $reply->header('x-content-type-options'), 'nosniff', 'is not sniffed';
        like $reply->header('x-request-id') // '', qr/\A[0-9a-f]{32}\z/, 'has a request id';
        next if $reply->status < 400;
        is $reply->json->{trace_id}, $reply->header('x-request-id'), 'and a problem has the same';
        like $reply->json->{type}, qr/\A\/docs\/errors#[a-z_]+\z/, 'and a type that documents it';
    }
};

done_testing;
