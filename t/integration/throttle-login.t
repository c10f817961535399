# Guessing, behind the API: exactly as many attempts are let through as the options say, by however many clients and
# workers at once; who is refused is told when to come back, and costs no hash; nobody is locked out by others, and
# nothing is for ever. Requests are sent to the pool itself, from addresses of the test's choice; the last part goes
# through nginx.
use v5.36;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Pets::Service;
use Test::More;
use Time::HiRes qw(sleep time);
use POSIX ();

use constant { WORKERS => 4, CLIENTS => 8, LONG => 3600 };
use constant SMALL => (own_burst => 5, account_burst => 12, network_burst => 20, register_burst => 4,
    map { ($_ => LONG) } qw(own_drain_s account_drain_s network_drain_s register_drain_s));

my $service = Pets::Service->new(config => { auth => { pool => { workers => WORKERS, request_timeout_ms => 25_000 }, throttle => {SMALL} } })->start;
my $auth    = $service->auth;
my $root    = $service->database->dbh;
my $wrong   = 'not the password of anybody';
my $people  = 0;

# --- helpers --------------------------------------------------------------------------------------------

sub post ($uri, $body, %option) {
    return Pets::FastCGI->get($auth->socket_path, $uri, method => 'POST', body => $body, timeout => 30, %option);
}

sub login ($email, $password, $address) {
    return post('/v1/auth/login', { email => $email, password => $password }, address => $address);
}

