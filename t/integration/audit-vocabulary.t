# Every security event, by one name in the log and in the record: each route of both pools, as petsd lists them, and
# each verb of petsctl is used and refused, and must leave what the tables below say. A route or a verb that is not in
# them fails, so nobody can add one without saying here what it leaves behind, or why it leaves nothing.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run slurp spew src test_dir);
use Pets::Pool;
use Pets::Service;
use Pets::Sql qw(call uuid7);
use Test::More;

my $service = Pets::Service->new(mail => 1)->start;
my $root    = $service->database->dbh;
my $nobody  = $service->client;
my $ann     = $service->user;
my $ben     = $service->user;
my $admin   = $service->admin;
my $me      = getpwuid $<;
my $why     = 'the reason that is given';
my %seen;    # the words that came, and were demanded

# --- the vocabulary -------------------------------------------------------------------------------------

# The words of OWASP, as its cheat sheet has them.
my %owasp = map { $_ => 1 } qw(
    authn_login_success authn_login_successafterfail authn_login_fail authn_login_fail_max authn_login_lock authn_password_change
    authn_password_change_fail authn_impossible_travel authn_token_created authn_token_revoked authn_token_reuse authn_token_delete
    authz_fail authz_change authz_admin crypt_decrypt_fail crypt_encrypt_fail excess_rate_limit_exceeded
    upload_complete upload_stored upload_validation upload_delete input_validation_fail input_validation_discrete_fail
    malicious_excess_404 malicious_extraneous malicious_attack_tool malicious_cors malicious_direct_reference
    privilege_permissions_changed sensitive_create sensitive_read sensitive_update sensitive_delete sequence_fail
    session_created session_renewed session_expired session_use_after_expire sys_startup sys_shutdown sys_restart sys_crash
    sys_monitor_disabled sys_monitor_enabled user_created user_updated user_archived user_deleted);

