# API keys: made and shown once, good for their scopes in the api pool alone, as a USER whatever the account's role is,
# and over from the next request on when they are revoked, expired, or their account is disabled.
use v5.36;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $client  = $service->client;
my $root    = $service->database->dbh;
my $ann     = $service->user;
my $pet     = $service->pet($ann);

sub make_key ($who, @scopes) {
    my $reply = $who->post('/v1/me/api-keys', { name => 'A script', scopes => \@scopes });
    $reply->status == 201 or die $reply->summary;
    return ($client->with_token($reply->json->{key}), $reply->json->{api_key}{id});
}

sub outcome ($reply) { return join ' ', $reply->status, $reply->code || () }

subtest 'making one' => sub {
    my $reply = $ann->post('/v1/me/api-keys', { name => 'Nightly export', scopes => ['pets:read'], expires_in_days => 30 });
    is $reply->status, 201, 'status 201' or return diag $reply->summary;
    like $reply->json->{key}, qr/\Apk_[\w-]{86}\z/, 'a key that scanners know';
    my $made = $reply->json->{api_key};
    is_deeply [sort keys %$made], [sort qw(id name scopes created_at expires_at last_used_at)], 'what it is';
    is_deeply [@$made{qw(name scopes last_used_at)}], ['Nightly export', ['pets:read'], undef], 'as it was asked for';
    my $row = $root->selectrow_hashref(q{select k::text as text, extract(epoch from expires_at - created_at)::int as lives, encode(key_hash, 'hex') as hash from pets.api_key k where id = ?}, undef, $made->{id});
    is $row->{lives}, 30 * 86400, 'for as long as was asked';
    is length $row->{hash}, 64, 'its hash is stored';
    ok index($row->{text}, substr $reply->json->{key}, -20) < 0, 'and not itself';
    my ($entry) = grep { $_->{id} eq $made->{id} } $ann->get('/v1/me/api-keys')->json->{items}->@*;
    is_deeply $entry, $made, 'it is listed, without the key';
    is $root->selectrow_array(q{select count(*) from pets.audit_event where action = 'authn_token_created' and target_id = ?}, undef, $made->{id}), 1, 'and in the record';

    for my $case (
        ['no name',           { name => undef },                       '/name'],
        ['no scopes',         { scopes => undef },                     '/scopes'],
        ['an empty list',     { scopes => [] },                        '/scopes'],
        ['an unknown scope',  { scopes => ['pets:read', 'users:read'] }, '/scopes/1'],
        ['three scopes',      { scopes => [('pets:read') x 3] },       '/scopes'],
        ['no day',            { expires_in_days => 0 },                '/expires_in_days'],
        ['more than a year',  { expires_in_days => 366 },              '/expires_in_days'],
    ) {
        my ($name, $change, $pointer) = @$case;
        my %body = (name => 'x', scopes => ['pets:read'], %$change);
        delete @body{ grep { !defined $body{$_} } keys %body };
        my $bad = $ann->post('/v1/me/api-keys', \%body);
        is outcome($bad), '422 validation_failed', $name or diag $bad->summary;
        is_deeply [$bad->pointers], [$pointer], "$name: named";
    }
};

subtest 'what it is good for' => sub {
    my ($read)  = make_key($ann, 'pets:read');
    my ($write) = make_key($ann, 'pets:write');
    my ($both)  = make_key($ann, 'pets:read', 'pets:write');
    is outcome($read->get('/v1/pets')), '200', 'reading';
    is $read->get("/v1/pets/$pet->{id}")->json->{name}, $pet->{name}, 'her pets';
    my $refused = $read->post('/v1/pets', { name => 'Rex', species => 'dog' });
    is outcome($refused), '403 insufficient_scope', 'not writing';
    like $refused->header('www-authenticate'), qr/error="insufficient_scope"/, 'with the challenge of RFC 6750';
    is outcome($write->post('/v1/pets', { name => 'Rex', species => 'dog' })), '201', 'writing';
    is outcome($write->get('/v1/pets')), '403 insufficient_scope', 'not reading';
    my ($pet_id) = $root->selectrow_array(q{select target_id from pets.audit_event where action = 'pet_created' and api_key_id is not null});
    ok $pet_id, 'the record says which key has done it';
    is $root->selectrow_array(q{select count(*) from pets.audit_event where actor_id = ? and action = 'pet_created' and api_key_id is null}, undef, $ann->id), 1, 'and that none has made her first pet';
    is outcome($both->put("/v1/pets/$pet->{id}", { name => 'Max', species => 'dog' })), '200', 'both';
    is outcome($both->get($_)), '403 insufficient_scope', "not $_" for qw(/v1/me /v1/me/sessions /v1/me/api-keys /v1/users);
    is outcome($both->post('/v1/auth/logout')), '403 insufficient_scope', 'it cannot log out';

    my $other = $service->pet($service->user);
    is outcome($both->get("/v1/pets/$other->{id}")), '404 not_found', "another's pet is not there";
    my $admin = $service->admin;
    is outcome($admin->get("/v1/pets/$other->{id}")), '200', 'an administrator sees it';
    my ($key) = make_key($admin, 'pets:read');
    is outcome($key->get("/v1/pets/$other->{id}")), '404 not_found', 'but not with a key';
};

