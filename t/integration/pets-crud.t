# A pet from its creation to its end, and what each method means: PUT replaces, PATCH merges (RFC 7396), both
# leave a version and a line of history; nothing is left but the history after DELETE.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $ann     = $service->user;
my $time    = qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;
my $uuid    = qr/\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\z/;

subtest 'create' => sub {
    my $reply = $ann->post('/v1/pets', { name => 'Rex', species => 'dog' });
    is $reply->status, 201, 'status 201' or return diag $reply->summary;
    is $reply->type, 'application/json', 'JSON';
    my $pet = $reply->json;
    is_deeply [sort keys %$pet],
        [sort qw(id owner_id name species breed sex born_on weight_grams microchip notes tags created_at updated_at version)],
        'these fields and no others';
    like $pet->{id}, $uuid, 'a UUIDv7';
    is $pet->{owner_id}, $ann->id, 'hers';
    like $pet->{created_at}, $time, 'created_at';
    is $pet->{updated_at}, $pet->{created_at}, 'updated_at is the same';
    is $pet->{version}, 1, 'version 1';
    is $pet->{sex}, 'unknown', 'sex has its initial value';
    is_deeply $pet->{tags}, [], 'tags start empty';
    is $reply->location, "/v1/pets/$pet->{id}", 'Location';
    is $reply->etag, '"1"', 'ETag';
};

subtest 'read' => sub {
    my $pet = $service->pet($ann, name => 'Momo', species => 'cat');
    my $reply = $ann->get("/v1/pets/$pet->{id}");
    is $reply->status, 200, 'status 200';
    is $reply->etag, '"1"', 'ETag';
    is_deeply $reply->json, $pet, 'as created';
    is $ann->get('/v1/pets/' . uc $pet->{id})->status, 200, 'a UUID in upper case is the same';
    is $ann->get("/v1/pets/$pet->{id}/")->status, 404, 'a slash behind is another address';
    is $ann->get('/v1/pets/00000000-0000-7000-8000-000000000000')->code, 'not_found', 'one that is not there';
    is $ann->get("/v1/pets/$_")->status, 404, "no UUID: $_" for qw(1 x 0-0-0-0-0), substr $pet->{id}, 0, 35;
    is $ann->get("/v1/pets/$pet->{id}?x=1")->code, 'invalid_parameter', 'an unknown parameter is refused';
};

subtest 'PUT replaces' => sub {
    my $pet = $service->pet($ann, name => 'A', species => 'cat', breed => 'b', sex => 'male', born_on => '2020-01-01',
        weight_grams => 10, notes => 'n', tags => ['x', 'y']);
    my $reply = $ann->put("/v1/pets/$pet->{id}", { name => 'B', species => 'dog', weight_grams => 11 });
    is $reply->status, 200, 'status 200' or return diag $reply->summary;
    is $reply->etag, '"2"', 'ETag';
    my $got = $reply->json;
    is_deeply { map { $_ => $got->{$_} } qw(name species breed sex born_on weight_grams notes tags version) },
        { name => 'B', species => 'dog', breed => undef, sex => 'unknown', born_on => undef, weight_grams => 11, notes => undef, tags => [], version => 2 },
        'what was not sent has its initial value';
    is $got->{$_}, $pet->{$_}, "$_ stays" for qw(id owner_id created_at);
    cmp_ok $got->{updated_at}, 'gt', $pet->{updated_at}, 'updated_at moves';
    is_deeply $ann->get("/v1/pets/$pet->{id}")->json, $got, 'and so it is read';
    my $bad = $ann->put("/v1/pets/$pet->{id}", { species => 'dog' });
    is $bad->status, 422, 'a field that is needed is missing';
    is_deeply [$bad->pointers], ['/name'], 'it is named';
    is $ann->get("/v1/pets/$pet->{id}")->etag, '"2"', 'and nothing changed';
    is $ann->put('/v1/pets/00000000-0000-7000-8000-000000000000', { name => 'B', species => 'dog' })->status, 404, 'PUT does not create';
};

