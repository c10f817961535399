# Accounts where mail is sent: registering answers alike for every address, and opens an account only for whoever
# follows the link; another password by a link, once, also for many at the same time; and what of all this is at rest
# or in a log: no token. Messages come through the real sender and a real SMTP server.
use v5.36;
use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Pets::Env qw(slurp);
use Pets::Service;
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new(mail => 1, config => { auth => { pool => { workers => 2 }, database => { connections => 8 } } })->start;
my $client  = $service->client;
my $root    = $service->database->dbh;
my $secret  = 'correct horse battery staple';
my $other   = 'another battery, another horse';
my @tokens;    # every one that was ever mailed

sub mail () {
    my @messages = $service->mail;
    push @tokens, map { $_->{token} // () } @messages;
    return @messages;
}

sub verify ($token)               { return $client->post('/v1/auth/verify-email', { token => $token }) }
sub reset_request ($email)        { return $client->post('/v1/auth/password-reset', { email => $email }) }
sub reset_confirm ($token, $word) { return $client->post('/v1/auth/password-reset/confirm', { token => $token, password => $word }) }
sub login ($email, $word)         { return $client->post('/v1/auth/login', { email => $email, password => $word }) }
sub brief ($reply)                { return join ' ', $reply->status, $reply->code || () }
sub rows ($sql, @values)          { return $root->selectrow_array($sql, undef, @values) }

# An answer without what differs between any two.
sub shape ($reply) {
    my %headers = map { $_ => $reply->header($_) } grep { !/\A(?:date|x-request-id|ratelimit)\z/ } keys $reply->{headers}->%*;
    return { status => $reply->status, headers => \%headers, body => $reply->body =~ s/"trace_id":"[^"]*"//r };
}

# The same request many times at once, on a connection each; how many of each status.
sub at_once ($count, $uri, $body) {
    my @connections = map { $service->auth->connect(timeout => 30) } 1 .. $count;
    $_->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => $uri, body => $body)) for @connections;
    my %count;
    $count{ $_->response(1)->{status} }++ for @connections;
    return \%count;
}

