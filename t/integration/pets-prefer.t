# Prefer: return=minimal: who has changed something gets what it needs to go on (status, ETag, Location) and no body;
# what was done is the same.
use v5.36;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my ($ann, $ben) = map { $service->user } 1, 2;
my %pet = (name => 'Rex', species => 'dog');
my %minimal = (headers => { prefer => 'return=minimal' });

sub made () { return $service->pet($ann) }
sub transfer () { my $pet = made(); return $ann->post("/v1/pets/$pet->{id}/transfers", { to_email => $ben->email })->json->{id} }
sub deleted () { my $pet = made(); $ann->delete("/v1/pets/$pet->{id}"); return $pet }

subtest 'what changes something' => sub {
    my @cases = (
        ['POST /v1/pets',          201, 201, '"1"', sub (%o) { $ann->post('/v1/pets', {%pet}, %o) }],
        ['POST /v1/pets:batch',    201, 201, undef, sub (%o) { $ann->post('/v1/pets:batch', [{%pet}, {%pet}], %o) }],
        ['PUT',                    200, 204, '"2"', sub (%o) { $ann->put('/v1/pets/' . made()->{id}, {%pet}, %o) }],
        ['PATCH',                  200, 204, '"2"', sub (%o) { $ann->patch('/v1/pets/' . made()->{id}, { name => 'Max' }, %o) }],
        ['POST restore',           200, 204, '"3"', sub (%o) { $ann->post('/v1/pets/' . deleted()->{id} . '/restore', undef, %o) }],
        ['POST transfers',         201, 201, undef, sub (%o) { $ann->post('/v1/pets/' . made()->{id} . '/transfers', { to_email => $ben->email }, %o) }],
        ['POST accept',            200, 204, undef, sub (%o) { $ben->post('/v1/transfers/' . transfer() . '/accept', undef, %o) }],
        ['POST decline',           200, 204, undef, sub (%o) { $ben->post('/v1/transfers/' . transfer() . '/decline', undef, %o) }],
        ['POST withdraw',          200, 204, undef, sub (%o) { $ann->post('/v1/transfers/' . transfer() . '/withdraw', undef, %o) }],
    );
    for my $case (@cases) {
        my ($what, $full, $least, $etag, $do) = @$case;
        my $reply = $do->(%minimal);
        is $reply->status, $least, "$what: $least" or diag $reply->summary;
        is $reply->body, '', "$what: no body";
        is $reply->header('content-type'), undef, "$what: of no type";
        is $reply->header('content-length'), $least == 204 ? undef : 0, "$what: Content-Length";
        is $reply->etag, $etag, "$what: ETag";
        like $reply->location, qr{\A/v1/(?:pets|transfers)/[0-9a-f-]{36}\z}, "$what: Location" if $what =~ /pets\z|transfers/;
        is $reply->header('preference-applied'), 'return=minimal', "$what: it is said so";
        for my $other ([undef, undef], ['return=representation', 'return=representation'], ['return=other', undef], ['respond-async', undef]) {
            my ($prefer, $applied) = @$other;
            $reply = $do->(headers => { defined $prefer ? (prefer => $prefer) : () });
            my $name = "$what, " . ($prefer // 'nothing');
            is $reply->status, $full, "$name: $full";
            ok length $reply->body, "$name: a body";
            is $reply->header('preference-applied'), $applied, "$name: " . ($applied // 'nothing') . ' is applied';
        }
    }
};

subtest 'what was done' => sub {
    my $reply = $ann->post('/v1/pets', { %pet, name => 'Quiet' }, %minimal);
    my $pet   = $ann->get($reply->location)->json;
    is $pet->{name}, 'Quiet', 'the pet is there';
    is $ann->patch($reply->location, { name => 'Loud' }, %minimal, if_match => $reply->etag)->etag, '"2"', 'its ETag is good for the next change';
    is $ann->patch($reply->location, { name => 'Late' }, %minimal, if_match => $reply->etag)->status, 412, 'and then no more';
    is $ann->get($reply->location)->json->{name}, 'Loud', 'it was changed once';
};

subtest 'where it does not apply' => sub {
    my $pet = made();
    my $get = $ann->get("/v1/pets/$pet->{id}", %minimal);
    is_deeply [$get->status, $get->header('preference-applied')], [200, undef], 'reading';
    ok length $get->body, '... has its body';
    my $bad = $ann->post('/v1/pets', { name => '' }, %minimal);
    is_deeply [$bad->status, $bad->code, $bad->header('preference-applied')], [422, 'validation_failed', undef], 'a problem is told';
    my $gone = $ann->delete("/v1/pets/$pet->{id}", %minimal);
    is_deeply [$gone->status, $gone->header('preference-applied')], [204, undef], 'deleting has none anyway';
    my $me = $ann->post('/v1/me/api-keys', { name => 'k', scopes => ['pets:read'] }, %minimal);
    is $me->status, 201, 'nor in the auth pool';
    ok $me->json->{key}, '... whose answers nobody can ask for again';
};

subtest 'a request that is repeated' => sub {
    my %key   = ('idempotency-key' => '"quiet"');
    my $quiet = $ann->post('/v1/pets', {%pet}, headers => { %key, prefer => 'return=minimal' });
    my $loud  = $ann->post('/v1/pets', {%pet}, headers => {%key});
    is_deeply [map { $_->status } $quiet, $loud], [201, 201], 'the same answer';
    is $loud->location, $quiet->location, 'of the same pet';
    is $loud->json->{id}, ($quiet->location =~ m{([^/]+)\z})[0], 'with its body, for who asks for it';
    is $ann->post('/v1/pets', {%pet}, headers => { %key, prefer => 'return=minimal' })->body, '', 'and none for who does not';
};

done_testing;
