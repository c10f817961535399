# Guessing one-time codes, with the password at hand: who tries from networks that have never signed in to the account
# shares five tries with all such, then pauses; the owner, where she has signed in before, has tries of her own and never
# waits for what others have done. Requests are sent to the pool itself, from addresses of the test's choice.
use v5.36;
use Pets::FastCGI;
use Pets::Service;
use POSIX ();
use Test::More;

use constant { HOME => '10.1.1.1', OFFICE => '10.2.2.2', CLIENTS => 4 };

my $service = Pets::Service->new(config => { auth => { pool => { workers => 2 } } })->start;
my $auth    = $service->auth;
my $root    = $service->database->dbh;

# --- helpers --------------------------------------------------------------------------------------------

sub ask ($address, $method, $uri, $body, %option) {
    return Pets::FastCGI->get($auth->socket_path, $uri, method => $method, body => $body, address => $address, timeout => 60, %option);
}

sub brief ($reply) { return join ' ', $reply->{status} // 'nothing', $reply->{json}{code} // () }
sub pause ($reply) { return $reply->{headers}{'retry-after'} }

# The first step of a login, and the second one.
sub begin ($person, $address) {
    my $reply = ask($address, 'POST', '/v1/auth/login', { email => $person->email, password => $person->password });
    return $reply->{json}{mfa_token} // die "no second step: $reply->{raw}\n";
}

sub second ($token, $address, $code) { return ask($address, 'POST', '/v1/auth/login/second-factor', { mfa_token => $token, code => $code }) }
sub try_code ($person, $address, $code) { return second(begin($person, $address), $address, $code) }

# A code that is good now, whatever was used before.
sub good ($person) {
    $root->do('update pets.totp set last_step = 0 where account_id = ?', undef, $person->id);
    return $person->app->code_of(int(time / 30));
}

sub sign_in ($person, $address) { return try_code($person, $address, good($person)) }

# A code that is not good, a step ahead or behind either.
sub bad ($person) {
    my %good = map { $person->app->code_of(int(time / 30) + $_) => 1 } -3 .. 3;
    return (grep { !$good{$_} } '000000', '111111', '222222', '333333', '444444', '555555', '666666', '777777')[0];
}

# A person with a second factor who has signed in with it from there.
sub person (@addresses) {
    my $person = $service->user->enrol;
    is brief(sign_in($person, $_)), '200', "somebody who has signed in from $_" for @addresses;
    return $person;
}

# So many tries of strangers, each from a network of its own; how often each answer was given.
sub strangers ($person, $count) {
    my %answer;
    for my $number (1 .. $count) {
        my $address = sprintf '172.16.%d.1', $number;
        $answer{ brief(try_code($person, $address, bad($person))) }++;
    }
    return \%answer;
}

# The same attempt from several processes at once.
sub at_once ($each, $attempt) {
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

# --- tests ----------------------------------------------------------------------------------------------

subtest 'strangers who know the password' => sub {
    my $ann = person(HOME, OFFICE);
    is_deeply strangers($ann, 8), { '401 invalid_code' => 5, '429 rate_limited' => 3 }, 'have five tries, wherever they come from';
    my $refused = try_code($ann, '172.16.99.1', bad($ann));
    ok pause($refused) > 0 && pause($refused) <= 30, 'then there is a pause' or diag pause($refused);
    is brief(sign_in($ann, HOME)),   '200', 'she does not wait where she has signed in before';
    is brief(sign_in($ann, OFFICE)), '200', 'nor where else she has';
    is brief(try_code($ann, '172.16.99.1', bad($ann))), '429 rate_limited', 'which gives the strangers no more tries';
    is brief(sign_in($ann, '192.0.2.1')), '429 rate_limited', 'from a new place she waits with them';
    is brief(ask('192.0.2.1', 'POST', '/v1/auth/login/second-factor', { mfa_token => begin($ann, '192.0.2.1'), recovery_code => ($ann->recovery_codes)[0] })), '200', 'but not with a recovery code';
    is brief(sign_in($ann, '192.0.2.1')), '200', 'and then that place is known, too';
    is_deeply [map { $_ > 30 ? 'longer' : 'short' } map { pause(try_code($ann, "172.16.$_.1", bad($ann))) } 1 .. 2], ['short', 'short'], 'asking during a pause makes it no longer';
};

subtest 'in her own session' => sub {
    my $ben  = person(HOME);
    my $body = sub ($code) { { code => $code } };
    strangers($ben, 6);
    my $token = sign_in($ben, HOME)->{json}{access_token};
    is brief(ask(HOME, 'POST', '/v1/auth/step-up', $body->(good($ben)), token => $token)), '204', 'a proof of identity does not wait either';
    is brief(ask(HOME, 'POST', '/v1/auth/step-up', $body->(bad($ben)), token => $token)), '422 validation_failed', 'a wrong code' for 1 .. 5;
    is brief(ask(HOME, 'POST', '/v1/auth/step-up', $body->(good($ben)), token => $token)), '429 rate_limited', 'five of her own do make her wait';
    is brief(ask('172.16.1.1', 'POST', '/v1/auth/step-up', $body->(good($ben)), token => $token)), '429 rate_limited', 'as the strangers still do';
};

subtest 'each known network for itself' => sub {
    my $cat = person(HOME, OFFICE);
    is brief(try_code($cat, HOME, bad($cat))), '401 invalid_code', 'a wrong code at home' for 1 .. 5;
    is brief(sign_in($cat, HOME)), '429 rate_limited', 'then a pause there';
    is brief(sign_in($cat, OFFICE)), '200', 'not at work';
    is brief(sign_in($cat, HOME)), '429 rate_limited', 'which does not end the one at home';
    is brief(try_code($cat, '172.16.1.1', bad($cat))), '401 invalid_code', 'nor is it one for all others';
    my $age = sub { $root->do(q{update pets.known_network set code_tried_at = code_tried_at - make_interval(secs => ?) where account_id = ?}, undef, $_[0], $cat->id) };
    $age->(30);
    is brief(try_code($cat, HOME, bad($cat))), '401 invalid_code', 'half a minute later there is one try';
    my $longer = pause(sign_in($cat, HOME));
    ok $longer > 30 && $longer <= 60, 'and the next pause is twice as long' or diag $longer;
    $age->(60);
    is brief(sign_in($cat, HOME)), '200', 'after it the right code is good';
    is_deeply [map { brief(try_code($cat, HOME, bad($cat))) } 1 .. 6], [('401 invalid_code') x 5, '429 rate_limited'], 'and all is forgiven: five more';
};

subtest 'a network that is known no more' => sub {
    my $dan = person(HOME);
    strangers($dan, 6);
    $root->do(q{update pets.known_network set last_seen = now() - interval '91 days' where account_id = ?}, undef, $dan->id);
    is brief(sign_in($dan, HOME)), '429 rate_limited', 'is like any other';
};

subtest 'an operator lets somebody in' => sub {
    my $eve = person(HOME);
    try_code($eve, HOME, bad($eve)) for 1 .. 5;
    strangers($eve, 5);
    is brief(sign_in($eve, $_)), '429 rate_limited', "she waits, from $_" for HOME, '172.16.1.1';
    my $out = Pets::Service::petsctl('-c', $service->ops_config, 'user', 'unlock', $eve->id, '--reason', 'she has called');
    like $out, qr/^[1-9]\d* counts of failed attempts forgotten$/, 'petsctl user unlock forgets them';
    is brief(sign_in($eve, HOME)), '200', 'then not';
    is brief(try_code($eve, '172.16.1.1', bad($eve))), '401 invalid_code', 'nor from elsewhere';
};

subtest 'many at once' => sub {
    my $fay = person(HOME);
    my @tokens = map { [map { begin($fay, '10.9.9.9') } 1 .. 6] } 1 .. CLIENTS;
    my @home   = map { [map { begin($fay, HOME) } 1 .. 6] } 1 .. CLIENTS;
    my $wrong  = bad($fay);
    is_deeply at_once(6, sub ($client, $n) { second($tokens[$client - 1][$n - 1], "172.17.$client.$n", $wrong) }), { '401 invalid_code' => 5, '429 rate_limited' => 19 }, 'strangers: five of twenty-four are looked at';
    is_deeply at_once(6, sub ($client, $n) { second($home[$client - 1][$n - 1], HOME, $wrong) }), { '401 invalid_code' => 5, '429 rate_limited' => 19 }, 'from a network that is known: five, too';
};

is scalar(grep { /class="5xx"/ && $auth->metrics->{$_} } keys $auth->metrics->%*), 0, 'nothing went wrong inside';
$root->disconnect;
done_testing;