subtest 'registering' => sub {
    my $reply = $client->register('Ann@Example.org', $secret, 'Ann');
    is $reply->status, 202, 'accepted' or return diag $reply->summary;
    is rows('select count(*) from pets.account'), 0, 'there is no account yet';
    is brief(login('ann@example.org', $secret)), '401 invalid_credentials', 'and nobody can log in to it';
    my ($message, @more) = mail();
    is_deeply \@more, [], 'one message';
    is_deeply [@$message{qw(to subject)}], ['Ann@Example.org', 'Confirm your e-mail address'], 'to that address';
    like $message->{text}, qr{^https://pets\.test/account/verify-email#pl_[\w-]{43}$}m, 'with a link';
    $reply = verify($message->{token});
    is $reply->status, 201, 'following it opens the account' or return diag $reply->summary;
    is $reply->location, '/v1/me', 'Location';
    is_deeply [$reply->json->@{qw(email display_name role state version)}], ['Ann@Example.org', 'Ann', 'USER', 'active', 1], 'as it was asked for';
    is $client->login('ann@example.org', $secret)->get('/v1/me')->json->{id}, $reply->json->{id}, 'and one can log in';
    is brief(verify($message->{token})), '410 link_invalid', 'the link works once';
    is rows('select count(*) from pets.registration'), 0, 'nothing is left of it';
    is_deeply [mail()], [], 'no other message';
};

subtest 'an address that is taken' => sub {
    my ($taken, $free) = map { $client->register($_, $secret, 'Somebody') } 'ann@example.ORG', 'free@example.org';
    is_deeply shape($taken), shape($free), 'gets the same answer as one that is not';
    my %message = map { $_->{to} => $_ } mail();
    is $message{'ann@example.ORG'}{subject}, 'You have an account already', 'and another message';
    is $message{'ann@example.ORG'}{token}, undef, 'without a link';
    isnt $message{'free@example.org'}{token}, undef, 'the other has one';
    is brief(login('ann@example.org', $secret)), '200', 'the account is what it was';
    is rows(q{select count(*) from pets.account where email_key = 'ann@example.org'}), 1, 'and the only one';
};

subtest 'who asks for somebody else\'s address' => sub {
    $client->register('eve@example.org', 'the password of somebody else', 'Mallory');
    my ($foreign) = mail();
    $client->register('eve@example.org', $secret, 'Eve');
    my ($own) = mail();
    is verify($own->{token})->status, 201, 'the person follows the link of her own registration';
    is $client->login('eve@example.org', $secret)->account->{display_name}, 'Eve', 'and has what she asked for';
    is brief(login('eve@example.org', 'the password of somebody else')), '401 invalid_credentials', 'the other\'s password is nothing';
    is brief(verify($foreign->{token})), '410 link_invalid', 'the other\'s link is over';
    is $client->login('eve@example.org', $secret)->account->{display_name}, 'Eve', 'and changes nothing';
};

subtest 'links that are not good' => sub {
    $client->register('late@example.org', $secret, 'Late');
    my ($message) = mail();
    $root->do(q{update pets.registration set created_at = now() - interval '2 d', expires_at = now() - interval '1 s' where email = 'late@example.org'});
    my $token = $message->{token};
    for my $case (['too old', $token], ['changed', $token =~ s/(.)\z/$1 eq 'A' ? 'B' : 'A'/er], ['cut', substr $token, 0, -1], ['another word', 'x'], ['of another prefix', $token =~ s/pl_/pr_/r], ['never given', 'pl_' . 'A' x 43]) {
        is brief(verify($case->[1])), '410 link_invalid', "verification: $case->[0]";
        is brief(reset_confirm($case->[1], $other)), '410 link_invalid', "reset: $case->[0]";
    }
    is brief(verify('')), '422 validation_failed', 'an empty one';
    is brief($client->post('/v1/auth/verify-email', {})), '422 validation_failed', 'none';
    $client->register('swap@example.org', $secret, 'Swap');
    my ($swap) = mail();
    is brief(reset_confirm($swap->{token}, $other)), '410 link_invalid', 'a link is good for what it was sent for';
    is verify($swap->{token})->status, 201, 'and that alone';
    is rows(q{select count(*) from pets.registration where email = 'late@example.org'}), 0, 'what is over is removed by those who come later';
    cmp_ok rows(q{select count(*) from pets.audit_event where action = 'authn_token_fail' and outcome = 'failure'}), '>', 0, 'failures are in the record';
};

subtest 'following a link many times at once' => sub {
    $client->register('many@example.org', $secret, 'Many');
    my ($message) = mail();
    is_deeply at_once(12, '/v1/auth/verify-email', { token => $message->{token} }), { 201 => 1, 410 => 11 }, 'one account of twelve attempts';
    is rows(q{select count(*) from pets.account where email_key = 'many@example.org'}), 1, 'there is one';
    is rows(q{select count(*) from pets.audit_event e join pets.account a on a.id = e.target_id where action = 'user_created' and email_key = 'many@example.org'}), 1, 'created once';
    my @people = map { { email => 'race@example.org', password => "$secret $_", display_name => "Racer $_" } } 1 .. 6;
    $client->post('/v1/auth/register', $_) for @people;
    my @links = map { $_->{token} } mail();
    is scalar @links, 6, 'six ask for one address';
    my @connections = map { $service->auth->connect(timeout => 30) } @links;
    $connections[$_]->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/verify-email', body => { token => $links[$_] })) for 0 .. $#links;
    my @status = map { $_->response(1)->{status} } @connections;
    is scalar(grep { $_ == 201 } @status), 1, 'and follow their links at once: one has it' or diag "@status";
    my ($winner) = grep { $status[$_] == 201 } 0 .. $#status;
    is brief(login('race@example.org', "$secret " . ($winner + 1))), '200', 'with the password of that link';
};

subtest 'another password' => sub {
    my $ann = $client->login('ann@example.org', $secret);
    my $id  = $ann->id;
    my ($known, $unknown, $nonsense) = map { reset_request($_) } 'ANN@example.org', 'nobody@example.org', 'nonsense';
    is $known->status, 202, 'asked for';
    is_deeply shape($unknown),  shape($known), 'an address that is nobody\'s gets the same answer';
    is_deeply shape($nonsense), shape($known), 'and so does what is none';
    my ($message, @more) = mail();
    is_deeply \@more, [], 'one message';
    is_deeply [@$message{qw(to subject)}], ['Ann@Example.org', 'Choose a new password'], 'to the address as the account has it';
    is $ann->get('/v1/me')->status, 200, 'asking changes nothing';
    is brief(login('ann@example.org', $secret)), '200', 'at all';
    is brief(reset_confirm($message->{token}, 'short')), '422 validation_failed', 'a password that is too short';
    my $before = rows(q{select count(*) from pets.audit_event where action = 'authn_password_change'});
    my $reply = reset_confirm($message->{token}, $other);
    is $reply->status, 204, 'following the link sets it' or return diag $reply->summary;
    is $_->status . ' ' . $_->code, '401 session_ended', 'every session is over' for $ann->get('/v1/me'), $ann->get('/v1/pets');
    is brief($client->post('/v1/auth/refresh', { refresh_token => $ann->refresh_token })), '401 session_ended', 'also for a refresh token';
    is brief(login('ann@example.org', $secret)), '401 invalid_credentials', 'the old password is dead';
    is brief(login('ann@example.org', $other)), '200', 'the new one works';
    is brief(reset_confirm($message->{token}, $secret)), '410 link_invalid', 'the link works once';
    is rows(q{select count(*) from pets.audit_event where action = 'authn_password_change'}), $before + 1, 'one event';
    my ($notice) = grep { $_->{subject} =~ /was changed/ } mail();
    is $notice->{to}, 'Ann@Example.org', 'the address is told';
    is $ann->get('/v1/me')->status, 401, 'and the old token stays dead';

    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $id);
    reset_request('ann@example.org');
    is_deeply [mail()], [], 'a disabled account gets no link';
    $root->do(q{update pets.account set state = 'active' where id = ?}, undef, $id);
    reset_request('ann@example.org');
    my ($first) = mail();
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $id);
    is brief(reset_confirm($first->{token}, $secret)), '410 link_invalid', 'nor is one good for it';
    $root->do(q{update pets.account set state = 'active' where id = ?}, undef, $id);
    reset_request('ann@example.org');
    my ($second) = mail();
    is reset_confirm($first->{token}, $secret)->status, 204, 'of two links either is good';
    is brief(reset_confirm($second->{token}, $other)), '410 link_invalid', 'and ends the other';
    reset_request('ann@example.org');
    my ($old) = grep { $_->{token} } mail();
    $root->do(q{update pets.reset_link set created_at = now() - interval '31 min', expires_at = now() - interval '1 min' where used_at is null});
    is brief(reset_confirm($old->{token}, $other)), '410 link_invalid', 'one that is too old is not';
    is rows(q{select extract(epoch from max(expires_at - created_at))::int from pets.reset_link where used_at is not null}), 1800, 'they live for half an hour';
};