sub brief ($reply) { return join ' ', $reply->{status} // 'nothing', $reply->{json}{code} // () }

# A person who has signed in from one network, and how many hashes that took.
sub person ($address = undef) {
    my ($email, $password) = ('someone' . ++$people . '@example.org', "correct horse battery $people");
    my $reply = post('/v1/auth/register', { email => $email, password => $password, display_name => 'Someone' }, address => "10.200.$people.1");
    is $reply->{status}, 201, 'a person' or diag $reply->{raw};
    if (defined $address) {
        is login($email, $password, $address)->{status}, 200, "who has signed in from $address";
    }
    return ($email, $password);
}

sub nobody () { return 'nobody' . ++$people . '@example.org' }

sub counter ($name) { return $auth->status->{counters}{$name} }

sub forget () { $root->do('delete from pets.throttle'); return }

# The same attempts from many clients at once, each on connections of its own; counts the answers.
sub attack ($each, $attempt) {
    pipe my $out, my $in or die "pipe: $!\n";
    my @pids;
    for my $client (1 .. CLIENTS) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            $root->{InactiveDestroy} = 1;
            syswrite $in, brief($attempt->($client, $_)) . "\n" for 1 .. $each;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $in;
    my %count;
    while (my $line = <$out>) {
        chomp $line;
        $count{$line}++;
    }
    waitpid $_, 0 for @pids;
    return \%count;
}

# Other options, and only workers that have them.
sub reconfigure (%throttle) {
    $auth->set(throttle => \%throttle);
    my $generation = $auth->status->{generation} + 1;
    $auth->signal('HUP');
    wait_until {
        my $status = $auth->status(full => 1);
        $status->{generation} == $generation && !grep { $_->{generation} != $generation } $status->{processes}->@*
    } 30, 'the workers with other options';
    return;
}

# --- one client -----------------------------------------------------------------------------------------

subtest 'one network, one account' => sub {
    my ($email, $password) = person();
    my ($hashes, $refused, $mark) = (counter('password_hashes_total'), counter('throttled_own_total'), $auth->log_mark);
    for my $left (4, 3, 2, 1, 0) {
        my $reply = login($email, $wrong, '192.0.2.7');
        is brief($reply), '401 invalid_credentials', "a wrong password, with $left more to go";
        is $reply->{headers}{'ratelimit-policy'}, '"login";q=5;w=18000', 'RateLimit-Policy';
        like $reply->{headers}{ratelimit}, qr/\A"login";r=$left;t=\d+\z/, 'RateLimit';
        is $reply->{headers}{'retry-after'}, undef, 'no Retry-After';
    }
    my $reply = login($email, $wrong, '192.0.2.8');
    is brief($reply), '429 rate_limited', 'then no more, from the whole network';
    my $retry = $reply->{headers}{'retry-after'};
    cmp_ok $retry, '>', LONG - 60, 'Retry-After: until one has drained';
    cmp_ok $retry, '<=', LONG, 'and no longer';
    is $reply->{headers}{ratelimit}, qq("login";r=0;t=$retry), 'RateLimit says the same';
    is $reply->{headers}{'content-type'}, 'application/problem+json', 'a problem';
    is brief(login($email, $password, '192.0.2.9')), '429 rate_limited', 'not even with the right password: it is not looked at';
    is counter('password_hashes_total') - $hashes, 5, 'what is refused costs no hash';
    is counter('throttled_own_total') - $refused, 2, 'and is counted';
    my $event = $auth->log_wait(sub ($event) { $event->{event} eq 'excess_rate_limit_exceeded' }, 5, $mark);
    is_deeply [@$event{qw(kind bucket address)}], ['login', 'own', '192.0.2.8'], 'and logged';
    is brief(login($email, $password, '192.0.3.7')), '200', 'another network is not concerned';
};

subtest 'a success costs a tenth' => sub {
    my ($email, $password) = person('198.51.100.1');
    is join(' ', map { login($email, $password, '198.51.100.1')->{status} } 1 .. 20), join(' ', (200) x 20), 'twenty logins';
    is join(' ', map { login($email, $wrong, '198.51.100.1')->{status} } 1 .. 3), '401 401 429', 'have left room for two failures';
};

subtest 'an address that nobody has' => sub {
    my ($email) = person();
    my %seen;
    for my $case (['known', $email, '203.0.113.1'], ['unknown', nobody(), '203.0.114.1']) {
        my ($name, $who, $address) = @$case;
        for my $try (1 .. 7) {
            my $reply = login($who, $wrong, $address);
            push $seen{$name}->@*, join ' | ', brief($reply), map { ($reply->{headers}{$_} // '-') =~ s/\b\d{4,}\b/N/gr } qw(ratelimit-policy ratelimit retry-after);
        }
    }
    is_deeply $seen{unknown}, $seen{known}, 'is throttled exactly alike' or diag explain \%seen;
};

# --- many clients ---------------------------------------------------------------------------------------

subtest 'many networks, one account' => sub {
    my ($email, $password) = person('198.18.0.1');
    forget();    # signing in for the first time was an attempt of a stranger, if a cheap one
    my ($hashes, $refused) = (counter('password_hashes_total'), counter('throttled_account_total'));
    my $count = attack(10, sub ($client, $try) { login($email, $wrong, "10.$client.$try.1") });
    is_deeply $count, { '401 invalid_credentials' => 12, '429 rate_limited' => 68 }, 'exactly the allowance was let through';
    is counter('password_hashes_total') - $hashes, 12, 'as many passwords were hashed';
    is counter('throttled_account_total') - $refused, 68, 'the rest is counted by its reason';
    my $reply = login($email, $password, '10.77.7.1');
    is brief($reply), '429 rate_limited', 'the owner, from a network that nobody knows, has to wait';
    like $reply->{headers}{'ratelimit'}, qr/\A"login-account";r=0;t=\d+\z/, 'and is told what for';
    is brief(login($email, $password, '198.18.0.77')), '200', 'from her own network she gets in at once';
    is brief(login($email, $wrong, '198.18.0.78')), '401 invalid_credentials', 'where a slip is one of hers';
    my ($other, $secret) = person();
    is brief(login($other, $secret, '10.77.8.1')), '200', 'nobody else is concerned';
};

subtest 'one network, many accounts' => sub {
    my ($email, $password) = person('10.50.0.1');
    my ($stranger, $secret) = person();
    forget();
    my $count = attack(5, sub ($client, $try) { login("spray$client.$try\@example.org", $wrong, '10.50.0.' . (1 + $client)) });
    is_deeply $count, { '401 invalid_credentials' => 20, '429 rate_limited' => 20 }, 'exactly the allowance of a network';
    is brief(login($stranger, $secret, '10.50.0.99')), '429 rate_limited', 'whoever is new there has to wait';
    is brief(login($email, $password, '10.50.0.99')), '200', 'whoever has signed in from there does not';
};

subtest 'registering' => sub {
    forget();
    my $count = attack(1, sub ($client, $try) {
        post('/v1/auth/register', { email => "flood$client\@example.org", password => "correct horse battery $client", display_name => 'Flood' }, address => "10.60.0.$client")
    });
    is_deeply $count, { '201' => 4, '429 rate_limited' => 4 }, 'exactly the allowance of a network';
    is $root->selectrow_array(q{select count(*) from pets.account where email like 'flood%'}), 4, 'as many accounts';
    my $reply = post('/v1/auth/register', { email => 'flood@example.org', password => 'short', display_name => 'Flood' }, address => '10.60.0.1');
    is brief($reply), '422 validation_failed', 'what is not valid is told so, and costs nothing';
};

subtest 'somebody with a stolen token' => sub {
    my ($email, $password) = person('10.70.0.1');
    my $token = login($email, $password, '10.70.0.1')->{json}{access_token};
    my %from = (token => $token, address => '10.71.0.1');
    my $change = sub ($current) {
        return brief(post('/v1/me/password', { current_password => $current, new_password => 'quite another horse and battery' }, method => 'PUT', %from));
    };
    is join(', ', map { $change->($wrong) } 1 .. 6), join(', ', ('422 validation_failed') x 5, '429 rate_limited'), 'cannot guess the password either';
    is brief(post('/v1/me/password', { current_password => $password, new_password => 'quite another horse and battery' }, method => 'PUT', token => $token, address => '10.70.0.2')),
        '204', 'its owner can change it meanwhile';
};

# --- time and options -----------------------------------------------------------------------------------

subtest 'nothing is for ever' => sub {
    my ($email, $password) = person();
    reconfigure(SMALL, account_burst => 2, account_drain_s => 1);
    my ($refused, $retry) = (0, 0);
    for my $try (1 .. 40) {
        my $reply = login($email, $wrong, "10.80.$try.1");
        next if $reply->{status} != 429;
        $refused++;
        $retry = $reply->{headers}{'retry-after'};
        last;
    }
    is $refused, 1, 'strangers have used up what there is';
    is $retry, 1, 'for a second';
    # Others go on trying all the while; refused or not, they cannot hold the door shut: it opens once a second.
    my $in = 0;
    my $until = time + 20;
    while (!$in && time < $until) {
        sleep 1.05;
        $in = login($email, $password, '10.81.0.1')->{status} == 200;
    }
    ok $in, 'after which one can sign in from anywhere';
    wait_until { $root->selectrow_array(q{select count(*) from pets.throttle where empty_at > clock_timestamp() and id = pets.throttle_id('login', 'account', null, ?)}, undef, $email) == 0 } 10,
        'the bucket to drain';
    pass 'the bucket is empty by itself';
};

subtest 'switched off' => sub {
    forget();
    reconfigure(SMALL, enabled => 'off');
    my ($email, $password) = person();
    my @replies = map { login($email, $wrong, '10.90.0.1') } 1 .. 8;
    is join(' ', map { $_->{status} } @replies), join(' ', (401) x 8), 'everything is let through';
    is_deeply [grep { defined } map { $_->{headers}{ratelimit} } @replies], [], 'nothing is said about limits';
    is $root->selectrow_array('select count(*) from pets.throttle'), 0, 'nothing is written';
    reconfigure(SMALL, enabled => 'on');
    is join(' ', map { login($email, $wrong, '10.90.0.1')->{status} } 1 .. 6), join(' ', (401) x 5, 429), 'and on again, by a reload';
};

# --- through nginx --------------------------------------------------------------------------------------

subtest 'through nginx it is the address of the client that counts' => sub {
    forget();
    my ($email, $password) = person();
    my $mark   = $auth->log_mark;
    my $client = $service->client;
    my @faked  = (headers => { 'x-forwarded-for' => '10.91.0.1', forwarded => 'for=10.91.0.1', 'x-real-ip' => '10.91.0.1' });
    my @replies = map { $client->post('/v1/auth/login', { email => $email, password => $wrong }, @faked) } 1 .. 6;
    is join(' ', map { $_->status } @replies), join(' ', (401) x 5, 429), 'headers of the client change nothing';
    like $replies[-1]->header('ratelimit'), qr/\A"login";r=0;t=\d+\z/, 'the fields pass through nginx';
    is $replies[-1]->header('retry-after') =~ /\A\d+\z/ ? 1 : 0, 1, 'as does Retry-After';
    is $replies[-1]->json->{code}, 'rate_limited', 'and the problem';
    is $auth->log_wait(sub ($event) { $event->{event} eq 'excess_rate_limit_exceeded' }, 5, $mark)->{address}, '127.0.0.1', 'the log has the address';
};

$root->disconnect;
done_testing;
