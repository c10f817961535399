# People, for administrators: looking at them, changing what they may do, throwing them out; what is recorded of it,
# what it needs (the role, a fresh proof, a reason, the second factor), and that it acts on the next request.
use v5.36;
use JSON::PP ();
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $root    = $service->database->dbh;
my $admin   = $service->admin;
my $ann     = $service->user(email => 'ann.lee@example.org', display_name => 'Ann Lee')->enrol;    # she will be an administrator

sub outcome ($reply) { return join ' ', $reply->status, $reply->code || () }

# The audit events about somebody, oldest first: action, and what is told of it.
sub record ($who) {
    return map { [$_->[0], JSON::PP->new->decode($_->[1] // '{}')] } @{
        $root->selectall_arrayref(q{select action, detail::text from pets.audit_event where actor_id = ? and target_id = ? order by id}, undef, $admin->id, $who->id)
    };
}

subtest 'looking' => sub {
    my $reply = $admin->get('/v1/users/' . $ann->id);
    is outcome($reply), '200', 'one' or return diag $reply->summary;
    is_deeply $reply->json, $ann->get('/v1/me')->json, 'is what she sees of herself';
    is $reply->etag, '"1"', 'with its version';
    is outcome($admin->get('/v1/users/' . $ann->id, headers => { 'if-none-match' => '"1"' })), '304', 'unchanged';
    is outcome($admin->get('/v1/users/019b0000-0000-7000-8000-000000000000')), '404 not_found', 'nobody';
    my @more = map { $service->user } 1 .. 4;
    my $page = $admin->get('/v1/users?limit=3')->json;
    is_deeply [map { $_->{id} } $page->{items}->@*], [map { $_->id } reverse @more[1 .. 3]], 'a page, newest first';
    my $next = $admin->get("/v1/users?limit=3&cursor=$page->{page}{next}")->json;
    is_deeply [map { $_->{id} } $next->{items}->@*], [map { $_->id } $more[0], $ann, $admin], 'and the next';
    is_deeply [map { $_->{id} } $admin->get('/v1/users?q=ANN.L')->json->{items}->@*], [$ann->id], 'by a piece of the address';
    is_deeply [map { $_->{id} } $admin->get('/v1/users?q=nn%20le')->json->{items}->@*], [$ann->id], 'or of the name';
    is_deeply [map { $_->{id} } $admin->get('/v1/users?role=ADMIN')->json->{items}->@*], [$admin->id], 'by role';
    is scalar $admin->get('/v1/users?state=disabled')->json->{items}->@*, 0, 'by state';
    is outcome($admin->get('/v1/users?role=GOD')), '400 invalid_parameter', 'no such role';
    is_deeply [map { $_->[0] } record($ann)], ['authz_admin', 'authz_admin'], 'who looks is recorded';
    is $root->selectrow_array(q{select count(*) from pets.audit_event where action = 'authz_admin' and detail ->> 'event' = 'user_list' and actor_id = ?}, undef, $admin->id), 6, 'each page, too';
    ok !$root->selectrow_array(q{select bool_or(detail::text like '%nn le%') from pets.audit_event where detail ->> 'event' = 'user_list'}), 'without what was searched for';
};

subtest 'changing' => sub {
    my $path = '/v1/users/' . $ann->id;
    for my $case (
        ['no reason',    { state => 'disabled' },                     '/reason'],
        ['null',         { state => undef, reason => 'x' },           '/state'],
        ['a state that is none', { state => 'gone', reason => 'x' },  '/state'],
        ['an e-mail',    { email => 'a@example.org', reason => 'x' }, '/email'],
        ['a password',   { password => 'x' x 20, reason => 'x' },     '/password'],
    ) {
        my $bad = $admin->patch($path, $case->[1]);
        is outcome($bad), '422 validation_failed', $case->[0];
        is_deeply [$bad->pointers], [$case->[2]], "$case->[0]: named";
    }
    my $token = $ann->token;
    my $reply = $admin->patch($path, { state => 'disabled', reason => 'asked for by phone' }, headers => { 'if-match' => '"1"' });
    is outcome($reply), '200', 'disabled' or return diag $reply->summary;
    is_deeply [$reply->json->@{qw(state version)}, $reply->etag], ['disabled', 2, '"2"'], 'another version';
    is outcome($ann->get($_)), '401 session_ended', "$_: out at once" for qw(/v1/me /v1/pets);
    is outcome($admin->patch($path, { state => 'active', reason => 'x' }, headers => { 'if-match' => '"1"' })), '412 precondition_failed', 'an old version';
    is outcome($admin->patch($path, { state => 'active', role => 'ADMIN', display_name => 'Ann L.', reason => 'back' })), '200', 'enabled and promoted';
    is outcome($ann->get('/v1/me')), '401 session_ended', 'her session stays over';
    $ann = $service->client->login($ann->email, $ann->password, $ann->app);
    is outcome($ann->get('/v1/users')), '200', 'after another login she is an administrator';
    is outcome($admin->patch($path, { role => 'USER', reason => 'no longer' })), '200', 'demoted';
    is outcome($ann->get('/v1/users')), '403 forbidden', 'and no longer is';
    my @record = grep { $_->[0] ne 'authz_admin' } record($ann);
    is_deeply [map { $_->[0] } @record], [qw(user_disabled user_updated authz_change user_enabled authz_change)], 'the record says what';
    is_deeply $record[0][1], { reason => 'asked for by phone', old => 'active', new => 'disabled', sessions_ended => 1 }, 'and why';
    is outcome($admin->patch('/v1/users/019b0000-0000-7000-8000-000000000000', { state => 'active', reason => 'x' })), '404 not_found', 'nobody';
};

subtest 'throwing out' => sub {
    my $ben  = $service->user;
    my @more = map { $service->client->login($ben->email, $ben->password) } 1 .. 2;
    my $key  = $service->client->with_token($ben->post('/v1/me/api-keys', { name => 'k', scopes => ['pets:read'] })->json->{key});
    is outcome($key->get('/v1/pets')), '200', 'a key';
    my $reply = $admin->post('/v1/users/' . $ben->id . '/revoke', { reason => 'a lost phone' });
    is outcome($reply), '200', 'done' or return diag $reply->summary;
    is_deeply $reply->json, { sessions_ended => 3, api_keys_revoked => 1 }, 'says how many';
    is outcome($_->get('/v1/pets')), '401 session_ended', 'out' for $ben, @more;
    is outcome($key->get('/v1/pets')), '401 token_invalid', 'so is the key';
    is_deeply [record($ben)], [['session_expired', { reason => 'a lost phone', cause => 'revoked', sessions => 3, api_keys => 1 }]], 'one event';
    is outcome($admin->post('/v1/users/' . $ben->id . '/revoke', {})), '422 validation_failed', 'a reason is needed';
};

subtest 'a link for who has forgotten the password' => sub {
    my $cat  = $service->user;
    my $path = '/v1/users/' . $cat->id . '/reset-link';
    my $made = $admin->post($path, { reason => 'seen at the desk' });
    is outcome($made), '201', 'made' or return diag $made->summary;
    is_deeply [sort keys $made->json->%*], [qw(expires_at link token)], 'with its token and its end';
    is $made->json->{link}, undef, 'nobody has said where links lead';
    like $made->json->{token}, qr/\Apl_[\w-]{43}\z/, 'which is 256 bits of chance';
    is_deeply [record($cat)], [['authn_token_created', { reason => 'seen at the desk', entitlement => 'password_reset' }]], 'one event';
    is outcome($cat->get('/v1/me')), '200', 'nothing has happened yet';
    my $confirm = sub ($token) { $service->client->post('/v1/auth/password-reset/confirm', { token => $token, password => 'what nobody else has seen' }) };
    is outcome($confirm->($made->json->{token})), '204', 'the person chooses a password';
    is outcome($cat->get('/v1/me')), '401 session_ended', 'and is out everywhere';
    is $service->client->login($cat->email, 'what nobody else has seen')->id, $cat->id, 'and can log in';
    is outcome($confirm->($made->json->{token})), '410 link_invalid', 'it works once';
    is outcome($admin->post($path, {})), '422 validation_failed', 'a reason is needed';
    is outcome($admin->post($path, { reason => 'x', password => 'y' x 20 })), '422 validation_failed', 'no password is chosen for anybody';
    my $stored = $root->selectrow_array('select string_agg(to_jsonb(l)::text, $$ $$) from pets.reset_link l');
    ok index($stored, $made->json->{token}) < 0, 'the token is not stored';
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $cat->id);
    is outcome($admin->post($path, { reason => 'x' })), '404 not_found', 'none for a disabled account';
};

subtest 'a fresh proof' => sub {
    $root->do(q{update pets.session set authenticated_at = now() - interval '601 s' where id = ?}, undef, $admin->session_id);
    is outcome($admin->get('/v1/users')), '200', 'looking needs none';
    is outcome($admin->patch('/v1/users/' . $ann->id, { state => 'disabled', reason => 'x' })), '401 step_up_required', 'changing does';
    is outcome($admin->post('/v1/users/' . $ann->id . '/revoke', { reason => 'x' })), '401 step_up_required', 'throwing out, too';
    is outcome($admin->post('/v1/users/' . $ann->id . '/reset-link', { reason => 'x' })), '401 step_up_required', 'a link as well';
    is outcome($ann->get('/v1/me')), '200', 'nothing has happened';
};

subtest 'the second factor' => sub {
    $service->add_user('root@example.org', 'a word that says nothing of it', '--admin');
    my $admin = $service->client->login('root@example.org', 'a word that says nothing of it');
    my $pet   = $service->pet($service->user);
    is outcome($admin->get('/v1/users')), '403 mfa_required', 'an administrator without it may not';
    is outcome($admin->get("/v1/pets/$pet->{id}")), '404 not_found', "nor see another's pet";
    is outcome($admin->get('/v1/pets?owner_id=' . $pet->{owner_id})), '403 forbidden', 'nor list them';
    is outcome($admin->get('/v1/me')), '200', 'but is a user';
    $admin->enrol;
    is outcome($admin->get('/v1/users')), '200', 'with it: all of it';
    is outcome($admin->get("/v1/pets/$pet->{id}")), '200', "also another's pet";
};

$root->disconnect;
done_testing;
