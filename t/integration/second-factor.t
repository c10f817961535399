# The second factor from enrolling to removing it: each code is good once, also for twenty who come at once; the
# token between the two steps of a login can do nothing else; what is kept can be read by nobody who has the
# database alone; and what is sensitive wants a proof of identity that is fresh.
use v5.36;
use List::Util qw(uniq);
use Pets::Env qw(bin run slurp);
use Pets::FastCGI;
use Pets::Service;
use Pets::Totp;
use Test::More;
use Time::HiRes qw(sleep time);

my $service = Pets::Service->new(config => { auth => { pool => { workers => 2 } } })->start;
my $root    = $service->database->dbh;
my $nobody  = $service->client;
my $base    = '/v1/me/second-factor';
my @secrets;    # whatever must be in no log

# --- helpers --------------------------------------------------------------------------------------------

sub enrol ($person) {
    $person->enrol;
    push @secrets, $person->app->secret, $person->recovery_codes;
    return $person;
}

# The first step of a login: the token for the second one.
sub token ($person) {
    my $reply = $nobody->post('/v1/auth/login', { email => $person->email, password => $person->password });
    my $token = $reply->json->{mfa_token} // die 'no token: ' . $reply->summary;
    push @secrets, $token;
    return $token;
}

sub second ($token, %given) { return $nobody->post('/v1/auth/login/second-factor', { mfa_token => $token, %given }) }
sub answer ($reply)         { return $reply->status . ($reply->code ? ' ' . $reply->code : '') }

# As if nobody had used a code or tried one yet.
sub forget ($person) {
    $root->do('update pets.totp set last_step = 0, tries = 0 where account_id = ?', undef, $person->id);
    $root->do('update pets.known_network set code_tries = 0 where account_id = ?', undef, $person->id);
    return;
}

# A code that is good now, without the wait until one that was used is over.
sub code ($person) {
    forget($person);
    return $person->app->code_of(int(time / 30));
}

# As if the person had proved who it is so many seconds ago.
sub age ($person, $seconds) {
    $root->do('update pets.session set authenticated_at = now() - make_interval(secs => ?) where id = ?', undef, $seconds, $person->session_id);
    return;
}

# Far enough from the end of a step that it is the same for what follows.
sub early_in_a_step () {
    sleep 0.1 while time % 30 > 22;
    return int(time / 30);
}

# One request to the workers that are new: those which nginx still has connections to may be of before a reload.
sub direct ($uri, $body) { return $service->auth->connect->request(method => 'POST', uri => $uri, body => $body) }

# A login in both steps, so; the status of the second.
sub logs_in ($person, %given) {
    my $first = direct('/v1/auth/login', { email => $person->email, password => $person->password });
    return direct('/v1/auth/login/second-factor', { mfa_token => $first->{json}{mfa_token}, %given })->{status};
}

