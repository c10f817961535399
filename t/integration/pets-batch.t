# Many pets by one request: all of them or none, everything that is wrong with its place, and each with its line of
# history and its audit event.
use v5.36;
use JSON::PP ();
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $super   = $service->database->dbh;
my $ann     = $service->user;
my $ben     = $service->user;
my $number  = 0;

sub batch ($who, $body, %option) { return $who->post('/v1/pets:batch', $body, %option) }
sub pet (%more) { return { name => 'Pet ' . ++$number, species => 'dog', %more } }
sub chip ($n) { return sprintf '9%014d', $n }
sub pets_of ($who) { return $super->selectrow_array('select count(*) from pets.pet where owner_id = $1', undef, $who->id) }

sub counts ($who) {
    return [map { $super->selectrow_array($_, undef, $who->id) }
        'select count(*) from pets.pet where owner_id = $1',
        q{select count(*) from pets.pet_history where actor_id = $1 and action = 'create'},
        q{select count(*) from pets.audit_event where actor_id = $1 and action = 'pet_created'}];
}

subtest 'created, in order' => sub {
    my @given = (
        { name => "R\x{e9}x \"the\" \\dog\x{1F436}", species => 'dog', breed => 'mix', sex => 'male', born_on => '2020-02-29', weight_grams => 21500,
          microchip => chip(1), notes => "one\n\ttwo", tags => ['a', 'b "c"', '{d,e}', 'NULL'] },
        { name => 'Plain', species => 'cat' },
        { name => 'Nulls', species => 'bird', breed => undef, born_on => undef, weight_grams => undef, microchip => undef, notes => undef },
        { name => 'Low', species => 'fish', microchip => chip(0), tags => [] },
    );
    my $reply = batch($ann, \@given);
    is $reply->status, 201, 'status 201' or return diag $reply->summary;
    is $reply->location, undef, 'no Location: there are several';
    is $reply->etag, undef, 'and no ETag';
    my @made = $reply->json->{items}->@*;
    is scalar @made, @given, 'as many as were given';
    my %default = (breed => undef, sex => 'unknown', born_on => undef, weight_grams => undef, microchip => undef, notes => undef, tags => []);
    for my $i (0 .. $#given) {
        my %want = (%default, $given[$i]->%*);
        is_deeply { map { $_ => $made[$i]{$_} } keys %want }, \%want, "item $i is what was given";
        is_deeply [@{ $made[$i] }{qw(owner_id version)}], [$ann->id, 1], "item $i is hers, at version 1";
        is_deeply $ann->get("/v1/pets/$made[$i]{id}")->json, $made[$i], "item $i is there";
        my $one = $ann->post('/v1/pets', { $given[$i]->%*, microchip => undef })->json;
        is_deeply [sort keys %$one], [sort keys $made[$i]->%*], "item $i looks like one that is created alone";
        my ($line) = $ann->get("/v1/pets/$made[$i]{id}/history")->json->{items}->@*;
        my ($same) = $ann->get("/v1/pets/$one->{id}/history")->json->{items}->@*;
        is_deeply { $line->{new}->%*, microchip => undef }, $same->{new}, "item $i has the same history";
    }
    is_deeply [map { $_->{id} } $ann->get('/v1/pets', query => { limit => 100 })->json->{items}->@*], [reverse sort map { $_->{id} } $ann->get('/v1/pets', query => { limit => 100 })->json->{items}->@*], 'ids are in the order of time';
    is_deeply [map { $_->{id} } @made], [sort map { $_->{id} } @made], 'within the batch, too';
};

subtest 'one hundred, and not one more' => sub {
    my $before = counts($ann);
    my $reply  = batch($ann, [map { pet(microchip => chip(100 + $_)) } 1 .. 100]);
    is $reply->status, 201, '100 are created' or diag $reply->summary;
    is scalar $reply->json->{items}->@*, 100, 'all of them';
    is_deeply counts($ann), [map { $_ + 100 } @$before], 'pets, lines of history and audit events';
    $reply = batch($ann, [map { pet() } 1 .. 101]);
    is_deeply [$reply->status, $reply->code, $reply->pointers], [422, 'validation_failed', ''], '101 are too many';
    is $reply->json->{errors}[0]{code}, 'too_many', 'by code';
    $reply = batch($ann, []);
    is_deeply [$reply->status, $reply->json->{errors}[0]{code}], [422, 'too_short'], 'none are too few';
    is_deeply counts($ann), [map { $_ + 100 } @$before], 'and nothing was created';
};