subtest 'a change of the password' => sub {
    my $dan = $service->user(email => 'dan@example.org', password => $secret);
    is $dan->put('/v1/me/password', { current_password => 'not the password of Dan', new_password => $other })->status, 422, 'that fails';
    is_deeply [mail()], [], 'is told to nobody';
    is $dan->put('/v1/me/password', { current_password => $secret, new_password => $other })->status, 204, 'that is made';
    my ($notice, @more) = mail();
    is_deeply [@$notice{qw(to subject)}, scalar @more], ['dan@example.org', 'Your password was changed', 0], 'is told to the address';
    like $notice->{text}, qr/changed on \d{4}-\d\d-\d\d \d\d:\d\d UTC,\nfrom the address 127\.0\.0\.1\./, 'with when and from where';
};

subtest 'a sign-in from somewhere else' => sub {
    my $gus  = $service->user(email => 'gus@example.org', password => $secret);
    my $from = sub ($address) {
        my $reply = $service->auth->connect->request(method => 'POST', uri => '/v1/auth/login', address => $address, body => { email => 'gus@example.org', password => $secret });
        my @told = map { [@$_{qw(to subject)}, $_->{text} =~ /from the address (\S+)\./] } mail();
        return [$reply->{status}, @told];
    };
    is_deeply [mail()], [], 'the first network is nothing to tell of';
    is_deeply $from->('127.0.0.1'), [200], 'nor is the same once more';
    is_deeply $from->('203.0.113.9'), [200, ['gus@example.org', 'New sign-in to your account', '203.0.113.9']], 'another is';
    is_deeply $from->('203.0.113.9'), [200], 'once';
    is_deeply $from->('127.0.0.1'), [200], 'the first is still known';
    my @connections = map { $service->auth->connect(timeout => 30) } 1 .. 6;
    $_->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/login', address => '198.51.100.7', body => { email => 'gus@example.org', password => $secret })) for @connections;
    my $good = grep { $_->response(1)->{status} == 200 } @connections;
    cmp_ok $good, '>', 1, "$good at once from a third";
    is scalar mail(), 1, 'are told once';
};