subtest 'what is no key' => sub {
    my ($key) = make_key($ann, 'pets:read');
    my $text  = $key->token;
    for my $case (
        ['too short',   substr $text, 0, -1],
        ['too long',    "${text}A"],
        ['nothing',     'pk_'],
        ['another secret', $text =~ s/(.)\z/$1 eq 'A' ? 'Q' : 'A'/er],
        ['another account', substr($text, 0, 10) . ($text =~ /\A.{10}A/ ? 'B' : 'A') . substr $text, 11],
        ['foreign characters', $text =~ s/.\z/!/r],
    ) {
        my $reply = $client->with_token($case->[1])->get('/v1/pets');
        is outcome($reply), '401 token_invalid', $case->[0];
        ok index($reply->body, $case->[1]) < 0, "$case->[0]: not repeated" if length $case->[1] > 3;
    }
    is outcome($key->get('/v1/pets')), '200', 'itself is one';
};

subtest 'when it is over' => sub {
    my ($key, $id) = make_key($ann, 'pets:read');
    is outcome($key->get('/v1/pets')), '200', 'good';
    ok $root->selectrow_array('select last_used_at is not null from pets.api_key where id = ?', undef, $id), 'its use is noted';
    is outcome($service->user->delete("/v1/me/api-keys/$id")), '404 not_found', "another's key is not found";
    is $ann->logout->status, 204, 'signing out';
    is outcome($key->get('/v1/pets')), '200', '... leaves it';
    $ann = $client->login($ann->email, $ann->password);
    is $ann->delete("/v1/me/api-keys/$id")->status, 204, 'revoked';
    is outcome($key->get('/v1/pets')), '401 token_invalid', 'and over';
    is $ann->delete("/v1/me/api-keys/$id")->status, 404, 'once';
    is scalar(grep { $_->{id} eq $id } $ann->get('/v1/me/api-keys')->json->{items}->@*), 0, 'it is not listed';

    ($key, $id) = make_key($ann, 'pets:read');
    $root->do(q{update pets.api_key set created_at = now() - interval '2 d', expires_at = now() - interval '1 s' where id = ?}, undef, $id);
    is outcome($key->get('/v1/pets')), '401 token_invalid', 'expired';

    my $ben = $service->user;
    ($key) = make_key($ben, 'pets:read');
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $ben->id);
    is outcome($key->get('/v1/pets')), '401 token_invalid', 'the account is disabled';
};