subtest 'what is wrong, and where' => sub {
    my $before = counts($ann);
    my $reply  = batch($ann, [
        pet(), pet(name => ''), { species => 'dog' }, 'x', pet(tags => ['ok', '']), pet(color => 'red'), pet(id => 'x'), { name => undef, species => 'cow' }, [],
    ]);
    is_deeply [$reply->status, $reply->code], [422, 'validation_failed'], 'refused' or diag $reply->summary;
    is_deeply [map { "$_->{pointer} $_->{code}" } $reply->json->{errors}->@*],
        ['/1/name too_short', '/2/name required', '/3 wrong_type', '/4/tags/1 too_short', '/5/color unknown_field', '/6/id read_only', '/7/name wrong_type', '/7/species not_allowed', '/8 wrong_type'],
        'each at its place';
    is batch($ann, $_)->code, 'invalid_json', "$_ is neither array nor object" for '"x"', '1', 'null';
    for my $body ('{}', '{"items":[]}') {
        my $reply = batch($ann, $body);
        is_deeply [$reply->status, $reply->pointers, $reply->json->{errors}[0]{code}], [422, '', 'wrong_type'], "$body is no array" or diag $reply->summary;
    }
    is batch($ann, '[{"name":"x","species":"dog"}')->code, 'invalid_json', 'half an array is no JSON';
    is batch($ann, '[{"name":"x","name":"y","species":"dog"}]')->code, 'invalid_json', 'a name that is there twice neither';
    is batch($ann, [pet()], type => 'text/plain')->status, 415, 'another type';
    my $many = batch($ann, [map { { name => '', species => 'x' } } 1 .. 100]);
    is_deeply [$many->status, scalar $many->json->{errors}->@*], [422, 32], 'of very many errors the first are told';
    is_deeply counts($ann), $before, 'nothing was created';
};

subtest 'microchips' => sub {
    my $theirs = $service->pet($ben, microchip => chip(500));
    my $before = counts($ann);
    my $reply  = batch($ann, [pet(microchip => chip(501)), pet(), pet(microchip => chip(501)), pet(microchip => chip(502)), pet(microchip => chip(501))]);
    is_deeply [$reply->status, map { "$_->{pointer} $_->{code}" } $reply->json->{errors}->@*], [422, '/2/microchip duplicate', '/4/microchip duplicate'], 'one that is there twice';
    $reply = batch($ann, [pet(microchip => chip(503)), pet(microchip => chip(500)), pet(), pet(microchip => chip(100 + 7))]);
    is_deeply [$reply->status, $reply->code], [409, 'microchip_taken'], 'one that is taken' or diag $reply->summary;
    is_deeply [map { "$_->{pointer} $_->{code}" } $reply->json->{errors}->@*], ['/1/microchip taken', '/3/microchip taken'], 'and where';
    is_deeply counts($ann), $before, 'nothing was created';
    is batch($ann, [pet(microchip => chip(503))])->status, 201, 'nor is the other one taken now';
    my $alone = batch($ann, [pet(microchip => chip(500))]);
    is_deeply [$alone->status, map { $_->{pointer} } $alone->json->{errors}->@*], [409, '/0/microchip'], 'also when there is nothing else';
};

subtest 'who' => sub {
    is batch($service->client, [pet()])->status, 401, 'nobody';
    my $admin = $service->admin;
    is batch($admin, [pet()])->json->{items}[0]{owner_id}, $admin->id, 'an administrator gets his own';
    my ($read, $write) = map { $ann->post('/v1/me/api-keys', { name => 'k', scopes => [$_] })->json->{key} } 'pets:read', 'pets:write';
    is batch($ann->with_token($read),  [pet()])->code,   'insufficient_scope', 'a key that may only read';
    is batch($ann->with_token($write), [pet()])->status, 201,                  'one that may write';
    is $ann->get('/v1/pets:batch')->status, 405, 'GET: 405';
    is $ann->get('/v1/pets:batch')->header('allow'), 'POST, OPTIONS', 'Allow';
};

subtest 'repeated' => sub {
    my $before = pets_of($ann);
    my $body   = JSON::PP->new->encode([map { pet() } 1 .. 50]);
    my @reply  = map { batch($ann, $body, headers => { 'idempotency-key' => '"batch"' }) } 1, 2;
    is $reply[0]->status, 201, 'created';
    is_deeply [map { $reply[1]->$_ } qw(status body)], [map { $reply[0]->$_ } qw(status body)], 'the same answer to the same key';
    is pets_of($ann) - $before, 50, 'and nothing twice';
};

subtest 'at once, with the same chips' => sub {
    my $before = $super->selectrow_array('select count(*) from pets.pet');
    my ($children, %status) = (8);
    pipe my $read, my $write or die "pipe: $!";
    my @pids;
    for my $child (1 .. $children) {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $mine  = $ann->with_token($ann->token);
            my @pets  = map { pet(microchip => chip(700 + $_)) } 1 .. 20;
            my $reply = batch($mine, [$child % 2 ? @pets : reverse @pets]);
            syswrite $write, $reply->status . "\n";
            require POSIX;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $write;
    $status{ 0 + $_ }++ for <$read>;
    waitpid $_, 0 for @pids;
    is_deeply \%status, { 201 => 1, 409 => $children - 1 }, 'one of them gets them, whatever the order';
    is $super->selectrow_array('select count(*) from pets.pet') - $before, 20, 'twenty pets';
};

done_testing;