my (%logged, %recorded, %operational);
{
    my $manual = slurp(src() . '/docs/manual.md');
    my $rows   = sub ($name) { map { [split / ?\| ?/] } grep { /^\| `/ } split /\n/, ($manual =~ /^## \Q$name\E\n(.*?)^## /ms)[0] };
    for my $row ($rows->('Log')) {
        $operational{$_} = 1 for $row->[1] =~ /`([a-z_]+)`/g;
    }
    for my $row ($rows->('Security events')) {
        while ($row->[1] =~ /`([a-z_]+)`( \*)?/g) {
            my ($name, $ours) = ($1, $2);
            $logged{$name}   = 1 if $row->[2] =~ /\blog\b/;
            $recorded{$name} = 1 if $row->[2] =~ /\brecord\b/;
            is !!$ours, !$owasp{$name}, "$name: " . ($ours ? 'a word of ours' : 'a word of OWASP');
            like $name, qr/\A(?:authn|authz|crypt|excess|session|user|sensitive|pet)_[a-z_]+\z/, "$name: of one make";
        }
    }
}

# --- what is due ----------------------------------------------------------------------------------------

# An event that must be in the record, and, if the manual says so, in the log. Who: a client, 'operator', or undef.
sub success ($action, $who, $type, $id, %detail) { return { action => $action, outcome => 'success', who => $who, target => [$type, $id], detail => \%detail } }
sub failure ($action, $who, $type, $id, %detail) { return { success($action, $who, $type, $id, %detail)->%*, outcome => 'failure' } }
# One that must be in the log alone.
sub logged ($event, %detail) { return { event => $event, detail => \%detail } }
# Nothing is due, and nothing may be there; it takes words to say why.
sub none ($reason) { length $reason or die; return sub { () } }

sub actor_of ($who) { return ref $who ? $who->id : undef }

my $last = 0;

sub records () {
    my $rows = $root->selectall_arrayref(
        'select id, action, outcome, actor_id, target_type, target_id, request_id, host(address) as address, detail, api_key_id from pets.audit_event where id > ? order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    $_->{detail} = JSON::PP->new->decode($_->{detail} // '{}') for @$rows;
    return @$rows;
}

my %log_at;

sub logs () {
    return map { my $pool = $_; my $mark = $log_at{$pool} // 0; $log_at{$pool} = $service->$pool->log_mark; $service->$pool->log_grep(sub ($event) { 1 }, $mark) } qw(api auth);
}

# One use: before (what it needs; its result is given to the others), do, the status it has, and what is due.
sub try_case ($case) {
    my ($name, $status, $do, $due, $before) = @$case;
    my $given = $before ? $before->() : undef;
    records();
    logs();
    my $reply    = $do->($given);
    my @records  = records();
    my @lines    = logs();
    my @due      = $due->($reply, $given);
    my $is_http  = $reply->isa('Pets::Client::Reply');
    my $id       = $is_http ? $reply->header('x-request-id') : undef;
    my $in_words = sub ($event) { join ' ', map { $_ // '-' } @$event{qw(action outcome)}, $event->{actor_id}, $event->{target_type}, $event->{target_id} };

    is $reply->status, $status, "$name: $status" or diag $reply->summary;
    my @recorded = grep { $_->{action} } @due;
    is_deeply [sort map { $in_words->($_) } @records],
        [sort map { join ' ', $_->{action}, $_->{outcome}, map { $_ // '-' } exists $_->{actor} ? $_->{actor} : actor_of($_->{who}), $_->{target}->@* } @recorded], "$name: the record";
    for my $event (@recorded) {
        my ($record) = grep { $_->{action} eq $event->{action} } @records or next;
        my %detail = (($event->{who} // '') eq 'operator' ? (operator => $me, reason => $why) : (), $event->{detail}->%*);
        is_deeply { map { $_ => $record->{detail}{$_} } keys %detail }, \%detail, "$name: $event->{action}: the detail";
        is_deeply [@$record{qw(request_id address)}], $is_http ? [$id, '127.0.0.1'] : [undef, undef], "$name: $event->{action}: from where";
        $seen{ $event->{action} } = 1;
    }

    # What is logged of this request, each word once: ending three sessions is one line.
    my %lines = map { $_->{event} => $_ } grep { !$operational{ $_->{event} } } @lines;
    my %want  = map { ($_->{event} // $_->{action}) => $_ } grep { $_->{event} || ($is_http && $logged{ $_->{action} }) } @due;
    is_deeply [sort keys %lines], [sort keys %want], "$name: the log";
    for my $word (grep { $lines{$_} } keys %want) {
        is $lines{$word}{request_id}, $id, "$name: $word: the request";
        my $detail = $want{$word}{event} ? $want{$word}{detail} : {};
        is_deeply { map { $_ => $lines{$word}{$_} } keys %$detail }, $detail, "$name: $word: what it says";
        $seen{$word} = 1;
    }
    return;
}

# --- the routes -----------------------------------------------------------------------------------------

# What must be refused on every route that wants to know who is asking; row->{body} is one that would be taken.
my $gone = $service->user;
$gone->logout;
my $second = unproven();
my $stale = $service->user;
$root->do(q{update pets.session set authenticated_at = now() - interval '1 day' where id = ?}, undef, $stale->session_id);
my $script = $ann->post('/v1/me/api-keys', { name => 'for nothing here', scopes => ['pets:read'] })->json;
my $writer = $ann->post('/v1/me/api-keys', { name => 'writes', scopes => ['pets:write'] })->json;
my %type_of = ('/v1/pets/{id}' => 'pet', '/v1/users/{id}' => 'account', '/v1/transfers/{id}' => 'transfer', '/v1/me/sessions/{id}' => 'session', '/v1/me/api-keys/{id}' => 'api_key');

# An administrator without a second factor.
sub unproven () {
    my ($email, $password) = (uuid7() . '@example.org', 'no second factor here');
    $service->add_user($email, $password, '--admin');
    return $nobody->login($email, $password);
}

sub refusals ($row, $pool, $method, $path, $access, $wants) {
    my $id     = uuid7();
    my ($type) = map { $type_of{$_} } grep { index($path, $_) == 0 } keys %type_of;
    my @target = $path =~ /\{id\}/ ? ($type // 'what is it?', $id) : (undef, undef);
    my %body   = exists $row->{body} ? (body => $row->{body}) : ();
    my $ask = sub ($token) {
        return $nobody->request($method, $path =~ s/\{id\}/$id/r, token => $token, %body, $method eq 'PATCH' ? (type => 'application/merge-patch+json') : ());
    };
    my $refused = sub ($who, $reason) { sub { failure('authz_fail', $who, @target, reason => $reason, route => "$method $path") } };
    my ($key, $scope) = $pool eq 'api' && $method ne 'GET' ? ($script, 'a key that only reads') : $pool eq 'api' ? ($writer, 'a key that only writes') : ($script, 'a key');
    my $good = $access eq 'admin' ? $admin : $ann;

    try_case(['no token', 401, sub { $ask->(undef) }, none('nobody is known, and nothing was tried')]);
    try_case(['a forged token', 401, sub { $ask->($good->token =~ s/..\z/AA/r) }, sub { logged('authn_token_fail', kind => 'access_token', address => '127.0.0.1') }]);
    try_case(['a forged key', 401, sub { $ask->($key->{key} =~ s/.{12}\z/'A' x 12/er) }, sub { logged('authn_token_fail', kind => 'api_key', address => '127.0.0.1') }]) if $wants ne '-';
    try_case(['a session that is over', 401, sub { $ask->($gone->token) }, sub { failure('session_use_after_expire', $gone, session => $gone->session_id, reason => 'session_ended', route => "$method $path") }]);
    try_case([$scope, 403, sub { $ask->($key->{key}) }, $refused->($ann, 'insufficient_scope')]);
    is $root->selectrow_array('select api_key_id from pets.audit_event order by id desc limit 1'), $key->{api_key}{id}, "$scope: which one";
    if ($access eq 'admin') {
        my $unproven = unproven();
        try_case(['a user', 403, sub { $ask->($ann->token) }, $refused->($ann, 'forbidden')]);
        try_case(['without the second factor', 403, sub { $ask->($unproven->token) }, $refused->($unproven, 'mfa_required')]);
        $root->do(q{update pets.account set role = 'USER' where id = ?}, undef, $unproven->id);
    }
    return if !$row->{step_up};
    my $late = $access eq 'admin' ? $admin : $stale;
    my $set  = sub ($when) { $root->do("update pets.session set authenticated_at = $when where id = ?", undef, $late->session_id) };
    $set->(q{now() - interval '1 day'});
    try_case(['proved long ago', 401, sub { $ask->($late->token) }, $refused->($late, 'step_up_required')]);
    $set->('now()') if $late == $admin;
    return;
}

my %pet    = (name => 'Pet', species => 'dog');
my $pet_of = sub ($who) { sub { $service->pet($who) } };
my $enrolled = sub { $service->user->enrol };
my $word    = 'another password, long enough';
my $own     = none('it is the own data of whoever asks');
my $foreign = none('what is somebody else’s is as if it were not there: row-level security does not tell the two apart');
my $missing = none('there is nothing like that');
my $health  = none('the health of the pool, for this machine alone: nobody is known, and nothing of anybody is in it');
my $link    = sub ($what) { sub { ($service->mail)[-1] // die "no mail of $what" } };

sub logs_in ($who, $password = $who->password) { return $nobody->post('/v1/auth/login', { email => $who->email, password => $password }) }
sub waits ($who) { return logs_in($who)->json->{mfa_token} // die 'no second factor is awaited' }

# Asks for an account, or for another password, and reads the mail: the token of the link.
sub registration () { $nobody->register('new' . uuid7() . '@example.org', $word); return ($service->mail)[-1]{token} }
sub reset_of ($who) { $nobody->post('/v1/auth/password-reset', { email => $who->email }); return ($service->mail)[-1]{token} }

sub deleted () { my $pet = $service->pet($ann); $ann->delete("/v1/pets/$pet->{id}"); return $pet }
sub offer () { my $pet = $service->pet($ann); return $ann->post("/v1/pets/$pet->{id}/transfers", { to_email => $ben->email })->json }

# For each: body, what a refusal is tried with; step_up, whether it wants a fresh proof; good and bad: the cases, as
# try_case wants them, or one word of none(...).
my %routes = (
    'api GET /v1/pets' => {
        good => [['one’s own', 200, sub { $ann->get('/v1/pets') }, $own],
                 ['everybody’s', 200, sub { $admin->get('/v1/pets') }, sub { success('authz_admin', $admin, account => undef, event => 'pet_list') }]],
        bad  => [['another’s', 403, sub { $ann->get('/v1/pets', query => { owner_id => $ben->id }) }, sub { failure('authz_fail', $ann, undef, undef, reason => 'forbidden', route => 'GET /v1/pets') }]],
    },
    'api POST /v1/pets' => {
        body => {%pet},
        good => [['one', 201, sub { $ann->post('/v1/pets', {%pet}) }, sub ($reply, $) { success('pet_created', $ann, pet => $reply->json->{id}) }],
                 ['by a key', 201, sub { $nobody->post('/v1/pets', {%pet}, token => $writer->{key}) }, sub ($reply, $) { success('pet_created', $ann, pet => $reply->json->{id}) }]],
        bad  => none('whoever has an account may'),
    },
    'api GET /v1/pets/{id}' => {
        good => [['one’s own', 200, sub ($pet) { $ann->get("/v1/pets/$pet->{id}") }, $own, $pet_of->($ann)],
                 ['by an administrator', 200, sub ($pet) { $admin->get("/v1/pets/$pet->{id}") }, sub ($, $pet) { success('authz_admin', $admin, pet => $pet->{id}, event => 'pet_read') }, $pet_of->($ann)]],
        bad  => [['another’s', 404, sub ($pet) { $ben->get("/v1/pets/$pet->{id}") }, $foreign, $pet_of->($ann)]],
    },
    (map {
        my $method = $_;
        my $ask    = sub ($who) { sub ($pet) { $method eq 'PUT' ? $who->put("/v1/pets/$pet->{id}", {%pet}) : $who->patch("/v1/pets/$pet->{id}", { name => 'Max' }) } };
        "api $method /v1/pets/{id}" => {
            body => $method eq 'PUT' ? {%pet} : { name => 'Max' },
            good => [['one’s own', 200, $ask->($ann), sub ($, $pet) { success('pet_updated', $ann, pet => $pet->{id}) }, $pet_of->($ann)],
                     ['by an administrator', 200, $ask->($admin), sub ($, $pet) { success('pet_updated', $admin, pet => $pet->{id}) }, $pet_of->($ann)]],
            bad  => [['another’s', 404, $ask->($ben), $foreign, $pet_of->($ann)]],
        };
    } qw(PUT PATCH)),
    'api DELETE /v1/pets/{id}' => {
        good => [['one’s own', 204, sub ($pet) { $ann->delete("/v1/pets/$pet->{id}") }, sub ($, $pet) { success('pet_deleted', $ann, pet => $pet->{id}) }, $pet_of->($ann)],
                 ['by an administrator', 204, sub ($pet) { $admin->delete("/v1/pets/$pet->{id}") }, sub ($, $pet) { success('pet_deleted', $admin, pet => $pet->{id}) }, $pet_of->($ann)]],
        bad  => [['another’s', 404, sub ($pet) { $ben->delete("/v1/pets/$pet->{id}") }, $foreign, $pet_of->($ann)]],
    },
    'api GET /v1/pets/{id}/history' => {
        good => [['one’s own', 200, sub ($pet) { $ann->get("/v1/pets/$pet->{id}/history") }, $own, $pet_of->($ann)],
                 ['by an administrator', 200, sub ($pet) { $admin->get("/v1/pets/$pet->{id}/history") }, sub ($, $pet) { success('authz_admin', $admin, pet => $pet->{id}, event => 'pet_history_read') }, $pet_of->($ann)]],
        bad  => [['another’s', 404, sub ($pet) { $ben->get("/v1/pets/$pet->{id}/history") }, $foreign, $pet_of->($ann)]],
    },

    'api POST /v1/pets:batch' => {
        body => [{%pet}],
        good => [['two', 201, sub { $ann->post('/v1/pets:batch', [{%pet}, {%pet}]) }, sub ($reply, $) { map { success('pet_created', $ann, pet => $_->{id}) } $reply->json->{items}->@* }]],
        bad  => none('whoever has an account may'),
    },
    'api POST /v1/pets/{id}/restore' => {
        good => [['one’s own', 200, sub ($pet) { $ann->post("/v1/pets/$pet->{id}/restore") }, sub ($, $pet) { success('pet_restored', $ann, pet => $pet->{id}) }, \&deleted],
                 ['by an administrator', 200, sub ($pet) { $admin->post("/v1/pets/$pet->{id}/restore") }, sub ($, $pet) { success('pet_restored', $admin, pet => $pet->{id}) }, \&deleted]],
        bad  => [['another’s', 404, sub ($pet) { $ben->post("/v1/pets/$pet->{id}/restore") }, $foreign, \&deleted]],
    },
    'api POST /v1/pets/{id}/transfers' => {
        body => { to_email => $ben->email },
        good => [['one’s own', 201, sub ($pet) { $ann->post("/v1/pets/$pet->{id}/transfers", { to_email => $ben->email }) }, sub ($reply, $pet) { success('pet_transfer_offered', $ann, pet => $pet->{id}, transfer_id => $reply->json->{id}) }, $pet_of->($ann)]],
        bad  => [['another’s', 404, sub ($pet) { $ben->post("/v1/pets/$pet->{id}/transfers", { to_email => $ben->email }) }, $foreign, $pet_of->($ann)],
                 ['one that is offered', 409, sub ($offer) { $ann->post("/v1/pets/$offer->{pet_id}/transfers", { to_email => $ben->email }) }, none('a conflict with what the owner has done'), \&offer]],
    },
    'api GET /v1/transfers'      => { good => [['one’s own', 200, sub { $ann->get('/v1/transfers') }, $own]], bad => none('there are only one’s own') },
    'api GET /v1/transfers/{id}' => {
        good => [['one’s own', 200, sub ($offer) { $ann->get("/v1/transfers/$offer->{id}") }, $own, \&offer]],
        bad  => [['others’', 404, sub ($offer) { $admin->get("/v1/transfers/$offer->{id}") }, $foreign, \&offer]],
    },
    (map {
        my ($verb, $who, $other, $action) = @$_;
        my $end = sub ($actor) { sub ($offer) { $actor->post("/v1/transfers/$offer->{id}/$verb") } };
        "api POST /v1/transfers/{id}/$verb" => {
            good => [['one', 200, $end->($who), sub ($, $offer) { success($action, $who, pet => $offer->{pet_id}, transfer_id => $offer->{id}, $verb eq 'accept' ? (old => $ann->id, new => $ben->id) : ()) }, \&offer]],
            bad  => [['the other side', 404, $end->($other), $foreign, \&offer],
                     ['one that has ended', 409, $end->($who), none('nothing can be done about it any more'), sub { my $offer = offer(); $end->($who)->($offer); $offer }]],
        };
    } ['accept', $ben, $ann, 'pet_transferred'], ['decline', $ben, $ann, 'pet_transfer_declined'], ['withdraw', $ann, $ben, 'pet_transfer_withdrawn']),

    'auth POST /v1/auth/register' => {
        good => [['a new address', 202, sub { $nobody->register('first@example.org', $word) }, sub { success('user_registration_requested', undef, account => $root->selectrow_array(q{select id from pets.registration where email = 'first@example.org'}), taken => JSON::PP::false) }],
                 ['one that is taken', 202, sub { $nobody->register($ann->email, $word) }, sub { success('user_registration_requested', undef, account => $ann->id, taken => JSON::PP::true) }]],
        bad  => none('the answer is the same for every address; too many are tried below'),
    },
    'auth POST /v1/auth/verify-email' => {
        good => [['the link', 201, sub ($token) { $nobody->post('/v1/auth/verify-email', { token => $token }) }, sub ($reply, $) { my $new = $reply->json->{id}; +{ success('user_created', undef, account => $new)->%*, actor => $new } }, \&registration]],
        bad  => [['no link', 410, sub { $nobody->post('/v1/auth/verify-email', { token => 'nonsense' }) }, sub { logged('authn_token_fail', kind => 'verify_email', address => '127.0.0.1') }],
                 ['a forged one', 410, sub { $nobody->post('/v1/auth/verify-email', { token => 'pl_' . 'A' x 43 }) }, sub { failure('authn_token_fail', undef, registration => undef, kind => 'verify_email') }]],
    },
    'auth POST /v1/auth/password-reset' => {
        good => [['of somebody', 202, sub { $nobody->post('/v1/auth/password-reset', { email => $ben->email }) }, sub { success('authn_password_reset_requested', undef, account => $ben->id) }],
                 ['of nobody', 202, sub { $nobody->post('/v1/auth/password-reset', { email => 'nobody@example.org' }) }, sub { success('authn_password_reset_requested', undef, account => undef) }]],
        bad  => none('the answer is the same for every address; too many are tried below'),
    },
    'auth POST /v1/auth/password-reset/confirm' => {
        good => [['the link', 204, sub ($given) { $nobody->post('/v1/auth/password-reset/confirm', { token => $given->{token}, password => $word }) },
                  sub ($, $given) { success('authn_password_change', $given->{who}, account => $given->{who}->id, by => 'reset_link') }, sub { my $who = $service->user; +{ who => $who, token => reset_of($who) } }]],
        bad  => [['no link', 410, sub { $nobody->post('/v1/auth/password-reset/confirm', { token => 'nonsense', password => $word }) }, sub { logged('authn_token_fail', kind => 'reset_password', address => '127.0.0.1') }],
                 ['a forged one', 410, sub { $nobody->post('/v1/auth/password-reset/confirm', { token => 'pl_' . 'A' x 43, password => $word }) }, sub { failure('authn_token_fail', undef, reset_link => undef, kind => 'reset_password') }]],
    },
    'auth GET /v1/me' => { good => [['oneself', 200, sub { $ann->get('/v1/me') }, $own]], bad => none('everybody may') },
    'auth PUT /v1/me/password' => {
        body => { current_password => 'not the right one', new_password => $word },
        good => [['another', 204, sub ($who) { $who->put('/v1/me/password', { current_password => $who->password, new_password => $word }) }, sub ($, $who) { success('authn_password_change', $who, account => $who->id) }, sub { $service->user }]],
        bad  => [['the wrong one', 422, sub { $ann->put('/v1/me/password', { current_password => 'not the right one', new_password => $word }) }, sub { failure('authn_password_change_fail', $ann, account => $ann->id, reason => 'wrong_password') }]],
    },
    'auth GET /v1/me/sessions' => { good => [['one’s own', 200, sub { $ann->get('/v1/me/sessions') }, $own]], bad => none('everybody may') },
    'auth DELETE /v1/me/sessions/{id}' => {
        good => [['one’s own', 204, sub ($other) { $ann->delete('/v1/me/sessions/' . $other->session_id) }, sub ($, $other) { success('session_expired', $ann, session => $other->session_id, cause => 'revoked') }, sub { $nobody->login($ann->email, $ann->password) }]],
        bad  => [['another’s', 404, sub { $ann->delete('/v1/me/sessions/' . $ben->session_id) }, $foreign]],
    },
    'auth GET /v1/me/api-keys' => { good => [['one’s own', 200, sub { $ann->get('/v1/me/api-keys') }, $own]], bad => none('everybody may') },
    'auth POST /v1/me/api-keys' => {
        body => { name => 'A script', scopes => ['pets:read'] }, step_up => 1,
        good => [['one', 201, sub { $ann->post('/v1/me/api-keys', { name => 'A script', scopes => ['pets:read', 'pets:write'] }) }, sub ($reply, $) { success('authn_token_created', $ann, api_key => $reply->json->{api_key}{id}, entitlement => 'pets:read pets:write') }]],
        bad  => none('whoever proves who he is may'),
    },
    'auth DELETE /v1/me/api-keys/{id}' => {
        good => [['one’s own', 204, sub ($key) { $ann->delete("/v1/me/api-keys/$key->{id}") }, sub ($, $key) { success('authn_token_revoked', $ann, api_key => $key->{id}) }, sub { $ann->post('/v1/me/api-keys', { name => 'x', scopes => ['pets:read'] })->json->{api_key} }]],
        bad  => [['another’s', 404, sub { $ben->delete("/v1/me/api-keys/$writer->{api_key}{id}") }, $foreign]],
    },
    'auth POST /v1/auth/login' => {
        good => [['a password', 200, sub { logs_in($ann) }, sub ($reply, $) { success('authn_login_success', $ann, session => $reply->json->{session_id}, mfa => JSON::PP::false) }],
                 ['the first of two steps', 200, sub ($who) { logs_in($who) }, sub ($, $who) { success('authn_token_created', $who, account => $who->id, entitlement => 'second_factor') }, $enrolled]],
        bad  => [['the wrong password', 401, sub { logs_in($ann, 'not the right one') }, sub { failure('authn_login_fail', $ann, account => $ann->id, reason => 'wrong_password') }],
                 ['nobody’s address', 401, sub { $nobody->post('/v1/auth/login', { email => 'nobody@example.org', password => $word }) }, sub { failure('authn_login_fail', undef, account => undef, reason => 'unknown_email') }]],
    },
    'auth POST /v1/auth/login/second-factor' => {
        good => [['a code', 200, sub ($given) { $nobody->second_step($given->{token}, $given->{who}->app) }, sub ($reply, $given) { success('authn_login_success', $given->{who}, session => $reply->json->{session_id}, mfa => JSON::PP::true) }, sub { my $who = $enrolled->(); +{ who => $who, token => waits($who) } }],
                 ['a recovery code', 200, sub ($given) { $nobody->post('/v1/auth/login/second-factor', { mfa_token => $given->{token}, recovery_code => ($given->{who}->recovery_codes)[0] }) },
                  sub ($reply, $given) { (success('user_updated', $given->{who}, account => $given->{who}->id, recovery_codes => 'used'), success('authn_login_success', $given->{who}, session => $reply->json->{session_id})) }, sub { my $who = $enrolled->(); +{ who => $who, token => waits($who) } }]],
        bad  => [['a wrong code', 401, sub ($given) { $nobody->post('/v1/auth/login/second-factor', { mfa_token => $given->{token}, code => 'wrong' }) }, sub ($, $given) { failure('authn_login_fail', $given->{who}, account => $given->{who}->id, reason => 'wrong_code') }, sub { my $who = $enrolled->(); +{ who => $who, token => waits($who) } }],
                 ['a wrong recovery code', 401, sub ($given) { $nobody->post('/v1/auth/login/second-factor', { mfa_token => $given->{token}, recovery_code => 'wrong' }) }, sub ($, $given) { failure('authn_login_fail', $given->{who}, account => $given->{who}->id, reason => 'wrong_recovery_code') }, sub { my $who = $enrolled->(); +{ who => $who, token => waits($who) } }],
                 ['no token', 401, sub { $nobody->post('/v1/auth/login/second-factor', { mfa_token => 'nonsense', code => '000000' }) }, sub { logged('authn_token_fail', kind => 'mfa_token', address => '127.0.0.1') }],
                 ['a forged token', 401, sub ($token) { $nobody->post('/v1/auth/login/second-factor', { mfa_token => $token, code => '000000' }) }, sub { failure('authn_login_fail', undef, account => undef, reason => 'mfa_token_invalid') }, sub { waits($enrolled->()) =~ s/.{12}\z/'A' x 12/er }]],
    },
    'auth POST /v1/auth/step-up' => {
        body => { password => 'not the right one' },
        good => [['the password', 204, sub { $ann->post('/v1/auth/step-up', { password => $ann->password }) }, sub { success('authn_login_success', $ann, session => $ann->session_id, step_up => 'password') }],
                 ['a code', 204, sub ($who) { $who->post('/v1/auth/step-up', { code => $who->app->code }) }, sub ($, $who) { success('authn_login_success', $who, session => $who->session_id, step_up => 'code') }, $enrolled],
                 ['a recovery code', 204, sub ($who) { $who->post('/v1/auth/step-up', { recovery_code => ($who->recovery_codes)[0] }) }, sub ($, $who) { success('authn_login_success', $who, session => $who->session_id, step_up => 'recovery_code') }, $enrolled]],
        bad  => [['the wrong password', 422, sub { $ann->post('/v1/auth/step-up', { password => 'not the right one' }) }, sub { failure('authn_login_fail', $ann, account => $ann->id, reason => 'wrong_password') }],
                 ['a wrong code', 422, sub ($who) { $who->post('/v1/auth/step-up', { code => 'wrong' }) }, sub ($, $who) { failure('authn_login_fail', $who, account => $who->id, reason => 'wrong_code') }, $enrolled],
                 ['a wrong recovery code', 422, sub ($who) { $who->post('/v1/auth/step-up', { recovery_code => 'wrong' }) }, sub ($, $who) { failure('authn_login_fail', $who, account => $who->id, reason => 'wrong_recovery_code') }, $enrolled]],
    },
    'auth GET /v1/me/second-factor' => { good => [['one’s own', 200, sub { $ann->get('/v1/me/second-factor') }, $own]], bad => none('everybody may') },
    'auth POST /v1/me/second-factor' => {
        step_up => 1,
        good => [['begun', 201, sub ($who) { $who->post('/v1/me/second-factor') }, sub ($, $who) { success('user_updated', $who, account => $who->id, second_factor => 'begun') }, sub { $service->user }]],
        bad  => [['there is one', 409, sub ($who) { $who->post('/v1/me/second-factor') }, none('a conflict with one’s own data'), $enrolled]],
    },
    'auth POST /v1/me/second-factor/confirm' => {
        body => { code => '000000' },
        good => [['confirmed', 200, sub ($given) { $given->{who}->post('/v1/me/second-factor/confirm', { code => $given->{app}->code }) }, sub ($, $given) { success('user_updated', $given->{who}, account => $given->{who}->id, second_factor => 'enrolled') },
                  sub { my $who = $service->user; +{ who => $who, app => Pets::Totp->new($who->post('/v1/me/second-factor')->json->{secret}) } }]],
        bad  => [['a wrong code', 422, sub ($who) { $who->post('/v1/me/second-factor/confirm', { code => 'wrong' }) }, sub ($, $who) { failure('authn_login_fail', $who, account => $who->id, reason => 'wrong_code') }, sub { my $who = $service->user; $who->post('/v1/me/second-factor'); $who }],
                 ['none was begun', 404, sub { $ben->post('/v1/me/second-factor/confirm', { code => '000000' }) }, $missing]],
    },
    'auth DELETE /v1/me/second-factor' => {
        step_up => 1,
        good => [['taken away', 204, sub ($who) { $who->delete('/v1/me/second-factor') }, sub ($, $who) { success('user_updated', $who, account => $who->id, second_factor => 'removed') }, $enrolled]],
        bad  => [['there is none', 404, sub { $ben->delete('/v1/me/second-factor') }, $missing]],
    },
    'auth POST /v1/me/recovery-codes' => {
        step_up => 1,
        good => [['new ones', 200, sub ($who) { $who->post('/v1/me/recovery-codes') }, sub ($, $who) { success('user_updated', $who, account => $who->id, recovery_codes => 'renewed') }, $enrolled]],
        bad  => [['there is no factor', 404, sub { $ben->post('/v1/me/recovery-codes') }, $missing]],
    },
    'auth POST /v1/auth/refresh' => {
        good => [['the token', 200, sub ($who) { $nobody->post('/v1/auth/refresh', { refresh_token => $who->refresh_token }) }, sub ($, $who) { success('session_renewed', $who, session => $who->session_id, verdict => 'rotated') }, sub { $service->user }],
                 ['once more, as the answer was lost', 200, sub ($who) { $nobody->post('/v1/auth/refresh', { refresh_token => $who->refresh_token }) }, sub ($, $who) { success('session_renewed', $who, session => $who->session_id, verdict => 'repeated') }, sub { my $who = $service->user; $nobody->resume($who->refresh_token); $who }]],
        bad  => [['a copy', 401, sub ($who) { $nobody->post('/v1/auth/refresh', { refresh_token => $who->refresh_token }) }, sub ($, $who) { failure('authn_token_reuse', $who, session => $who->session_id, verdict => 'reused') },
                  sub { my $who = $service->user; $nobody->resume($nobody->resume($who->refresh_token)->refresh_token); $who }],
                 ['no token', 401, sub { $nobody->post('/v1/auth/refresh', { refresh_token => 'nonsense' }) }, sub { logged('authn_token_fail', kind => 'refresh_token', address => '127.0.0.1') }],
                 ['of a session that is over', 401, sub { $nobody->post('/v1/auth/refresh', { refresh_token => $gone->refresh_token }) }, sub { logged('authn_token_fail', kind => 'refresh_token', address => '127.0.0.1') }]],
    },
    'auth POST /v1/auth/logout' => {
        good => [['this one', 204, sub ($who) { $who->logout }, sub ($, $who) { success('session_expired', $who, session => $who->session_id, cause => 'logout') }, sub { $service->user }],
                 ['all', 204, sub ($given) { $given->[0]->post('/v1/auth/logout', { scope => 'all' }) }, sub ($, $given) { map { success('session_expired', $_, session => $_->session_id, cause => 'logout') } @$given }, sub { my $who = $service->user; my $again = $nobody->login($who->email, $who->password); $again->id; [$who, $again] }]],
        bad  => none('everybody may'),
    },

    'auth GET /v1/users' => {
        good => [['a page', 200, sub { $admin->get('/v1/users', query => { q => 'example.org' }) }, sub { success('authz_admin', $admin, account => undef, event => 'user_list', searched => JSON::PP::true) }]],
        bad  => none('an administrator may'),
    },
    'auth GET /v1/users/{id}' => {
        good => [['one', 200, sub { $admin->get('/v1/users/' . $ann->id) }, sub { success('authz_admin', $admin, account => $ann->id, event => 'user_read') }]],
        bad  => [['nobody', 404, sub { $admin->get('/v1/users/' . uuid7()) }, $missing]],
    },
    'auth PATCH /v1/users/{id}' => {
        body => { state => 'disabled', reason => $why }, step_up => 1,
        good => [['a name', 200, sub { $admin->patch('/v1/users/' . $ben->id, { display_name => 'Benjamin', reason => $why }) }, sub { success('user_updated', $admin, account => $ben->id, reason => $why) }],
                 ['a role', 200, sub { $admin->patch('/v1/users/' . $second->id, { role => 'USER', reason => $why }) }, sub { success('authz_change', $admin, account => $second->id, reason => $why, old => 'ADMIN', new => 'USER') }],
                 ['disabled', 200, sub { $admin->patch('/v1/users/' . $second->id, { state => 'disabled', reason => $why }) }, sub { success('user_disabled', $admin, account => $second->id, reason => $why) }],
                 ['a login then', 401, sub { $nobody->post('/v1/auth/login', { email => $second->email, password => $second->password }) }, sub { failure('authn_login_fail', $second, account => $second->id, reason => 'account_disabled') }],
                 ['enabled', 200, sub { $admin->patch('/v1/users/' . $second->id, { state => 'active', reason => $why }) }, sub { success('user_enabled', $admin, account => $second->id, reason => $why) }]],
        bad  => [['the last administrator', 409, sub { $admin->patch('/v1/users/' . $admin->id, { role => 'USER', reason => $why }) }, sub { failure('authz_fail', $admin, account => $admin->id, reason => 'last_admin') }],
                 ['nobody', 404, sub { $admin->patch('/v1/users/' . uuid7(), { role => 'USER', reason => $why }) }, $missing]],
    },
    'auth POST /v1/users/{id}/revoke' => {
        body => { reason => $why }, step_up => 1,
        good => [['all of somebody', 200, sub ($who) { $admin->post('/v1/users/' . $who->id . '/revoke', { reason => $why }) }, sub ($, $who) { success('session_expired', $admin, account => $who->id, reason => $why, cause => 'revoked', sessions => 1) }, sub { $service->user }]],
        bad  => [['nobody', 404, sub { $admin->post('/v1/users/' . uuid7() . '/revoke', { reason => $why }) }, $missing]],
    },
    'auth POST /v1/users/{id}/reset-link' => {
        body => { reason => $why }, step_up => 1,
        good => [['for somebody', 201, sub { $admin->post('/v1/users/' . $ben->id . '/reset-link', { reason => $why }) }, sub { success('authn_token_created', $admin, account => $ben->id, reason => $why, entitlement => 'password_reset') }]],
        bad  => [['nobody', 404, sub { $admin->post('/v1/users/' . uuid7() . '/reset-link', { reason => $why }) }, $missing]],
    },

    'auth GET /.well-known/jwks.json' => { good => [['the keys', 200, sub { $nobody->get('/.well-known/jwks.json') }, none('public keys, for everybody')]], bad => none('everybody may') },
    (map { my $path = $_; "ops GET $path" => { good => [["$path", 200, sub { ops($path) }, $health]], bad => none('everybody on this machine may') } } qw(/live /ready /status /metrics)),
);

# An answer of the ops socket, which is behind no nginx of the world.
sub ops ($path) {
    my $reply = $service->auth->ops($path);
    return Pets::Client::Reply->new({ status => $reply->{status}, content => $reply->{body}, headers => {} });
}

# --- petsctl --------------------------------------------------------------------------------------------

package Outcome {
    sub status ($self)  { return $self->{status} }
    sub summary ($self) { return $self->{err} }
    sub out ($self)     { return $self->{out} =~ s/\s+\z//r }
}

my $keys = $service->pool_config('auth');
$keys->{token}{signing_key_file} = test_dir() . '/secrets/private/signing.pem';
my $keyring = Pets::Pool->new(name => 'auth', dir => test_dir() . '/secrets', config => $keys);
my $private = test_dir() . '/secrets/private';
my $ops     = $service->ops_config;
my $prune   = $service->prune_config;
my $mail    = do { $service->mail; test_dir() . '/mail.ini' };

sub ctl ($file, @arguments) {
    my %option = ref $arguments[0] ? %{ shift @arguments } : ();
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $file, @arguments], timeout => 60, %option);
    return bless { status => $status >> 8, out => $out, err => $err }, 'Outcome';
}

sub key_new () { return ctl($keyring->file, 'key', 'new', '--reason', $why)->out }
sub user ()    { return $service->user }

my @why    = ('--reason', $why);
my $absent = none('what was named is not there, so there was nothing to be done');
my $early  = none('petsctl itself declines, as it would a wrong command line: nothing was tried');
my $secret = sub ($object) {
    my $file = "$private/$object.new";
    return {
        good => [['a new one', 0, sub { ctl($keyring->file, $object, 'new', $file, @why) }, sub { success('sensitive_create', 'operator', $object => undef, subject => "$object.new") }]],
        bad  => [['there is one', 1, sub { ctl($keyring->file, $object, 'new', $file, @why) }, sub { failure('sensitive_create', 'operator', $object => undef, subject => "$object.new") }]],
    };
};
my %verbs = (
    'user add' => {
        good => [['one', 0, sub { ctl($ops, { stdin => "$word\n" }, 'user', 'add', 'added@example.org', @why) }, sub ($reply, $) { success('user_created', 'operator', account => $reply->out, role => 'USER') }]],
        bad  => [['who is there', 1, sub { ctl($ops, { stdin => "$word\n" }, 'user', 'add', 'added@example.org', @why) }, sub { failure('user_created', 'operator', account => undef) }]],
    },
    'user list' => { good => [['all', 0, sub { ctl($ops, 'user', 'list', @why) }, sub { success('authz_admin', 'operator', account => undef, event => 'user_list') }]], bad => none('an operator may') },
    'user show' => {
        good => [['one', 0, sub { ctl($ops, 'user', 'show', $ann->email, @why) }, sub { success('authz_admin', 'operator', account => $ann->id, event => 'user_read') }]],
        bad  => [['nobody', 3, sub { ctl($ops, 'user', 'show', 'nobody@example.org', @why) }, $absent]],
    },
    'user role' => {
        good => [['another', 0, sub { ctl($ops, 'user', 'role', $ben->id, 'ADMIN', @why) }, sub { success('authz_change', 'operator', account => $ben->id, old => 'USER', new => 'ADMIN') }],
                 ['the former', 0, sub { ctl($ops, 'user', 'role', $ben->id, 'USER', @why) }, sub { success('authz_change', 'operator', account => $ben->id, old => 'ADMIN', new => 'USER') }]],
        bad  => [['the last administrator', 1, sub { ctl($ops, 'user', 'role', $admin->id, 'USER', @why) }, sub { failure('authz_change', 'operator', account => $admin->id) }]],
    },
    'user disable' => {
        good => [['one', 0, sub ($who) { ctl($ops, 'user', 'disable', $who->id, @why) }, sub ($, $who) { success('user_disabled', 'operator', account => $who->id) }, \&user]],
        bad  => [['the last administrator', 1, sub { ctl($ops, 'user', 'disable', $admin->id, @why) }, sub { failure('user_disabled', 'operator', account => $admin->id) }]],
    },
    'user enable' => {
        good => [['one', 0, sub ($who) { ctl($ops, 'user', 'enable', $who->id, @why) }, sub ($, $who) { success('user_enabled', 'operator', account => $who->id) }, sub { my $who = user(); ctl($ops, 'user', 'disable', $who->id, @why); $who }]],
        bad  => [['nobody', 3, sub { ctl($ops, 'user', 'enable', uuid7(), @why) }, $absent]],
    },
    'user revoke' => {
        good => [['one', 0, sub ($who) { ctl($ops, 'user', 'revoke', $who->id, @why) }, sub ($, $who) { success('session_expired', 'operator', account => $who->id, cause => 'revoked', sessions => 1) }, \&user]],
        bad  => [['nobody', 3, sub { ctl($ops, 'user', 'revoke', uuid7(), @why) }, $absent]],
    },
    'user unlock' => {
        good => [['one', 0, sub { ctl($ops, 'user', 'unlock', $ann->id, @why) }, sub { success('authn_login_unlock', 'operator', account => $ann->id) }]],
        bad  => [['nobody', 3, sub { ctl($ops, 'user', 'unlock', uuid7(), @why) }, $absent]],
    },
    'user reset-link' => {
        good => [['one', 0, sub { ctl($ops, 'user', 'reset-link', $ann->id, @why) }, sub { success('authn_token_created', 'operator', account => $ann->id, entitlement => 'password_reset') }]],
        bad  => [['who is disabled', 1, sub ($who) { ctl($ops, 'user', 'reset-link', $who->id, @why) }, sub ($, $who) { failure('authn_token_created', 'operator', account => $who->id) }, sub { my $who = user(); ctl($ops, 'user', 'disable', $who->id, @why); $who }]],
    },
    'user reset-mfa' => {
        good => [['one', 0, sub ($who) { ctl($ops, 'user', 'reset-mfa', $who->id, @why) }, sub ($, $who) { success('user_updated', 'operator', account => $who->id, second_factor => 'removed', sessions => 1) }, $enrolled]],
        bad  => [['who has none', 0, sub { ctl($ops, 'user', 'reset-mfa', $ben->id, @why) }, none('it was so already')]],
    },
    'session list' => {
        good => [['somebody’s', 0, sub { ctl($ops, 'session', 'list', $ann->id, @why) }, sub { success('authz_admin', 'operator', account => $ann->id, event => 'session_list') }]],
        bad  => [['nobody’s', 3, sub { ctl($ops, 'session', 'list', uuid7(), @why) }, $absent]],
    },
    'session revoke' => {
        good => [['one', 0, sub ($who) { ctl($ops, 'session', 'revoke', $who->session_id, @why) }, sub ($, $who) { success('session_expired', 'operator', session => $who->session_id, cause => 'revoked') }, \&user]],
        bad  => [['none', 3, sub { ctl($ops, 'session', 'revoke', uuid7(), @why) }, $absent]],
    },
    'key new' => {
        good => [['one', 0, sub { ctl($keyring->file, 'key', 'new', @why) }, sub ($reply, $) { success('sensitive_create', 'operator', key => undef, subject => $reply->out) }]],
        bad  => [['no place for it', 1, sub { rename "$private", "$private.away"; my $outcome = ctl($keyring->file, 'key', 'new', @why); rename "$private.away", $private; $outcome }, sub { failure('sensitive_create', 'operator', key => undef) }]],
    },
    'key list' => { good => [['all', 0, sub { ctl($keyring->file, 'key', 'list') }, none('names of keys that everybody may know, and of nobody')]], bad => none('whoever may read the files may') },
    'key activate' => {
        good => [['one', 0, sub ($kid) { ctl($keyring->file, 'key', 'activate', $kid, '--now', @why) }, sub ($, $kid) { success('sensitive_update', 'operator', key => undef, subject => $kid) }, \&key_new]],
        bad  => [['too early', 1, sub ($kid) { ctl($keyring->file, 'key', 'activate', $kid, @why) }, $early, \&key_new],
                 ['another’s', 1, sub ($kid) { ctl($keyring->file, 'key', 'activate', $kid, '--now', @why) }, sub ($, $kid) { failure('sensitive_update', 'operator', key => undef, subject => $kid) }, sub { my $kid = key_new(); spew("$private/$kid.pem", slurp($service->signing_key_file), 0600); $kid }]],
    },
    'key retire' => {
        good => [['one', 0, sub ($kid) { ctl($keyring->file, 'key', 'retire', $kid, '--now', @why) }, sub ($, $kid) { success('sensitive_delete', 'operator', key => undef, subject => $kid) }, \&key_new]],
        bad  => [['too early', 1, sub ($kid) { ctl($keyring->file, 'key', 'retire', $kid, @why) }, $early, \&key_new]],
    },
    'pepper new' => $secret->('pepper'),
    'secret new' => $secret->('secret'),
    'secret scram' => {
        good => [['a verifier', 0, sub { ctl($keyring->file, 'secret', 'scram', spew("$private/password", "$word\n", 0600)) }, none('nothing changes: it writes what follows from a file')]],
        bad  => [['no file', 1, sub { ctl($keyring->file, 'secret', 'scram', "$private/no-such-file") }, none('nothing was done')]],
    },
    'database prune' => {
        # What else is over by now has gone before.
        good => [['a session', 0, sub { ctl($prune, 'database', 'prune', @why) }, sub { success('sensitive_delete', 'operator', session => undef, gone => 1, days => 90) },
            sub { ctl($prune, 'database', 'prune', @why); $root->do(q{update pets.session set created_at = now() - interval '93 days', expires_at = now() - interval '91 days' where id = ?}, undef, user()->session_id) }],
                 ['nothing', 0, sub { ctl($prune, 'database', 'prune', @why) }, none('nothing was deleted')]],
        bad  => none('a batch that fails has deleted nothing'),
    },
    'mail send'  => { good => [['a pass', 0, sub { ctl($mail, 'mail', 'send') }, none('it hands over what was recorded when it was asked for')]], bad => none('what cannot be handed over is in its own log: mail_delayed, mail_failed') },
);

# --- all of them ----------------------------------------------------------------------------------------

sub try_row ($row) {
    for my $cases (@$row{qw(good bad)}) {
        my $kind = ref $cases // '';
        fail('good and bad are due, each with its cases or with none(why)') if $kind ne 'ARRAY' && $kind ne 'CODE';
        try_case($_) for $kind eq 'ARRAY' ? @$cases : ();
    }
    return;
}

my ($status, $out, $err) = run([bin('petsd'), '--routes']);
is $status, 0, 'petsd --routes' or BAIL_OUT($err);
my %there;
for my $route (map { [split /\t/] } split /\n/, $out) {
    my ($pool, $method, $path, $access, $scope) = @$route;
    my $name = "$pool $method $path";
    my $row  = $routes{$name};
    $there{$name} = 1;
    subtest $name => sub {
        return fail("what does $name leave behind? say it in $0") if !$row;
        refusals($row, $pool, $method, $path, $access, $scope) if $access ne 'public';
        try_row($row);
    };
}
is_deeply [grep { !$there{$_} } sort keys %routes], [], 'every row is of a route that there is';

($status, $out) = run([bin('petsctl'), '--help']);
my @verbs = $out =~ /^  ([a-z]+ [a-z-]+)(?: .*)?\n {6}\S/mg;
cmp_ok scalar @verbs, '>', 15, 'petsctl --help';
for my $verb (@verbs) {
    subtest "petsctl $verb" => sub {
        my $row = $verbs{$verb} // return fail("what does petsctl $verb leave behind? say it in $0");
        try_row($row);
    };
}
my %verb = map { $_ => 1 } @verbs;
is_deeply [grep { !$verb{$_} } sort keys %verbs], [], 'every row is of a verb that there is';

# Those of one word.
my %programs = (
    setup   => 'what it does is done by the verbs above, which record it',
    restart => 'it changes nothing that is recorded: systemd has it in its journal',
    status  => 'it looks at numbers, and at nobody',
    doctor  => 'it looks at the machine, and at nobody',
);
is_deeply [sort keys %programs], [sort $out =~ /^  ([a-z]+)  +[a-z]/mg], 'every verb of one word has its reason to record nothing';
records();
($status, undef, $err) = run([bin('petsctl'), 'status', (map { ('-c', $service->$_->file) } qw(api auth)), '--once', '--interval', 0]);
is $status, 0, 'petsctl status' or diag $err;
is_deeply [records()], [], '... records nothing';

# Each kind of bucket, too small for a second attempt; and registering where no mail is sent.
subtest 'too many, and without mail' => sub {
    my $auth = $service->auth;
    my $slow = $service->user;
    my $too_many = sub ($kind) { sub { logged('excess_rate_limit_exceeded', kind => $kind, address => '127.0.0.1') } };
    $auth->set(throttle => { map { $_ => 1 } qw(own_burst register_burst reset_burst) });
    $auth->reload(gone => 1);
    for my $case (
        ['login',    sub { $nobody->post('/v1/auth/login',          { email => 'slow@example.org', password => $word }) }],
        ['register', sub { $nobody->register('slow@example.org', $word) }],
        ['reset',    sub { $nobody->post('/v1/auth/password-reset', { email => 'slow@example.org' }) }],
        ['password', sub { $slow->put('/v1/me/password',            { current_password => 'not the right one', new_password => $word }) }],
    ) {
        my ($kind, $do) = @$case;
        try_case([$kind, 429, $do, $too_many->($kind), $do]);
    }
    $auth->set(throttle => { map { $_ => 10_000 } qw(own_burst register_burst reset_burst) }, mail => { mode => 'off' });
    $auth->reload(gone => 1);
    try_case(['an account', 201, sub { $nobody->register('direct@example.org', $word) }, sub ($reply, $) { my $new = $reply->json->{id}; +{ success('user_created', undef, account => $new)->%*, actor => $new } }]);
    try_case(['who is there', 409, sub { $nobody->register('direct@example.org', $word) }, none('a conflict, as with any other name; too many are refused')]);
};

# What goes by itself.
subtest 'a deleted pet whose time is over' => sub {
    my $prune = sub { bless { status => 0, out => call($service->database->dbh('pets_prune'), 'pet_prune', most => 100)->[0]{gone}, err => '' }, 'Outcome' };
    try_case(['none', 0, $prune, none('no time is over')]);
    try_case(['one', 0, $prune, sub ($, $pet) { success('pet_purged', undef, pet => $pet->{id}) },
        sub { my $pet = deleted(); $root->do(q{update pets.deleted_pet set gone_at = now(), deleted_at = now() - interval '30 days' where id = ?}, undef, $pet->{id}); $pet }]);
};

# --- and in the end -------------------------------------------------------------------------------------

is_deeply [grep { !$recorded{$_} } map { $_->[0] } $root->selectall_arrayref('select distinct action from pets.audit_event order by 1')->@*], [], 'every word of the record is in the manual';
my %lines = map { $_->{event} => 1 } map { $service->$_->log_events } qw(api auth);
is_deeply [grep { !$logged{$_} && !$operational{$_} } sort keys %lines], [], 'every word of the log is, too';
is_deeply [grep { !$seen{$_} } sort keys { %recorded, %logged }->%*], ['crypt_decrypt_fail'], 'and every word of the manual was demanded here (but one, which is tried with second factors)';

$root->disconnect;
done_testing;
