# What RFC 9110 says of conditions, representations, dates and lengths, one row a case.
use v5.36;
use Compress::Zlib ();
use JSON::PP ();
use Pets::Env qw(built slurp);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $ann     = $service->user;
my $admin   = $service->admin;
my $root    = $service->database->dbh;
my $merge   = 'application/merge-patch+json';

# A pet at version 2.
sub pet () {
    my $pet = $service->pet($ann);
    return $ann->patch("/v1/pets/$pet->{id}", { notes => 'second' })->json;
}
sub conditions ($match, $none_match) { return (defined $match ? (if_match => $match) : (), defined $none_match ? (if_none_match => $none_match) : ()) }

# Section 13: If-Match by strong comparison, then If-None-Match by weak comparison. What reads and what changes a
# resource at version 2 is answered ...
my @conditions = (
    # If-Match            If-None-Match       reading  changing
    [undef,               undef,              200,     200],
    ['*',                 undef,              200,     200],
    ['"2"',               undef,              200,     200],
    ['"1", "2"',          undef,              200,     200],
    ['"1","2","3"',       undef,              200,     200],
    ['W/"1", "2"',        undef,              200,     200],
    ['"x,y", "2"',        undef,              200,     200],
    ['"1"',               undef,              412,     412],
    ['W/"2"',             undef,              412,     412],
    ['"1", W/"2"',        undef,              412,     412],
    ['2',                 undef,              412,     412],
    ['"02"',              undef,              412,     412],
    ['""',                undef,              412,     412],
    ['"2',                undef,              412,     412],
    ['"*"',               undef,              412,     412],
    [undef,               '*',                304,     412],
    [undef,               '"2"',              304,     412],
    [undef,               'W/"2"',            304,     412],
    [undef,               '"1", W/"2"',       304,     412],
    [undef,               '"1"',              200,     200],
    [undef,               '"1", "3"',         200,     200],
    [undef,               '"02"',             200,     200],
    [undef,               '2',                200,     200],
    ['"2"',               '"2"',              304,     412],
    ['"2"',               '"1"',              200,     200],
    ['*',                 '*',                304,     412],
    ['"1"',               '"2"',              412,     412],
    ['"1"',               '"1"',              412,     412],
);