subtest 'the second factor' => sub {
    my $fay = $service->user(email => 'fay@example.org', password => $secret);
    $fay->enrol;
    is join(' ', map { "$_->{to} $_->{subject}" } mail()), 'fay@example.org Your second factor was changed', 'a new one is told';
    is $fay->post('/v1/me/recovery-codes')->status, 200, 'other recovery codes';
    is scalar mail(), 1, 'are told';
    my $waiting = login('fay@example.org', $secret)->json->{mfa_token};
    isnt $waiting, undef, 'a login that waits for a code';
    reset_request('fay@example.org');
    my ($message) = mail();
    is reset_confirm($message->{token}, $other)->status, 204, 'another password by a link';
    mail();
    my $second = sub ($token) { $root->do('update pets.totp set last_step = 0, tries = 0'); $client->post('/v1/auth/login/second-factor', { mfa_token => $token, code => $fay->app->code_of(int(time / 30)) }) };
    isnt $second->($waiting)->status, 200, 'ends the login that waited';
    my $again = login('fay@example.org', $other)->json->{mfa_token};
    isnt $again, undef, 'the factor is still asked for';
    is $second->($again)->status, 200, 'and is what it was';
    $again = login('fay@example.org', $other)->json->{mfa_token};
    my $token = $second->($again)->json->{access_token};
    is $client->with_token($token)->delete('/v1/me/second-factor')->status, 204, 'it is removed';
    is join(' ', map { $_->{subject} } mail()), 'Your second factor was changed', 'which is told';
};

subtest 'one link, many at once' => sub {
    for my $round (1 .. 3) {
        reset_request('ann@example.org');
        my ($message) = grep { $_->{token} } mail();
        my $before = rows(q{select count(*) from pets.audit_event where action = 'authn_password_change'});
        my $count = at_once(8, '/v1/auth/password-reset/confirm', { token => $message->{token}, password => "$secret, round $round" });
        is_deeply $count, { 204 => 1, 410 => 7 }, "round $round: one of eight";
        is rows(q{select count(*) from pets.audit_event where action = 'authn_password_change'}), $before + 1, "round $round: one event";
        is brief(login('ann@example.org', "$secret, round $round")), '200', "round $round: the password is set";
    }
    reset_request('ann@example.org') for 1 .. 4;
    my @links = map { $_->{token} // () } mail();
    my @connections = map { $service->auth->connect(timeout => 30) } @links;
    $connections[$_]->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/password-reset/confirm', body => { token => $links[$_], password => "$secret, link $_" })) for 0 .. $#links;
    my @status = map { $_->response(1)->{status} } @connections;
    is join(' ', sort { $a <=> $b } @status), '204 410 410 410', 'four links at once: one';
    my ($winner) = grep { $status[$_] == 204 } 0 .. $#status;
    is brief(login('ann@example.org', "$secret, link $winner")), '200', 'and its password is the one';
};

subtest 'without mail' => sub {
    mail();
    $service->auth->stop;
    $service->auth->set(mail => { mode => 'off' });
    $service->auth->start;
    my $post = sub ($uri, $body) {
        my $reply = $service->auth->connect->request(method => 'POST', uri => "/v1/auth/$uri", body => $body);
        return join ' ', $reply->{status}, $reply->{json}{code} // ();
    };
    my %plain = (email => 'plain@example.org', password => $secret, display_name => 'Plain');
    is $post->('register', \%plain), '201', 'registering opens the account';
    is $post->('register', \%plain), '409 email_taken', 'and says when it is taken';
    is $post->('password-reset', { email => 'plain@example.org' }), '404 not_found', 'no link is sent';
    is $post->('verify-email', { token => $tokens[0] }), '404 not_found', 'and none verifies';
    is_deeply [mail()], [], 'there are no messages';
};

subtest 'what is at rest, and in the logs' => sub {
    cmp_ok scalar @tokens, '>', 15, scalar(@tokens) . ' tokens were mailed';
    my $dump = $service->database->psql(q{select string_agg(t::text, E'\n') from (select to_jsonb(o)::text from pets.mail_outbox o union all select to_jsonb(r)::text from pets.registration r union all select to_jsonb(l)::text from pets.reset_link l union all select to_jsonb(e)::text from pets.audit_event e) as t});
    is_deeply [grep { index($dump, $_) >= 0 } @tokens], [], 'the database has none';
    cmp_ok scalar(grep { index($dump, sha256_hex($_)) >= 0 } @tokens), '>', 0, 'but hashes';
    my $dir = $service->dir;
    kill USR1 => $service->nginx->pid;
    my @logs = grep { -f } glob("$dir/*.log"), glob("$dir/*/*.log"), glob("$dir/nginx/logs/*"), $service->database->log_file;
    for my $log (@logs) {
        my $text = slurp($log);
        is_deeply [grep { index($text, $_) >= 0 } @tokens], [], substr($log, 1 + length $dir) . ': no token';
        ok $text !~ /(?:ann|eve|nobody|free|many|late)\@example/i, substr($log, 1 + length $dir) . ': no address';
    }
    my $log = slurp($service->auth->log_file);
    like $log, qr/"event":"$_"/, "$_ is logged" for qw(user_registration_requested user_created authn_password_reset_requested authn_password_change authn_token_fail);
};

done_testing;