subtest 'PATCH merges' => sub {
    my $pet = $service->pet($ann, name => 'A', species => 'cat', breed => 'b', sex => 'male', weight_grams => 10, tags => ['x']);
    my $path = "/v1/pets/$pet->{id}";
    my %now = %$pet;
    my $step = sub ($what, $patch, %change) {
        my $reply = $ann->patch($path, $patch);
        is $reply->status, 200, "$what: 200" or return diag $reply->summary;
        %now = (%now, %change, version => $now{version} + 1, updated_at => $reply->json->{updated_at});
        is_deeply $reply->json, \%now, "$what: that changed and nothing else";
        is $reply->etag, qq("$now{version}"), "$what: ETag";
    };
    $step->('one field',        { weight_grams => 11 },               weight_grams => 11);
    $step->('several',          { name => 'B', notes => 'n' },        name => 'B', notes => 'n');
    $step->('null takes away',  { breed => undef, notes => undef },   breed => undef, notes => undef);
    $step->('null resets',      { sex => undef, tags => undef },      sex => 'unknown', tags => []);
    $step->('arrays are whole', { tags => ['p', 'q'] },               tags => ['p', 'q']);
    for my $case (
        [{ name => undef },              '/name'],
        [{ species => undef },           '/species'],
        [{ name => '' },                 '/name'],
        [{ weight_grams => 0, id => 1 }, '/id', '/weight_grams'],
        [{ wings => undef },             '/wings'],
    ) {
        my ($patch, @pointers) = @$case;
        my $reply = $ann->patch($path, $patch);
        is $reply->status, 422, "refused: @pointers" or diag $reply->summary;
        is_deeply [$reply->pointers], \@pointers, "named: @pointers";
    }
    is_deeply $ann->get($path)->json, \%now, 'what is refused changes nothing';
    my $empty = $ann->patch($path, {});
    is $empty->status, 200, 'an empty patch is no error';
    is $ann->request('PATCH', $path, body => { name => 'C' }, type => 'application/json')->status, 415, 'a patch says what it is';
};

subtest 'DELETE' => sub {
    my $pet = $service->pet($ann);
    my $path = "/v1/pets/$pet->{id}";
    my $reply = $ann->delete($path);
    is $reply->status, 204, 'status 204';
    is $reply->body, '', 'and nothing more';
    is $ann->get($path)->status, 404, 'it is gone';
    is $ann->delete($path)->status, 404, 'twice is 404';
    is $ann->patch($path, { name => 'x' })->status, 404, 'there is nothing to change';
    is scalar(grep { $_->{id} eq $pet->{id} } $ann->get('/v1/pets', query => { limit => 100 })->json->{items}->@*), 0, 'not in the list';
};

subtest 'history' => sub {
    my $pet  = $service->pet($ann, name => 'A', species => 'cat');
    my $path = "/v1/pets/$pet->{id}";
    my $two  = $ann->patch($path, { name => 'B' })->json;
    my $three = $ann->put($path, { name => 'C', species => 'dog' })->json;
    is $ann->delete($path)->status, 204, 'deleted';
    my $reply = $ann->get("$path/history");
    is $reply->status, 200, 'its history is still there' or return diag $reply->summary;
    my @items = $reply->json->{items}->@*;
    my %by_version = map { $_->{version} => $_ } @items;
    is_deeply [map { "$_ $by_version{$_}{action}" } sort keys %by_version], ['1 create', '2 update', '3 update', '4 delete'], 'every change';
    is_deeply [sort keys $items[0]->%*], [sort qw(version action actor_id changed_at old new)], 'the fields';
    is scalar(grep { $_->{actor_id} ne $ann->id } @items), 0, 'by whom';
    is scalar(grep { $_->{changed_at} !~ $time } @items),  0, 'when';
    is $by_version{1}{old}, undef, 'nothing before the first';
    is $by_version{4}{new}, undef, 'nothing after the last';
    is $by_version{$_}{old}{name}, $by_version{ $_ - 1 }{new}{name}, "version $_ starts from the one before" for 2 .. 4;
    is_deeply [map { $by_version{$_}{new}{name} } 1 .. 3], [qw(A B C)], 'what it became';
    my (@paged, $next);
    my $pages = 0;
    do {
        my $page = $ann->get("$path/history", query => { limit => 3, defined $next ? (cursor => $next) : () })->json;
        push @paged, $page->{items}->@*;
        $next = $page->{page}{next};
        $pages++;
    } while (defined $next && $pages < 10);
    is $pages, 2, 'in pages of three';
    is_deeply \@paged, \@items, 'the pages together are the whole';
};

subtest 'a microchip belongs to one pet' => sub {
    my $chip = sprintf '%015d', 276_000_000_000_000 + int rand 1e12;
    my $pet  = $service->pet($ann, microchip => $chip);
    is $pet->{microchip}, $chip, 'kept as it is, leading zeros too';
    my $other = $service->user;
    my $reply = $other->post('/v1/pets', { name => 'x', species => 'dog', microchip => $chip });
    is $reply->status, 409, 'the second one: 409';
    is $reply->code, 'microchip_taken', 'microchip_taken';
    my $second = $service->pet($other);
    is $other->patch("/v1/pets/$second->{id}", { microchip => $chip })->code, 'microchip_taken', 'nor by a change';
    is $other->get("/v1/pets/$second->{id}")->etag, '"1"', 'which leaves no version';
    is $ann->patch("/v1/pets/$pet->{id}", { microchip => $chip })->status, 200, 'the pet itself may keep it';
    is $ann->delete("/v1/pets/$pet->{id}")->status, 204, 'when it is gone ...';
    is $other->patch("/v1/pets/$second->{id}", { microchip => $chip })->status, 200, '... the number is free';
};

done_testing;