# Many requests to the auth pool at once, each on a connection of its own; how often each answer came.
sub at_once (@bodies) {
    my @connections = map { $service->auth->connect } @bodies;
    for my $i (0 .. $#bodies) {
        $connections[$i]->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/login/second-factor', body => $bodies[$i]));
    }
    my %count;
    for my $connection (@connections) {
        my $reply = $connection->response(1);
        $count{ ($reply->{status} // 'nothing') . ($reply->{json}{code} ? " $reply->{json}{code}" : '') }++;
    }
    return \%count;
}

sub sessions ($person) {
    return $root->selectrow_array('select count(*) from pets.session where account_id = ?', undef, $person->id);
}

# --- enrolling ------------------------------------------------------------------------------------------

my $ann = $service->user;

subtest 'enrolling' => sub {
    is_deeply $ann->get($base)->json, { enrolled => JSON::PP::false, confirmed_at => undef, recovery_codes_left => 0 }, 'at first there is none';
    my $first = $ann->post($base);
    is $first->status, 201, 'a secret is made' or diag $first->summary;
    is $first->header('cache-control'), 'no-store', 'which nobody keeps';
    like $first->json->{secret}, qr/\A[A-Z2-7]{32}\z/, '160 bits in base32';
    my $email = $ann->email =~ s/@/%40/r;
    is $first->json->{uri}, "otpauth://totp/pets-api:$email?secret=$first->{json}{secret}&issuer=pets-api&algorithm=SHA1&digits=6&period=30", 'and the address for an app';
    my $again = $ann->post($base);
    isnt $again->json->{secret}, $first->json->{secret}, 'begun again: another one';
    is $ann->get($base)->json->{enrolled}, JSON::PP::false, 'nothing is in force yet';
    ok $nobody->login($ann->email, $ann->password)->token, '... and the password is enough';

    my ($old, $new) = map { Pets::Totp->new($_->json->{secret}) } $first, $again;
    push @secrets, map { $_->json->{secret} } $first, $again;
    for my $wrong ($old->code, '000000', '1234567', 'abcdef') {
        my $reply = $ann->post("$base/confirm", { code => $wrong });
        is answer($reply), '422 validation_failed', 'a wrong code confirms nothing';
        is_deeply $reply->json->{errors}[0], { pointer => '/code', code => 'wrong', detail => $reply->json->{errors}[0]{detail} }, 'and is named';
    }
    my $reply = $ann->post("$base/confirm", { code => $new->code });
    is $reply->status, 200, 'the first code does' or diag $reply->summary;
    $ann->{app}   = $new;
    $ann->{recovery_codes} = $reply->json->{recovery_codes};
    push @secrets, $ann->recovery_codes;
    is scalar(uniq grep { /\A(?:[2-9a-km-np-z]{5}-){3}[2-9a-km-np-z]{5}\z/ } $ann->recovery_codes), 10, 'ten recovery codes' or diag "@{ $ann->{recovery_codes} }";
    is_deeply [map { $ann->get($base)->json->{$_} } qw(enrolled confirmed_at recovery_codes_left)], [JSON::PP::true, $reply->json->{confirmed_at}, 10], 'it is in force';
    my ($session) = grep { $_->{current} } $ann->get('/v1/me/sessions')->json->{items}->@*;
    is $session->{mfa}, JSON::PP::true, 'this session has seen it';
    is answer($ann->post($base)), '409 second_factor_enrolled', 'there is no second one';
    is answer($ann->post("$base/confirm", { code => $new->code })), '404 not_found', 'and nothing left to confirm';
};

subtest 'logging in' => sub {
    my $reply = $nobody->post('/v1/auth/login', { email => $ann->email, password => $ann->password });
    is $reply->status, 200, 'the password is right';
    is_deeply [sort keys $reply->json->%*], [qw(expires_in mfa_required mfa_token)], 'but gives no session';
    is_deeply [$reply->json->@{qw(mfa_required expires_in)}], [JSON::PP::true, 300], 'the second factor is awaited, for five minutes';
    my $before = sessions($ann);
    my $token  = $reply->json->{mfa_token};
    my $plain  = $service->user;
    my ($with, $without) = map { $nobody->post('/v1/auth/login', { email => $_->email, password => 'not the password at all' }) } $ann, $plain;
    is answer($with), answer($without), 'a wrong password does not tell who has a second factor';
    is $with->body =~ s/"trace_id":"[^"]*"//r, $without->body =~ s/"trace_id":"[^"]*"//r, '... in no way';

    for my $row ([{}, 'required'], [{ code => '000000', recovery_code => 'x' }, 'too_many']) {
        my $bad = second($token, $row->[0]->%*);
        is answer($bad), '422 validation_failed', "$row->[1]: exactly one must be given";
        is $bad->json->{errors}[0]{code}, $row->[1], '... it says';
    }
    is answer(second($token, code => '000000')), '401 invalid_code', 'a wrong code';
    is sessions($ann), $before, 'no session so far';
    my $code = code($ann);
    my $in   = second($token, code => $code);
    is $in->status, 200, 'a good code' or diag $in->summary;
    is_deeply [sort keys $in->json->%*], [sort keys $nobody->post('/v1/auth/login', { email => $plain->email, password => $plain->password })->json->%*], 'gives what a login gives';
    my ($session) = grep { $_->{current} } $ann->with_token($in->json->{access_token})->get('/v1/me/sessions')->json->{items}->@*;
    is $session->{mfa}, JSON::PP::true, 'a session that has seen the second factor';
    is answer(second($token, recovery_code => $ann->{recovery_codes}[0])), '401 mfa_token_invalid', 'the token is used up';
    is answer(second(token($ann), code => $code)), '401 invalid_code', 'and so is the code, for another login too';

    my $recovery = $ann->{recovery_codes}[0];
    is second(token($ann), recovery_code => uc $recovery =~ tr/-/ /r)->status, 200, 'a recovery code, typed as people do';
    is answer(second(token($ann), recovery_code => $recovery)), '401 invalid_code', 'once';
    is $ann->get($base)->json->{recovery_codes_left}, 9, 'nine are left';
    my $ben = enrol($service->user);
    is answer(second(token($ben), recovery_code => $ann->{recovery_codes}[1])), '401 invalid_code', 'not another person\'s';
    is answer(second($_, code => '000000')), '401 mfa_token_invalid', 'no token: ' . substr $_, 0, 8
        for 'pm_' . 'A' x 43, 'pm_', 'x', $ann->token =~ s/.*\.//r, 'pr_' . 'A' x 70;
};

subtest 'clocks that differ' => sub {
    for my $drift (-2 .. 2) {
        forget($ann);
        my $step = early_in_a_step() + $drift;
        is answer(second(token($ann), code => $ann->app->code_of($step))), abs $drift <= 1 ? 200 : '401 invalid_code', "$drift steps";
    }
    forget($ann);
    my $step = early_in_a_step();
    is second(token($ann), code => $ann->app->code_of($step + 1))->status, 200, 'once a later code was used';
    is answer(second(token($ann), code => $ann->app->code_of($step))), '401 invalid_code', 'an earlier one is gone';
};

# --- guessing -------------------------------------------------------------------------------------------

subtest 'five tries a login' => sub {
    forget($ann);
    my $token = token($ann);
    is_deeply at_once(map { +{ mfa_token => $token, recovery_code => 'wrong' } } 1 .. 20), { '401 invalid_code' => 5, '401 mfa_token_invalid' => 15 }, 'of twenty at once five are looked at';
    is answer(second($token, recovery_code => $ann->{recovery_codes}[1])), '401 mfa_token_invalid', 'then the right one does not help';
    is_deeply at_once(map { +{ mfa_token => token($ann), code => '000000' } } 1 .. 20), { '401 invalid_code' => 5, '429 rate_limited' => 15 },
        'one-time codes: five from one network, by whatever logins';
    my $paused = second(token($ann), code => $ann->app->code_of(int(time / 30)));
    is answer($paused), '429 rate_limited', 'then there is a pause';
    ok $paused->header('retry-after') >= 1 && $paused->header('retry-after') <= 30, '... of half a minute' or diag $paused->header('retry-after');
    my $step = early_in_a_step();
    $root->do(q{update pets.known_network set code_tried_at = code_tried_at - interval '30 s' where account_id = ?}, undef, $ann->id);
    is answer(second(token($ann), code => '000000')), '401 invalid_code', 'one try';
    my $longer = second(token($ann), code => '000000')->header('retry-after');
    ok $longer > 30 && $longer <= 60, 'and the next pause is twice as long' or diag $longer;
    is second(token($ann), recovery_code => $ann->{recovery_codes}[1])->status, 200, 'a recovery code needs not wait';
    $root->do(q{update pets.known_network set code_tried_at = code_tried_at - interval '1 h' where account_id = ?}, undef, $ann->id);
    $root->do('update pets.totp set last_step = 0 where account_id = ?', undef, $ann->id);
    is second(token($ann), code => $ann->app->code_of($step))->status, 200, 'after the pause the right code is good';
    is $root->selectrow_array('select sum(code_tries) from pets.known_network where account_id = ?', undef, $ann->id), 0, 'and all is forgiven';
};

subtest 'a login waits for five minutes' => sub {
    my $token = token($ann);
    $root->do(q{update pets.login_challenge set expires_at = created_at + interval '1 us' where account_id = ?}, undef, $ann->id);
    is answer(second($token, recovery_code => $ann->{recovery_codes}[2])), '401 mfa_token_invalid', 'then it is over';
    token($ann);
    is $root->selectrow_array('select count(*) from pets.login_challenge where account_id = ?', undef, $ann->id), 1, 'and forgotten with the next one';
};

# --- at the same time -----------------------------------------------------------------------------------

subtest 'twenty at once' => sub {
    forget($ann);
    my $before = sessions($ann);
    my @tokens = map { token($ann) } 1 .. 20;
    my $code   = $ann->app->code_of(early_in_a_step());
    my $count  = at_once(map { +{ mfa_token => $_, code => $code } } @tokens);
    is $count->{200}, 1, 'one code, twenty logins: one session' or diag explain $count;
    is sessions($ann), ++$before, '... in the database too';
    is_deeply at_once(map { +{ mfa_token => token($ann), recovery_code => $ann->{recovery_codes}[2] } } 1 .. 20), { 200 => 1, '401 invalid_code' => 19 },
        'one recovery code, twenty logins: one session';
    is sessions($ann), ++$before, '... in the database too';
    forget($ann);
    my $token = token($ann);
    my $step  = early_in_a_step();
    $count = at_once(map { +{ mfa_token => $token, code => $ann->app->code_of($step + $_ % 3 - 1) } } 0 .. 8);
    is $count->{200}, 1, 'one login, three codes: one session' or diag explain $count;
    is sessions($ann), ++$before, '... in the database too';
};

# --- the token between the steps ------------------------------------------------------------------------

subtest 'the token between the steps can do nothing else' => sub {
    my $token  = token($ann);
    my $holder = $ann->with_token($token);
    my ($status, $table) = run([bin('petsd'), '--routes']);
    my $tried = 0;
    for my $route (map { [split /\t/] } split /\n/, $table) {
        my ($pool, $method, $path, $access) = @$route;
        next if $pool eq 'ops' || $access eq 'public';
        my $target = $path =~ s/\{id\}/019b0000-0000-7000-8000-00000000dead/gr;
        is answer($holder->request($method, $target)), '401 token_invalid', "$pool $method $path";
        $tried++;
    }
    cmp_ok $tried, '>', 12, 'all of them';
    is answer($nobody->post('/v1/auth/refresh', { refresh_token => $token })), '401 session_ended', 'it refreshes nothing';
    my $in = second($token, recovery_code => $ann->{recovery_codes}[3])->json;
    is answer(second($in->{$_}, code => '000000')), $_ eq 'access_token' ? '422 validation_failed' : '401 mfa_token_invalid', "nor is the $_ one" for qw(access_token refresh_token);
    push @secrets, $in->@{qw(access_token refresh_token)};
};

# --- step-up --------------------------------------------------------------------------------------------

subtest 'proving who one is again' => sub {
    my $eve = $service->user;
    my @sensitive = (['POST', $base], ['DELETE', $base], ['POST', '/v1/me/recovery-codes']);
    age($eve, 601);
    for my $route (@sensitive) {
        my $reply = $eve->request(@$route);
        is answer($reply), '401 step_up_required', "@$route: not after ten minutes";
        like $reply->header('www-authenticate'), qr/^Bearer .*error="insufficient_user_authentication".*max_age=600/, '... RFC 9470 says how';
    }
    is answer($eve->post('/v1/auth/step-up', { password => 'not the password' })), '422 validation_failed', 'a wrong password';
    is answer($eve->post('/v1/auth/step-up', { code => '000000' })), '422 validation_failed', 'a code, without a second factor';
    is answer($eve->post('/v1/auth/step-up', {})), '422 validation_failed', 'nothing';
    is answer($eve->post($base)), '401 step_up_required', 'do not help';
    is answer($eve->post('/v1/auth/step-up', { password => $eve->password })), 204, 'the password does';
    enrol($eve);

    age($eve, 601);
    my $reply = $eve->post('/v1/auth/step-up', { password => $eve->password });
    is_deeply [$reply->pointers], ['/code'], 'with a second factor the password is not enough';
    is answer($eve->post('/v1/auth/step-up', { code => '000000' })), '422 validation_failed', 'nor is a wrong code';
    is answer($eve->post('/v1/me/recovery-codes')), '401 step_up_required', 'no new codes';
    my $code = code($eve);
    is answer($eve->post('/v1/auth/step-up', { code => $code })), 204, 'a code does';
    is answer($eve->post('/v1/auth/step-up', { code => $code })), '422 validation_failed', 'once';
    age($eve, 601);
    my $recovery = $eve->{recovery_codes}[0];
    is answer($eve->post('/v1/auth/step-up', { recovery_code => $recovery })), 204, 'a recovery code does';
    is answer($eve->post('/v1/auth/step-up', { recovery_code => $recovery })), '422 validation_failed', 'once';

    my $fresh = $eve->post('/v1/me/recovery-codes');
    is $fresh->status, 200, 'new recovery codes' or diag $fresh->summary;
    is scalar(uniq $fresh->json->{recovery_codes}->@*, $eve->recovery_codes), 20, 'ten others';
    push @secrets, $fresh->json->{recovery_codes}->@*;
    is answer(second(token($eve), recovery_code => $eve->{recovery_codes}[1])), '401 invalid_code', 'the old ones are gone';
    is second(token($eve), recovery_code => $fresh->json->{recovery_codes}[0])->status, 200, 'the new ones are good';

    is answer($eve->delete($base)), 204, 'the second factor is removed';
    is answer($eve->delete($base)), '404 not_found', 'once';
    is $root->selectrow_array('select count(*) from pets.recovery_code where account_id = ?', undef, $eve->id), 0, 'its recovery codes are gone';
    my ($session) = grep { $_->{current} } $eve->get('/v1/me/sessions')->json->{items}->@*;
    is $session->{mfa}, JSON::PP::false, 'no session has seen a second factor any more';
    ok $nobody->login($eve->email, $eve->password)->token, 'the password is enough again';
};

subtest 'an administrator' => sub {
    my $pet = $service->pet($ann);
    my ($email, $password) = ('chief@example.org', 'a word that says nothing of him');
    $service->add_user($email, $password, '--admin');
    my $chief = $nobody->login($email, $password);
    is $chief->get("/v1/pets/$pet->{id}")->status, 404, 'without the second factor he is a user';
    enrol($chief);
    is $chief->get("/v1/pets/$pet->{id}")->status, 200, 'with it he is an administrator, at once';
    is $chief->delete($base)->status, 204, 'he removes it';
    is $chief->get("/v1/pets/$pet->{id}")->status, 404, 'and is a user, at once';
};

# --- at rest --------------------------------------------------------------------------------------------

sub row ($person) {
    return $root->selectrow_hashref(q{select encode(secret, 'hex') as secret, key_id from pets.totp where account_id = ?}, undef, $person->id);
}

sub unreadable ($person, $reason) {
    my $mark = $service->auth->log_mark;
    is logs_in($person, code => '000000'), 500, "$reason: no code can be checked";
    my $event = $service->auth->log_wait(sub ($event) { $event->{event} eq 'crypt_decrypt_fail' }, 30, $mark);
    is_deeply [@$event{qw(account_id reason)}], [$person->id, $reason], '... and the log says why';
    return;
}

subtest 'at rest' => sub {
    my ($zoe, $max) = map { enrol($service->user) } 1 .. 2;
    my $key = unpack 'H*', $zoe->{app}{key};
    ok index($root->selectrow_array(q{select string_agg(t::text, '') from pets.totp t}), $key) < 0, 'the secret is not in the table';
    is $root->selectrow_array(q{select count(*) from pets.totp where position(decode(?, 'hex') in secret) > 0}, undef, $key), 0, '... in any form';
    my $kept = $root->selectcol_arrayref(q{select encode(hash, 'hex') from pets.recovery_code where account_id = ?}, undef, $zoe->id);
    is scalar(grep { length == 64 } @$kept), 10, 'of recovery codes hashes';
    my $token = token($zoe);
    is $root->selectrow_array(q{select count(*) from pets.login_challenge where token_hash = sha256(convert_to(?, 'UTF8'))}, undef, $token), 1, 'of the token its hash';

    $root->do('update pets.totp t set secret = o.secret from pets.totp o where t.account_id = ? and o.account_id = ?', undef, $max->id, $zoe->id);
    unreadable($max, 'broken');
    is logs_in($zoe, code => code($zoe)), 200, 'the other one is as it was';
};

subtest 'another key' => sub {
    my ($zoe, $max) = map { enrol($service->user) } 1 .. 2;
    my $old = row($zoe)->{key_id};
    my $new_file = $service->dir . '/secrets/mfa-new';
    Pets::Service::petsctl('secret', 'new', $new_file);
    $service->auth->set(mfa => { key_file => $new_file, previous_key_file => $service->mfa_key_file });
    $service->auth->reload(gone => 1);
    is logs_in($zoe, code => code($zoe)), 200, 'what the previous key sealed is read';
    isnt row($zoe)->{key_id}, $old, 'and sealed anew when it was used';
    is row($max)->{key_id}, $old, 'not before';
    is logs_in($zoe, code => code($zoe)), 200, 'and read again';
    $service->auth->set(mfa => { previous_key_file => undef });
    $service->auth->reload(gone => 1);
    is logs_in($zoe, code => code($zoe)), 200, 'without the previous key too';
    unreadable($max, 'unknown_key');
    is logs_in($max, recovery_code => $max->{recovery_codes}[0]), 200, 'recovery codes need no key';
};

# --- the record -----------------------------------------------------------------------------------------

subtest 'the record' => sub {
    my $iva  = $service->user;
    my $mark = $service->auth->log_mark;
    my ($last) = $root->selectrow_array('select max(id) from pets.audit_event');
    enrol($iva);
    second(token($iva), code => '000000');
    second(token($iva), code => code($iva));
    second(token($iva), recovery_code => $iva->{recovery_codes}[0]);
    $iva->post('/v1/auth/step-up', { code => '000000' });
    $iva->post('/v1/auth/step-up', { recovery_code => $iva->{recovery_codes}[1] });
    $iva->post('/v1/me/recovery-codes');
    $iva->delete($base);
    my $events = $root->selectcol_arrayref(
        q{select concat_ws(' ', action, outcome, (select string_agg(key || '=' || value, ' ' order by key) from jsonb_each_text(detail)))
          from pets.audit_event where id > ? and actor_id = ? and address is not null and request_id is not null order by id}, undef, $last, $iva->id);
    is_deeply $events, [
        'user_updated success second_factor=begun',
        'user_updated success second_factor=enrolled',
        'authn_token_created success entitlement=second_factor',
        'authn_login_fail failure reason=wrong_code',
        'authn_token_created success entitlement=second_factor',
        'authn_login_success success mfa=true',
        'authn_token_created success entitlement=second_factor',
        'user_updated success recovery_codes=used',
        'authn_login_success success mfa=true',
        'authn_login_fail failure reason=wrong_code',
        'authn_login_success success step_up=recovery_code',
        'user_updated success recovery_codes=renewed',
        'user_updated success second_factor=removed',
    ], 'every step is in the audit record' or diag explain $events;
    my @lines = map { $_->{event} } $service->auth->log_grep(sub ($event) { $event->{event} =~ /^(?:authn|user)_/ }, $mark);
    is_deeply \@lines, [map { (split ' ')[0] } @$events], 'and in the log' or diag explain \@lines;
};

subtest 'no secret is in a log' => sub {
    my %logs = map { $_ => slurp($_) } $service->auth->log_file, $service->api->log_file, $service->database->log_file, glob($service->dir . '/nginx/logs/*.log');
    cmp_ok scalar keys %logs, '>=', 5, 'the logs are there';
    cmp_ok scalar @secrets, '>', 50, 'and so are secrets';
    for my $log (sort keys %logs) {
        is scalar(grep { index($logs{$log}, $_) >= 0 } @secrets), 0, "none in $log";
    }
};

done_testing;
