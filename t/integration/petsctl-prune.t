# petsctl database prune with the whole service: what it deletes and says, that it can be run again, several times at
# once, and beside people who log in, refresh, register and use keys at that moment, without anything happening to them.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run spawn spew slurp wait_until);
use Pets::Service;
use POSIX ();
use Test::More;

my $service  = Pets::Service->new(mail => 1, config => { both => { database => { connections => 8 } } })->start;
my $database = $service->database;
my $root     = $database->dbh;
my $me       = getpwuid $<;
my @names    = qw(messages registrations reset_links login_challenges second_factors sessions api_keys known_networks throttle_buckets idempotency_keys deleted_pets transfers);
my %table    = (
    messages => 'mail_outbox', registrations => 'registration', reset_links => 'reset_link', login_challenges => 'login_challenge', second_factors => 'totp',
    sessions => 'session', api_keys => 'api_key', known_networks => 'known_network', throttle_buckets => 'throttle', idempotency_keys => 'idempotency_key',
    deleted_pets => 'deleted_pet', transfers => 'transfer',
);

my $config   = $service->prune_config;

# The same with some options.
sub config_with ($name, %retention) {
    return spew($service->dir . "/$name.ini", slurp($config) . join('', map { "$_ = $retention{$_}\n" } sort keys %retention), 0600);
}

sub petsctl (@arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), @arguments], timeout => 120);
    return ($status >> 8, $out, $err);
}

# What a run has deleted, without the zeros.
sub pruned ($file = $config) {
    my ($status, $out, $err) = petsctl('-c', $file, 'database', 'prune', '--json');
    is $status, 0, 'done' or diag $err;
    my $counts = JSON::PP->new->decode($out);
    is_deeply [sort keys %$counts], [sort @names], 'it tells of each kind';
    return { map { $counts->{$_} ? ($_ => $counts->{$_}) : () } keys %$counts };
}

sub counts () { return { map { $_ => $root->selectrow_array("select count(*) from pets.$table{$_}") } @names } }

