# What a password proves, it proves of now. A worker is stopped while it checks a password, and meanwhile the password is
# changed, reset, or the account disabled: when it goes on, the old password opens no session and no second step. A newer
# hash of the same password, on the other hand, is no other password: nothing fails with it, and nobody is made to wait.
use v5.36;
use JSON::PP ();
use Pets::Env qw(random_hex wait_until);
use Pets::FastCGI;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(
    config => {
        auth => {
            pool     => { workers => 2, request_timeout_ms => 100_000, kill_timeout_ms => 200_000 },
            password => { bcrypt_cost => 11, hash_slots => 2 },
        }
    }
)->start;
my $auth  = $service->auth;
my $root  = $service->database->dbh;
my $admin = $service->admin;

# --- helpers --------------------------------------------------------------------------------------------

sub send_off ($connection, $method, $uri, $body, $token) {
    my $id = random_hex(16);
    $connection->raw(Pets::FastCGI->request_bytes(method => $method, uri => $uri, body => $body, id => $id, defined $token ? (token => $token) : (), keep => 1));
    return $id;
}

# The worker that is checking a password for this request.
sub checking ($id) {
    for my $process ($auth->status(full => 1)->{processes}->@*) {
        return $process->{pid} if grep { $_->{request_id} eq $id && $_->{stage} eq 'hash' } $process->{in_flight}->@*;
    }
    return undef;
}

# Sends a request, stops its worker in the middle of the check, does something else by the other one, and returns the
# answer. A check that was over before its worker could be stopped is not what we want: then it is tried again.
sub meanwhile ($method, $uri, $body, $token, $deed) {
    for (1 .. 10) {
        my $connection = $auth->connect(timeout => 120);
        my $id         = send_off($connection, $method, $uri, $body, $token);
        my $pid;
        my $seen = eval { wait_until { $pid = checking($id) } 5, 'the check'; 1 };
        if ($seen) {
            kill STOP => $pid or die "kill: $!";
            if (checking($id)) {
                my $done = eval { $deed->(); 1 };
                my $why  = $@;
                kill CONT => $pid;
                die $why if !$done;
                return $connection->response(1, 120);
            }
            kill CONT => $pid;
        }
        $connection->response(1, 120);
    }
    die "a check of a password is over too soon to be stopped\n";
}

sub ask ($method, $uri, $body, $token = undef) {
    my $type = $method eq 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return Pets::FastCGI->get($auth->socket_path, $uri, method => $method, body => $body, type => $type, defined $token ? (token => $token) : (), timeout => 120);
}

