# The key that refresh tokens are derived from is changed, and for a while there are workers of both generations. A refresh
# token that comes to many of them at once has one successor, whoever derives it: one family, nobody is logged out, and
# whoever uses a token of before the change that is long over is found out as before it. Exact counts, no luck.
use v5.36;
use List::Util qw(shuffle uniq);
use Pets::Env qw(slurp spew test_dir wait_until);
use Pets::FastCGI;
use Pets::Service;
use Test::More;

use constant { SESSIONS => 6, ROUNDS => 3 };

my $service = Pets::Service->new(config => { auth => { pool => { workers => 2, drain_timeout_ms => 300_000 }, session => { refresh_grace_s => 300 } } })->start;
my $auth    = $service->auth;
my $root    = $service->database->dbh;
my $person  = $service->user;
my $first   = $service->refresh_key_file;
my $keys    = 0;

# --- helpers --------------------------------------------------------------------------------------------

sub new_key () {
    my $file = test_dir() . '/refresh.' . ++$keys;
    Pets::Service::petsctl('secret', 'new', $file);
    return $file;
}

# Reloads. The old workers stay as long as somebody has a connection to them.
sub change (%session) {
    my $mark = $auth->log_mark;
    $auth->set(session => \%session);
    return changed($mark);
}

sub changed ($mark = $auth->log_mark) {
    $auth->signal('HUP');
    my $event = $auth->log_wait(sub ($event) { ($event->{event} // '') =~ /\Areload(?:ed|_failed)\z/ }, 60, $mark);
    is $event->{event}, 'reloaded', 'reloaded' or diag explain $event;
    wait_until { !grep { $_->{generation} < $event->{generation} && $_->{state} ne 'draining' } workers() } 60, 'the old workers to drain';
    return $event->{generation};
}

sub workers () { return grep { $_->{kind} ne 'ops' } $auth->status(full => 1)->{processes}->@* }
sub generations () { return join ' ', sort { $a <=> $b } uniq map { $_->{generation} } workers() }

# Connections to the newest workers, kept from now on.
sub doors ($count) {
    return map {
        my $door = $auth->connect(timeout => 60);
        $door->request(uri => '/.well-known/jwks.json', keep => 1);
        $door
    } 1 .. $count;
}

sub refresh ($door, $token) { return $door->request(method => 'POST', uri => '/v1/auth/refresh', body => { refresh_token => $token }) }

# The same token by all these connections at once; the answers.
sub at_once ($token, @doors) {
    my $id = 100;
    $_->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/refresh', body => { refresh_token => $token }, keep => 1, id_number => $id)) for @doors;
    return map { $_->response($id) } @doors;
}

sub brief ($reply) { return join ' ', $reply->{status} // 'nothing', $reply->{json}{code} // () }
sub login () { return $service->client->login($person->email, $person->password) }

sub live ($session) { return $root->selectrow_array('select revoked_at is null from pets.session where id = ?', undef, $session) }

# How often the record says each verdict of a session.
sub verdicts ($session) {
    my %count;
    $count{ $_->[0] }++ for $root->selectall_arrayref(q{select detail ->> 'verdict' from pets.audit_event where target_id = ?::uuid and action in ('session_renewed', 'authn_token_reuse')}, undef, $session)->@*;
    return \%count;
}

# So many rounds of one session, each token by all doors at once; the last token.
sub rounds ($client, $rounds, @doors) {
    my $token = $client->refresh_token;
    my (%status, @families, @spread);
    for (1 .. $rounds) {
        my @replies = at_once($token, shuffle @doors);
        $status{ brief($_) }++ for @replies;
        push @families, uniq map { $_->{json}{session_id} // 'none' } @replies;
        push @spread, scalar uniq map { $_->{json}{refresh_token} // 'none' } @replies;
        $token = $replies[0]{json}{refresh_token};
    }
    is_deeply \%status, { 200 => $rounds * @doors }, 'every answer is good';
    is_deeply [uniq @families], [$client->session_id], 'one family';
    is_deeply \@spread, [(1) x $rounds], 'each token has one successor';
    return $token;
}

# --- tests ----------------------------------------------------------------------------------------------

subtest 'parallel replays across a reload' => sub {
    my @people = map { login() } 1 .. SESSIONS;
    my @old    = doors(4);
    my $second = new_key();
    my $now    = change(refresh_key_file => $second, previous_refresh_key_file => $first);
    my @new    = doors(4);
    is generations(), join(' ', $now - 1, $now), 'workers of two generations serve';
    for my $number (1 .. SESSIONS) {
        subtest "session $number" => sub {
            my $client = $people[$number - 1];
            my $token  = rounds($client, ROUNDS, @old, @new);
            is_deeply verdicts($client->session_id), { rotated => ROUNDS, repeated => ROUNDS * 7 }, 'one of them has rotated it, each time';
            is $root->selectrow_array('select generation from pets.session where id = ?', undef, $client->session_id), ROUNDS, 'so often';
            is brief(refresh($new[0], $token)), '200', 'and the last one is good';
            ok live($client->session_id), 'nobody is logged out';
        };
    }
    for my $order (['the old workers first', \@old, \@new], ['the new workers first', \@new, \@old]) {
        my ($name, $ahead, $behind) = @$order;
        my $client = login();
        my $token  = $client->refresh_token;
        for my $round (1 .. 3) {
            my @replies = map { refresh($_, $token) } $ahead->[0], $behind->[0], $ahead->[1], $behind->[1];
            is join(' ', map { brief($_) } @replies), '200 200 200 200', "$name, round $round";
            is scalar(uniq map { $_->{json}{refresh_token} } @replies), 1, 'one successor';
            $token = $replies[-1]{json}{refresh_token};
        }
        ok live($client->session_id), 'the session lives';
    }
    is scalar($auth->log_grep(sub ($event) { ($event->{event} // '') eq 'authn_token_reuse' })), 0, 'no reuse was seen';
    cmp_ok scalar(my @renewed = $auth->log_grep(sub ($event) { ($event->{event} // '') eq 'refresh_keys_renewed' })), '>=', 1, 'an old worker has looked for the new key';
    cmp_ok scalar(@renewed), '<=', 2 * (() = $auth->pools), 'each once';
    $_->close for @old;
    wait_until { generations() eq $now } 60, 'the old workers to leave';
};

subtest 'the tokens of before the change' => sub {
    my $client = login();                                # of the second key
    my ($door) = doors(1);
    my @tokens = $client->refresh_token;
    push @tokens, refresh($door, $tokens[-1])->{json}{refresh_token} for 1 .. 2;
    $door->close;
    my $third = new_key();
    my $now   = change(refresh_key_file => $third, previous_refresh_key_file => test_dir() . '/refresh.1');
    wait_until { generations() eq $now } 60, 'the old workers to leave';
    ($door) = doors(1);
    is brief(refresh($door, $tokens[2])), '200', 'the current one is good';
    is brief(refresh($door, $tokens[0])), '401 session_ended', 'an old one is a copy in the wrong hands';
    ok !live($client->session_id), 'which ends the session';
    is verdicts($client->session_id)->{reused}, 1, 'and is recorded as what it is';
};

subtest 'a file that is replaced' => sub {
    my $file    = test_dir() . '/refresh.2';
    my $client  = login();
    my @old     = doors(2);
    my $third   = slurp($file);
    my $mark    = $auth->log_mark;
    my $looks   = $auth->metrics->{pets_key_lookups_total};
    rename new_key(), $file or die "$file: $!";
    spew(test_dir() . '/refresh.before', $third, 0600);
    my $now = change(previous_refresh_key_file => test_dir() . '/refresh.before');
    my @new = doors(2);
    my $token = $client->refresh_token;
    for my $round (1 .. 3) {
        my @replies = map { refresh($_, $token) } $new[0], $old[0], $new[1], $old[1];
        is join(' ', map { brief($_) } @replies), '200 200 200 200', "round $round";
        is scalar(uniq map { $_->{json}{refresh_token} } @replies), 1, 'one successor';
        $token = $replies[0]{json}{refresh_token};
    }
    my @renewed = $auth->log_grep(sub ($event) { ($event->{event} // '') eq 'refresh_keys_renewed' }, $mark);
    cmp_ok scalar(@renewed), '>=', 1, 'the old worker has found the new key';
    is $auth->metrics->{pets_key_lookups_total} - $looks, scalar @renewed, 'by one look each';
    $_->close for @old;
    wait_until { generations() eq $now } 60, 'the old workers to leave';
};

subtest 'a key that nobody knows any more' => sub {
    my $client = login();
    my ($door) = doors(1);
    my $given  = $client->refresh_token;
    my $lost   = refresh($door, $given)->{json}{refresh_token};    # the answer is lost
    $door->close;
    my $mark = $auth->log_mark;
    my $now  = change(refresh_key_file => new_key(), previous_refresh_key_file => undef);
    wait_until { generations() eq $now } 60, 'the old workers to leave';
    ($door) = doors(1);
    my @again = map { refresh($door, $given) } 1 .. 3;
    is join(' ', map { brief($_) } @again), '200 200 200', 'who repeats gets another successor';
    is scalar(uniq map { $_->{json}{refresh_token} } @again), 1, 'always the same';
    isnt $again[0]{json}{refresh_token}, $lost, 'not the lost one, which nobody could derive';
    my @unknown = $auth->log_grep(sub ($event) { ($event->{event} // '') eq 'refresh_key_unknown' }, $mark);
    is scalar(@unknown), 1, 'the log says so';
    like $unknown[0]{key_id}, qr/\A[0-9a-f]{8}\z/, '... and which key it was';
    is brief(refresh($door, $again[0]{json}{refresh_token})), '200', 'it is good';
    ok live($client->session_id), 'and the session lives';
};

subtest 'a configuration that is bad by then' => sub {
    my $client = login();
    my @old    = doors(1);
    my $file   = new_key();
    my $before = $auth->{config}{session}{refresh_key_file};
    change(refresh_key_file => $file, previous_refresh_key_file => $before);
    my @new  = doors(1);
    my $good = slurp($auth->file);
    my $mark = $auth->log_mark;
    spew($auth->file, "[nothing]\n", 0600);
    my $token = $client->refresh_token;
    my $next  = refresh($new[0], $token)->{json}{refresh_token};
    is brief(refresh($old[0], $token)), '200', 'an old worker answers all the same';
    my ($event) = $auth->log_grep(sub ($event) { ($event->{event} // '') eq 'refresh_keys_unreadable' }, $mark);
    like $event->{error} // '', qr/\Q${\ $auth->file}\E: pool.name: is missing/, 'and the log says what was in its way';
    ok live($client->session_id), 'the session lives';
    spew($auth->file, $good, 0600);
};

is scalar(grep { /class="5xx"/ && $auth->metrics->{$_} } keys $auth->metrics->%*), 0, 'nothing went wrong inside';
$root->disconnect;
done_testing;