# What becomes of keys when something else of their account changes.
subtest 'another password' => sub {
    my $admin = $service->admin;
    my $reset = sub ($who, %more) {
        my $link = $admin->post('/v1/users/' . $who->id . '/reset-link', { reason => 'lost' });
        $link->status == 201 or die $link->summary;
        return $client->post('/v1/auth/password-reset/confirm', { token => $link->json->{token}, password => 'another one, by a link', %more });
    };
    my $change = sub ($who, %more) { $who->put('/v1/me/password', { current_password => $who->password, new_password => 'another one, by herself', %more }) };
    my $detail = sub ($who, $key) { $root->selectrow_array(q{select detail ->> ? from pets.audit_event where action = 'authn_password_change' and target_id = ? order by id desc limit 1}, undef, $key, $who->id) };
    my $expired = sub ($who) { $root->do(q{insert into pets.api_key (id, account_id, name, scopes, key_hash, created_at, expires_at) select gen_random_uuid(), ?, 'old', '{pets:read}', sha256('x'), now() - interval '2 d', now() - interval '1 d'}, undef, $who->id) };
    for my $case (
        ['changed by its owner',                 $change, {},                       '200'],
        ['changed by its owner, who keeps them', $change, { api_keys => 'keep' },   '200'],
        ['changed by its owner, who wants none', $change, { api_keys => 'revoke' }, '401 token_invalid'],
        ['reset by a link',                      $reset,  {},                       '401 token_invalid'],
        ['reset by a link, and none kept',       $reset,  { api_keys => 'revoke' }, '401 token_invalid'],
        ['reset by a link, and all kept',        $reset,  { api_keys => 'keep' },   '200'],
    ) {
        my ($name, $deed, $more, $expected) = @$case;
        my $who  = $service->user;
        my @keys = map { (make_key($who, 'pets:read'))[0] } 1 .. 2;
        my ($other) = make_key($ann, 'pets:read');
        $expired->($who);
        is outcome($deed->($who, %$more)), '204', $name;
        is outcome($_->get('/v1/pets')), $expected, 'a key' for @keys;
        is $detail->($who, 'api_keys_revoked'), $expected eq '200' ? 0 : 2, 'the record says how many were revoked';
        is outcome($other->get('/v1/pets')), '200', "another person's key";
        $who = $client->login($who->email, $deed == $reset ? 'another one, by a link' : 'another one, by herself');
        is scalar $who->get('/v1/me/api-keys')->json->{items}->@*, $expected eq '200' ? 2 : 0, 'what is listed';
        is outcome((make_key($who, 'pets:read'))[0]->get('/v1/pets')), '200', 'a new key is good';
    }
    my $who = $service->user;
    is outcome($change->($who, api_keys => $_)), '422 validation_failed', 'api_keys: ' . ($_ // 'null') for 'all', '', undef, 1, ['revoke'];
    my ($key) = make_key($who, 'pets:read');
    is outcome($reset->($who, api_keys => 'drop')), '422 validation_failed', 'nor in a reset';
    is outcome($key->get('/v1/pets')), '200', 'what is refused revokes nothing';
};

subtest 'another state' => sub {
    my $admin = $service->admin;
    my $set   = sub ($who, %fields) { is outcome($admin->patch('/v1/users/' . $who->id, { %fields, reason => 'r' })), '200', join ' ', %fields };
    my $eve   = $service->user;
    my ($key) = make_key($eve, 'pets:read', 'pets:write');
    my $pet   = $service->pet($eve);
    $set->($eve, state => 'disabled');
    for my $case ([GET => '/v1/pets'], [GET => "/v1/pets/$pet->{id}"], [GET => "/v1/pets/$pet->{id}/history"], [POST => '/v1/pets', { name => 'x', species => 'dog' }], [PUT => "/v1/pets/$pet->{id}", { name => 'x', species => 'dog' }], [DELETE => "/v1/pets/$pet->{id}"]) {
        my ($method, $path, $body) = @$case;
        is outcome($key->request($method, $path, defined $body ? (body => $body) : ())), '401 token_invalid', "disabled: $method is refused";
    }
    $set->($eve, state => 'active');
    is outcome($key->get("/v1/pets/$pet->{id}")), '200', 'enabled: the key is good again, as the password is';
    is outcome($eve->get('/v1/pets')), '401 session_ended', '... and the session is not';
    $set->($eve, state => 'disabled');
    is outcome($admin->post('/v1/users/' . $eve->id . '/revoke', { reason => 'r' })), '200', 'revoked while disabled';
    $set->($eve, state => 'active');
    is outcome($key->get("/v1/pets/$pet->{id}")), '401 token_invalid', 'it stays revoked';
};

subtest 'another role' => sub {
    my $admin = $service->admin;
    my $fay   = $service->user;
    my ($key) = make_key($fay, 'pets:read');
    my $mine  = $service->pet($fay);
    my $other = $service->pet($service->user);
    for my $role (qw(ADMIN USER)) {
        is outcome($admin->patch('/v1/users/' . $fay->id, { role => $role, reason => 'r' })), '200', "she is $role now";
        is outcome($key->get("/v1/pets/$mine->{id}")), '200', 'her key reads her pets';
        is outcome($key->get("/v1/pets/$other->{id}")), '404 not_found', "... and nobody else's";
        is outcome($key->get('/v1/pets?owner_id=' . $admin->id)), '403 forbidden', '... nor asks for them';
        is outcome($key->get('/v1/users')), '403 insufficient_scope', '... and administers nothing';
    }
};

subtest 'making one needs a fresh proof, and there is an end' => sub {
    my $eve = $service->user;
    $root->do(q{update pets.session set authenticated_at = now() - interval '601 s' where id = ?}, undef, $eve->session_id);
    my $reply = $eve->post('/v1/me/api-keys', { name => 'x', scopes => ['pets:read'] });
    is outcome($reply), '401 step_up_required', 'an old proof is not enough';
    is $reply->header('www-authenticate'), 'Bearer realm="pets-api", error="insufficient_user_authentication", max_age=600', 'RFC 9470';
    is outcome($eve->get('/v1/me/api-keys')), '200', 'looking needs none';
    $root->do(q{update pets.session set authenticated_at = now() where id = ?}, undef, $eve->session_id);
    $root->do(q{insert into pets.api_key (id, account_id, name, scopes, key_hash, expires_at)
        select gen_random_uuid(), ?, 'k', '{pets:read}', sha256(n::text::bytea), now() + interval '1 d' from generate_series(1, 99) n}, undef, $eve->id);
    is outcome($eve->post('/v1/me/api-keys', { name => 'x', scopes => ['pets:read'] })), '201', 'the hundredth';
    is outcome($eve->post('/v1/me/api-keys', { name => 'x', scopes => ['pets:read'] })), '409 too_many_keys', 'and no more';
    my $first = $eve->get('/v1/me/api-keys?limit=60')->json;
    my $second = $eve->get("/v1/me/api-keys?limit=60&cursor=$first->{page}{next}")->json;
    my %id = map { $_->{id} => 1 } $first->{items}->@*, $second->{items}->@*;
    is scalar keys %id, 100, 'page by page all of them';
    is $second->{page}{next}, undef, 'to the end';
};

$root->disconnect;
done_testing;