subtest 'conditions of reading' => sub {
    my $path = '/v1/pets/' . pet()->{id};
    for my $row (@conditions) {
        my ($match, $none_match, $status) = @$row;
        my $name = 'If-Match: ' . ($match // '-') . ', If-None-Match: ' . ($none_match // '-');
        for my $method (qw(GET HEAD)) {
            my $reply = $ann->request($method, $path, conditions($match, $none_match));
            is $reply->status, $status, "$method, $name: $status" or diag $reply->summary;
            is $reply->etag, $status == 412 ? undef : '"2"', "$method, $name: ETag";
            is length($reply->body) > 0, $method eq 'GET' && $status != 304, "$method, $name: a body or none";
            is $reply->code, 'precondition_failed', "$name: a problem" if $method eq 'GET' && $status == 412;
        }
    }
    # What is looked at before: a condition of what is not there, or not asked for in the right way.
    is $ann->get('/v1/pets/019b0000-0000-7000-8000-00000000dead', if_match => '"1"')->status, 404, 'not there: 404';
    is $ann->get($path, if_match => '"1"', accept => 'text/html')->status, 406, 'not acceptable: 406';
    is $ann->get($path, if_match => '"1"', token => undef)->status, 401, 'nobody: 401';
    for my $row (['/v1/me', $ann], ['/v1/users/' . $ann->id, $admin]) {
        my ($other, $who) = @$row;
        my $etag = $who->get($other)->etag;
        is $who->get($other, if_match => $etag)->status, 200, "$other: its version";
        is $who->get($other, if_match => '"77"')->status, 412, "$other: another";
        is $who->get($other, if_none_match => "W/$etag")->status, 304, "$other: unchanged";
    }
};

subtest 'conditions of changing' => sub {
    for my $row (@conditions) {
        my ($match, $none_match, undef, $status) = @$row;
        my $name = 'If-Match: ' . ($match // '-') . ', If-None-Match: ' . ($none_match // '-');
        my $pet  = pet();
        my $path = "/v1/pets/$pet->{id}";
        for my $case (['PATCH', body => { name => 'Max' }, type => $merge], ['PUT', body => { name => 'Max', species => 'dog' }], ['DELETE']) {
            my ($method, %request) = @$case;
            # Each finds version 2.
            $root->do('update pets.pet set version = 2 where id = ?', undef, $pet->{id});
            $root->do('delete from pets.pet_history where pet_id = ? and version > 2', undef, $pet->{id});
            my $good  = $method eq 'DELETE' ? 204 : 200;
            my $reply = $ann->request($method, $path, %request, conditions($match, $none_match));
            is $reply->status, $status == 200 ? $good : $status, "$method, $name: " . ($status == 200 ? $good : $status) or diag $reply->summary;
            next if $status == 200;
            is $reply->code, 'precondition_failed', "$method, $name: a problem";
            is $ann->get($path)->etag, '"2"', "$method, $name: nothing was changed";
        }
    }
    my $user = $service->user;
    for my $row (['*', 412], ['W/"1"', 412], ['"2"', 200]) {
        my ($tags, $status) = @$row;
        is $admin->patch('/v1/users/' . $user->id, { display_name => 'Named', reason => 'a test' }, if_none_match => $tags)->status, $status, "an account, If-None-Match: $tags: $status";
    }
};

subtest 'codings of bodies' => sub {
    my $pet = pet();
    for my $row (
        [undef,      201, undef],
        ['identity', 201, undef],
        ['Identity', 201, undef],
        ['gzip',     415, 'identity'],
        ['br',       415, 'identity'],
        ['gzip, identity', 415, 'identity'],
    ) {
        my ($coding, $status, $accept) = @$row;
        my $name  = $coding // 'none';
        my $body  = JSON::PP->new->encode({ name => 'x', species => 'dog' });
        my $reply = $ann->post('/v1/pets', $name eq 'gzip' ? Compress::Zlib::memGzip($body) : $body, headers => { defined $coding ? ('content-encoding' => $coding) : () });
        is $reply->status, $status, "POST, $name: $status" or diag $reply->summary;
        is $reply->header('accept-encoding'), $accept, "POST, $name: Accept-Encoding";
        next if $status == 201;
        is $reply->code, 'unsupported_media_type', "POST, $name: a problem";
        $reply = $ann->patch("/v1/pets/$pet->{id}", { name => 'x' }, headers => { 'content-encoding' => $coding });
        is_deeply [$reply->status, $reply->header('accept-encoding'), $reply->header('accept-patch')], [415, 'identity', $merge], "PATCH, $name: 415";
        is $service->client->post('/v1/auth/login', {}, headers => { 'content-encoding' => $coding })->status, 415, "the auth pool, $name: 415";
    }
    is $ann->post('/v1/pets', 'x', type => 'text/plain')->header('accept-encoding'), undef, 'a wrong type is no wrong coding';
};

subtest 'compression' => sub {
    my $pet   = pet();
    my %asked = (headers => { 'accept-encoding' => 'gzip, deflate, br' });
    $service->pet($ann, notes => 'x' x 2000) for 1 .. 20;
    for my $row (
        ['/v1/pets',                 $ann],
        ["/v1/pets/$pet->{id}",      $ann],
        ['/v1/transfers',            $ann],
        ['/v1/me',                   $ann],
        ['/v1/me/sessions',          $ann],
        ['/v1/users',                $admin],
        ['/.well-known/jwks.json',   $ann],
        ['/nowhere',                 $ann],
    ) {
        my ($path, $who) = @$row;
        my $reply = $who->get($path, %asked);
        is $reply->header('content-encoding'), undef, "$path is not compressed";
        unlike $reply->header('vary') // '', qr/Accept-Encoding/i, "$path: nor does it depend on that";
    }
    my $login = $service->client->post('/v1/auth/login', { email => $ann->email, password => $ann->password }, %asked);
    is_deeply [$login->status, $login->header('content-encoding')], [200, undef], 'nor are tokens';
    my $document = $ann->get('/openapi.json', %asked);
    is $document->header('content-encoding'), 'gzip', 'what is the same for everybody is';
    like join(', ', map { ref ? @$_ : $_ } $document->header('vary')), qr/\bAccept-Encoding\b/, '... and says so';
    is Compress::Zlib::memGunzip($document->body), slurp(built('openapi.json')), '... and is what it was';
    is $ann->get('/openapi.json')->header('content-encoding'), undef, 'unless it was not asked for';
    my $etag = $document->etag;
    is $ann->get('/openapi.json', if_none_match => $etag, %asked)->status, 304, '... with an ETag that is good for the next time';
};

# Every kind of answer: lengths, dates, and what a cache must know.
subtest 'every answer' => sub {
    my $pet  = pet();
    my $path = "/v1/pets/$pet->{id}";
    my $day  = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
    my $imf  = qr/\A$day, \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT\z/;
    my $nobody = $service->client;
    for my $row (
        [200, 'GET',     $path],
        [200, 'HEAD',    $path],
        [304, 'GET',     $path, if_none_match => '*'],
        [304, 'HEAD',    $path, if_none_match => '*'],
        [412, 'GET',     $path, if_match => '"9"'],
        [200, 'GET',     '/v1/pets'],
        [200, 'HEAD',    '/v1/pets'],
        [201, 'POST',    '/v1/pets', body => { name => 'x', species => 'dog' }],
        [201, 'POST',    '/v1/pets', body => { name => 'x', species => 'dog' }, headers => { prefer => 'return=minimal' }],
        [204, 'PATCH',   $path, body => { name => 'x' }, type => $merge, headers => { prefer => 'return=minimal' }],
        [200, 'PATCH',   $path, body => { name => 'x' }, type => $merge],
        [204, 'OPTIONS', $path],
        [204, 'OPTIONS', '/v1/auth/login'],
        [400, 'GET',     '/v1/pets?x=1'],
        [401, 'GET',     '/v1/pets', token => undef],
        [404, 'GET',     '/v1/pets/x'],
        [404, 'HEAD',    '/v1/pets/x'],
        [404, 'GET',     '/nowhere'],
        [405, 'DELETE',  '/v1/pets'],
        [406, 'GET',     '/v1/pets', accept => 'text/html'],
        [413, 'POST',    '/v1/pets', body => '{"name":"' . 'x' x 70_000 . '"}'],
        [415, 'POST',    '/v1/pets', body => 'x', type => 'text/plain'],
        [422, 'POST',    '/v1/pets', body => {}],
        [501, 'BREW',    '/v1/pets'],
        [200, 'GET',     '/.well-known/jwks.json'],
        [304, 'GET',     '/.well-known/jwks.json', if_none_match => '*'],
        [200, 'GET',     '/v1/me'],
        [204, 'DELETE',  $path],
    ) {
        my ($status, $method, $target, %request) = @$row;
        my $reply = $ann->request($method, $target, %request);
        my $name  = "$method $target: $status";
        is $reply->status, $status, $name or diag $reply->summary;
        my $length = $reply->header('content-length');
        if ($status == 204 || $status == 304) {
            is_deeply [$length, $reply->header('content-type'), $reply->body], [undef, undef, ''], "$name: neither body nor length nor type";
        }
        elsif ($method eq 'HEAD') {
            is $length, length $ann->get($target)->body, "$name: the length that GET would have" if $status == 200;
            is $reply->body, '', "$name: no body";
        }
        else {
            is $length, length $reply->body, "$name: Content-Length";
            is !!$reply->header('content-type'), $length > 0, "$name: a media type for a body";
        }
        is $reply->header('transfer-encoding'), undef, "$name: in one piece";
        like $reply->header('date'), $imf, "$name: Date";
        is $reply->header('last-modified'), undef, "$name: versions are told by ETag alone";
        is $reply->header('accept-ranges'), undef, "$name: and not in ranges";
        like $reply->header('vary') // '', qr/\bOrigin\b/, "$name: Vary";
        like $reply->header('cache-control') // '', $target =~ /jwks/ ? qr/\Apublic, max-age=\d+\z/ : qr/\Ano-store\z/, "$name: Cache-Control";
        like $reply->etag, qr/\A"[1-9]\d*"\z/, "$name: ETag" if $target eq $path && $status =~ /\A(?:20[01]|304)\z/;
        is $reply->header('allow'), $target eq '/v1/pets' ? 'GET, HEAD, POST, OPTIONS' : undef, "$name: Allow" if $status == 405;
        is $reply->type, 'application/problem+json', "$name: a problem" if $status >= 400 && $method ne 'HEAD';
    }
    is $nobody->options($path)->header('accept-patch'), $merge, 'OPTIONS tells how to patch';
    is $nobody->options('/v1/pets')->header('accept-patch'), undef, '... what can be patched';
    like $ann->get('/v1/me')->json->{created_at}, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/, 'times are of RFC 3339, in UTC';
};

done_testing;