# Rows that are so many days over, a number of each kind: of the accounts that are given.
sub put ($count, $days, @accounts) {
    my %bind = (n => $count, d => "$days days", a => '{' . join(',', @accounts) . '}');
    for my $sql (
        q{insert into pets.mail_outbox (id, kind, created_at, sent_at) select gen_random_uuid(), 'new_sign_in', now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.registration (id, link_hash, email, display_name, hash, pepper_id, created_at, expires_at)
            select gen_random_uuid(), sha256(random()::text::bytea), 'r@example.org', 'R', repeat('x', 60), 'p', now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.reset_link (id, link_hash, account_id, created_at, expires_at)
            select gen_random_uuid(), sha256(random()::text::bytea), (:a::uuid[])[1], now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.login_challenge (token_hash, account_id, credential_generation, created_at, expires_at)
            select sha256(random()::text::bytea), (:a::uuid[])[1], 0, now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.session (id, account_id, refresh_hash, created_at, expires_at, ends_at, revoked_at)
            select gen_random_uuid(), (:a::uuid[])[1], sha256(random()::text::bytea), now() - :d - interval '1 day', now() - :d, now(), case when n % 3 = 0 then now() - :d - interval '1 hour' end from generate_series(1, :n) n},
        q{insert into pets.api_key (id, account_id, name, scopes, key_hash, created_at, expires_at)
            select gen_random_uuid(), (:a::uuid[])[1], 'k', '{pets:read}', sha256(random()::text::bytea), now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.known_network (account_id, network, last_seen)
            select (:a::uuid[])[1], set_masklen(inet '10.0.0.0' + 256 * (random() * 65000)::int, 24)::cidr, now() - :d from generate_series(1, :n) on conflict do nothing},
        q{insert into pets.throttle select gen_random_uuid(), now() - :d from generate_series(1, :n)},
        q{insert into pets.idempotency_key (account_id, key, fingerprint, route, status, version, body, created_at)
            select (:a::uuid[])[1], gen_random_uuid()::text, sha256(''), 'POST /v1/pets', 201, 1, 'x', now() - :d from generate_series(1, :n)},
        q{insert into pets.deleted_pet (id, owner_id, name, species, sex, tags, created_at, updated_at, version, deleted_at, gone_at)
            select gen_random_uuid(), (:a::uuid[])[1], 'x', 'cat', 'male', '{}', now() - interval '2 years', now() - interval '2 years', 1, now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{insert into pets.transfer (id, pet_id, pet_name, pet_species, from_id, from_name, to_email, created_at, expires_at)
            select gen_random_uuid(), gen_random_uuid(), 'P', 'dog', (:a::uuid[])[1], 'N', 'x@example.org', now() - :d - interval '1 day', now() - :d from generate_series(1, :n)},
        q{with a as (insert into pets.account (id, email, display_name) select gen_random_uuid(), gen_random_uuid() || '@example.org', 'T' from generate_series(1, :n) returning id)
            insert into pets.totp (account_id, secret, key_id, created_at) select id, sha512(id::text::bytea), 'k', now() - :d from a},
    ) {
        $root->do($sql =~ s/:d\b/$root->quote($bind{d}) . '::interval'/ger =~ s/(?<!:):(n|a)\b/$root->quote($bind{$1}) . ($1 eq 'n' ? '::int' : '')/ger);
    }
    return;
}

my $ann  = $service->user(email => 'ann@example.org')->enrol;
my $ben  = $service->user(email => 'ben@example.org');
my $key  = $ben->post('/v1/me/api-keys', { name => 'k', scopes => ['pets:read'] })->json->{key};
$root->do('delete from pets.throttle');

subtest 'nothing is over' => sub {
    my $before = counts();
    is_deeply pruned(), {}, 'nothing is deleted';
    is_deeply counts(), $before, 'all is there';
    is $root->selectrow_array(q{select count(*) from pets.audit_event where action = 'sensitive_delete'}), 0, 'and nothing recorded';
};

my %all = map { $_ => 40 } @names;
subtest 'what is over' => sub {
    my $before = counts();
    put(40, 400, $ann->id);
    my $over = counts();
    my %put  = map { $_ => $over->{$_} - $before->{$_} } @names;
    is_deeply { %put, known_networks => 40 }, \%all, 'forty rows of each kind';
    is_deeply pruned(), \%put, 'are deleted';
    is_deeply counts(), $before, 'and no other';
    is_deeply pruned(), {}, 'there is nothing left to be done';
    my $events = $root->selectall_arrayref(q{select target_type, detail->>'gone', detail->>'operator', detail->>'days' from pets.audit_event where action = 'sensitive_delete' order by 1});
    is_deeply $events, [['api_key', 40, $me, 365], ['known_network', $put{known_networks}, $me, 90], ['login_challenge', 40, $me, undef], ['mail', 40, $me, 30], ['registration', 40, $me, undef],
        ['reset_link', 40, $me, undef], ['second_factor', 40, $me, undef], ['session', 40, $me, 90]], 'it is in the record, with who did it';
    put(3, 400, $ann->id);
    my ($status, $out, $err) = petsctl('-c', $config, 'database', 'prune');
    is "$status$err", '0', 'for people, too';
    is $out, join('', map { sprintf "%-16s  3\n", $_ } @names), 'a line each';
    is $ann->get('/v1/me')->status, 200, 'who is there is';
    is $root->selectrow_array('select count(*) from pets.totp where confirmed_at is not null'), 1, 'a second factor in force stays';
};

subtest 'how long it is kept' => sub {
    my $before = counts();
    put(5, 20, $ann->id);
    is_deeply pruned(), { map { $_ => 5 } grep { !/messages|sessions|api_keys|known_networks|transfers/ } @names }, 'some of it for long';
    is_deeply pruned(config_with('short', mail_days => 19, session_days => 21)), { messages => 5 }, 'as the options say';
    is_deeply pruned(config_with('short', mail_days => 0, session_days => 0, api_key_days => 0)), { sessions => 5, api_keys => 5, map { $before->{$_} ? ($_ => $before->{$_}) : () } 'messages' }, 'or not at all';
    spew($service->dir . '/networks.ini', slurp($config) . "[throttle]\nknown_days = 19\n", 0600);
    is_deeply pruned($service->dir . '/networks.ini'), { known_networks => 5 }, 'networks for as long as they are known';
    is_deeply counts(), { %$before, messages => 0, transfers => $before->{transfers} + 5 }, 'then all of it is gone, but for offers';
};

subtest 'a session that has ended' => sub {
    my $cat    = $service->user;
    my $second = $service->client->login($cat->email, $cat->password);
    my ($token, $refresh) = ($second->token, $second->refresh_token);
    is $second->post('/v1/auth/logout', { scope => 'this' })->status, 204, 'one logs out';
    $root->do(q{update pets.session set revoked_at = revoked_at - interval '91 days', created_at = created_at - interval '92 days' where id = ?}, undef, $second->session_id);
    is pruned()->{sessions}, 1, 'and the session is forgotten after a while';
    is $service->client->with_token($token)->get('/v1/me')->code, 'session_ended', 'its token is refused as before';
    my $reply = $service->client->post('/v1/auth/refresh', { refresh_token => $refresh });
    is join(' ', $reply->status, $reply->code), '401 session_ended', 'and so is its refresh token';
    is $cat->get('/v1/me')->status, 200, 'the other session goes on';
};

subtest 'small batches, several at once' => sub {
    $root->do('delete from pets.throttle');    # those of people drain meanwhile
    my $before = counts();
    put(300, 400, $ann->id);
    my $over  = counts();
    my $small = config_with('small', batch_rows => 7);
    my @jobs  = map { my $file = $service->dir . "/job$_"; [spawn(name => "prune $_", cmd => [bin('petsctl'), '-c', $small, 'database', 'prune', '--json'], stdout => $file, stderr => "$file.err"), $file] } 1 .. 4;
    is $_->[0]->wait(120), 0, 'each ends well' or diag slurp("$_->[1].err") for @jobs;
    my %sum;
    for my $counts (map { JSON::PP->new->decode(slurp($_->[1])) } @jobs) {
        $sum{$_} += $counts->{$_} for keys %$counts;
    }
    is_deeply \%sum, { map { $_ => $over->{$_} - $before->{$_} } @names }, 'each row is deleted once';
    is_deeply counts(), $before, 'and all of them are';
};

subtest 'beside the service' => sub {
    $root->do('delete from pets.throttle');
    put(2000, 400, $ann->id);
    my $small = config_with('busy', batch_rows => 20);
    my $pid   = fork // die $!;
    my $stop  = $service->dir . '/stop';
    if (!$pid) {    # one job after the other, until it is told to stop
        while (!-e $stop) {
            my ($status) = run([bin('petsctl'), '-c', $small, 'database', 'prune'], timeout => 120);
            POSIX::_exit(1) if $status;
        }
        POSIX::_exit(0);
    }
    my %wrong;
    my $check = sub ($what, $reply, $wanted) { $wrong{"$what: " . $reply->summary}++ if $reply->status != $wanted; return $reply };
    for my $round (1 .. 12) {
        my $person = $service->user;
        my $second = $service->client->login($person->email, $person->password);
        my $fresh  = $check->('refresh', $service->client->post('/v1/auth/refresh', { refresh_token => $second->refresh_token }), 200);
        $check->('use', $service->client->with_token($fresh->json->{access_token})->get('/v1/me'), 200);
        $check->('a pet', $person->post('/v1/pets', { name => 'Rex', species => 'dog' }), 201);
        $check->('a key', $service->client->with_token($key)->get('/v1/pets'), 200);
        $check->('log out', $second->post('/v1/auth/logout', { scope => 'this' }), 204);
        $check->('reset', $service->client->post('/v1/auth/password-reset', { email => $person->email }), 202);
        my ($message) = grep { $_->{to} eq $person->email && $_->{token} } $service->mail;
        $check->('confirm', $service->client->post('/v1/auth/password-reset/confirm', { token => $message->{token}, password => 'another long secret of theirs' }), 204);
    }
    is_deeply \%wrong, {}, 'nobody notices';
    is waitpid($pid, POSIX::WNOHANG()), 0, 'the job goes on';
    wait_until { !grep { $_ } (map { $root->selectrow_array("select count(*) from pets.$_->[0] where $_->[1] < now() - interval '399 days'") } ['session', 'expires_at'], ['api_key', 'expires_at'], ['throttle', 'empty_at'], ['idempotency_key', 'created_at']) } 120, 'all that was over to be deleted';
    spew($stop, '');
    waitpid $pid, 0;
    is $?, 0, 'and none has failed';
    is $root->selectrow_array('select count(*) from pets.reset_link where used_at is not null and expires_at > now()'), 12, 'what was used just now is there';
};

subtest 'what fails' => sub {
    my ($status, $out, $err) = petsctl('-c', $service->ops_config, 'database', 'prune');
    is $status, 1, 'not by another role';
    is $out, '', 'nothing is deleted then';
    like $err, qr/pool\.name must be prune/, 'and why';
    ($status, $out, $err) = petsctl('-c', $config, 'user', 'list');
    is $status, 1, 'and this role is good for nothing else';
    $root->do('revoke delete on pets.session from pets_prune');
    put(2, 400, $ann->id);
    ($status, $out, $err) = petsctl('-c', $config, 'database', 'prune', '--json');
    is $status, 1, 'a batch that fails';
    like $err, qr/^petsctl: database: sessions: /m, 'is complained of';
    $root->do('grant delete on pets.session to pets_prune');
    my $counts = pruned();
    is $counts->{sessions}, 2, 'and done the next time';
    is((petsctl('database', 'prune'))[0], 2, 'without a configuration');
    is((petsctl('-c', $config, 'database', 'prune', 'x'))[0], 2, 'with an argument');
};

$root->disconnect;
done_testing;