sub brief ($reply) { return join ' ', $reply->{status} // 'nothing', $reply->{json}{code} // () }
sub login ($email, $password) { return ask('POST', '/v1/auth/login', { email => $email, password => $password }) }
sub sessions ($id) { return $root->selectrow_array('select count(*) from pets.session where account_id = ? and revoked_at is null', undef, $id) }
sub challenges ($id) { return $root->selectrow_array('select count(*) from pets.login_challenge where account_id = ?', undef, $id) }
sub reasons ($id) { return join ' ', $root->selectcol_arrayref(q{select detail ->> 'reason' from pets.audit_event where target_id = ? and action = 'authn_login_fail' order by id}, undef, $id)->@* }

# Another hash of the same password, as a login would make: it does not depend on the account.
sub hash_anew ($person) {
    my $twin = $service->client->register('twin.' . random_hex(4) . '@example.org', $person->password, 'Somebody else');
    $twin->status == 201 or die $twin->summary;
    my ($old, $pepper) = $root->selectrow_array('select hash, pepper_id from pets.credential where account_id = ?', undef, $person->id);
    my ($new) = $root->selectrow_array('select hash from pets.credential where account_id = ?', undef, $twin->json->{id});
    return sub {
        my $dbh = $service->database->dbh('pets_auth');
        is $dbh->selectrow_array('select pets.rehash(?, ?, ?, ?)', undef, $person->id, $old, $new, $pepper), $person->id, 'the hash is made anew meanwhile';
        $dbh->disconnect;
    };
}

my %deed = (
    change => sub ($person, $new) {
        is brief(ask('PUT', '/v1/me/password', { current_password => $person->password, new_password => $new }, $person->token)), '204', 'the password is changed meanwhile';
    },
    reset => sub ($person, $new) {
        my $link = ask('POST', '/v1/users/' . $person->id . '/reset-link', { reason => 'lost' }, $admin->token);
        is brief($link), '201', 'an administrator makes a link meanwhile';
        is brief(ask('POST', '/v1/auth/password-reset/confirm', { token => $link->{json}{token}, password => $new })), '204', 'which is followed';
    },
    disable => sub ($person, $new) {
        is brief(ask('PATCH', '/v1/users/' . $person->id, { state => 'disabled', reason => 'left' }, $admin->token)), '200', 'the account is disabled meanwhile';
    },
);
my %left = (change => 1, reset => 0, disable => 0);    # sessions: that in which the password was changed stays

# --- the old password -----------------------------------------------------------------------------------

for my $what (qw(change reset disable)) {
    subtest "a login, and a $what meanwhile" => sub {
        my $person = $service->user;
        my $new    = "what $what makes of it";
        my $reply  = meanwhile('POST', '/v1/auth/login', { email => $person->email, password => $person->password }, undef, sub { $deed{$what}->($person, $new) });
        is brief($reply), '401 invalid_credentials', 'no session is opened';
        is sessions($person->id), $left{$what}, 'none is there that should not be';
        is reasons($person->id), 'credential_changed', 'the failure is recorded';
        is brief(login($person->email, $person->password)), '401 invalid_credentials', 'as the old password is wrong';
        is brief(login($person->email, $new)), $what eq 'disable' ? '401 invalid_credentials' : '200', 'and the new one is not' if $what ne 'disable';
    };

    subtest "a login with a second factor, and a $what meanwhile" => sub {
        my $person = $service->user->enrol;
        my $new    = "what $what makes of it";
        my $reply  = meanwhile('POST', '/v1/auth/login', { email => $person->email, password => $person->password }, undef, sub { $deed{$what}->($person, $new) });
        is brief($reply), '401 invalid_credentials', 'no second step is opened';
        is challenges($person->id), 0, 'none waits';
        is sessions($person->id), $left{$what}, 'none is there that should not be';
        is reasons($person->id), 'credential_changed', 'the failure is recorded';
    };
}

subtest 'the second step of a login that was begun with the old password' => sub {
    for my $what (qw(change reset)) {
        my $person = $service->user->enrol;
        my $begun  = login($person->email, $person->password);
        is $begun->{json}{mfa_required}, JSON::PP::true, "$what: a login waits";
        # What a change deletes is put back, as if it had been written at the same moment.
        $root->do('create temporary table kept as select * from pets.login_challenge where account_id = ' . $root->quote($person->id));
        $deed{$what}->($person, "what $what makes of it");
        is challenges($person->id), 0, 'it is over';
        $root->do('insert into pets.login_challenge select * from kept');
        $root->do('drop table kept');
        my $before = sessions($person->id);
        my $reply  = ask('POST', '/v1/auth/login/second-factor', { mfa_token => $begun->{json}{mfa_token}, recovery_code => ($person->recovery_codes)[0] });
        is brief($reply), '401 mfa_token_invalid', 'and opens no session, were it there still';
        is sessions($person->id), $before, 'none';
    }
};

# --- a newer hash of the same password ------------------------------------------------------------------

subtest 'a newer hash of the same password' => sub {
    my $person = $service->user;
    my $reply  = meanwhile('POST', '/v1/auth/login', { email => $person->email, password => $person->password }, undef, hash_anew($person));
    is brief($reply), '200', 'a login goes on';

    $person = $service->user;
    $reply = meanwhile('POST', '/v1/auth/step-up', { password => $person->password }, $person->token, hash_anew($person));
    is brief($reply), '204', 'so does a proof of identity';

    $person = $service->user->enrol;
    $reply = meanwhile('POST', '/v1/auth/login', { email => $person->email, password => $person->password }, undef, hash_anew($person));
    is brief($reply), '200', 'so does the first step of a login';
    is $reply->{json}{mfa_required}, JSON::PP::true, 'which leads to the second';
    is brief(ask('POST', '/v1/auth/login/second-factor', { mfa_token => $reply->{json}{mfa_token}, recovery_code => ($person->recovery_codes)[0] })), '200', 'and that opens the session';
};

subtest 'a change of password, and a newer hash meanwhile' => sub {
    # One attempt is all that a network has: a second one would be refused.
    $auth->set(throttle => { own_burst => 1, own_drain_s => 3600 });
    $auth->reload(gone => 1);
    my $person = $service->user;
    my $reply  = meanwhile('PUT', '/v1/me/password', { current_password => $person->password, new_password => 'the one after the newer hash' }, $person->token, hash_anew($person));
    is brief($reply), '204', 'it is changed, with the one attempt that there is';
    $root->do('delete from pets.throttle');
    is brief(login($person->email, 'the one after the newer hash')), '200', 'the new one is right';
    $root->do('delete from pets.throttle');
    is brief(login($person->email, $person->password)), '401 invalid_credentials', 'the old one is not';
};

subtest 'two changes of password at once' => sub {
    $auth->set(throttle => { own_burst => 100 });
    $auth->reload(gone => 1);
    my $person = $service->user;
    my $reply  = meanwhile(
        'PUT', '/v1/me/password', { current_password => $person->password, new_password => 'the one that comes second' },
        $person->token, sub { $deed{change}->($person, 'the one that comes first') }
    );
    is brief($reply), '422 validation_failed', 'the later one proves nothing with the password of before';
    is brief(login($person->email, 'the one that comes first')), '200', 'the first one counts';
};

is scalar(grep { /class="5xx"/ && $auth->metrics->{$_} } keys $auth->metrics->%*), 0, 'nothing went wrong inside';
$root->disconnect;
done_testing;
