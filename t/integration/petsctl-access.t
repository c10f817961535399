# petsctl for whoever is locked out, with the whole service: unlock, reset-link and reset-mfa, each recorded with who
# did it and why. What an operator sees is a link that is good once; never a password, nor a second factor.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run spew slurp);
use Pets::Service;
use Test::More;

my %small   = (own_burst => 3, own_drain_s => 3600, account_burst => 4, account_drain_s => 3600);
my $service = Pets::Service->new(config => { auth => { throttle => {%small} } })->start;
my $root    = $service->database->dbh;
my $config  = $service->ops_config;
my $me      = getpwuid $<;
my @why     = ('--reason', 'asked for in person');
my $client  = $service->client;

sub petsctl (@arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $config, @arguments], timeout => 60);
    return ($status >> 8, $out, $err);
}

sub event_ok ($action, $target, %detail) {
    my ($found, $detail) = $root->selectrow_array('select action, detail from pets.audit_event where target_id = ? and actor_id is null order by id desc limit 1', undef, $target);
    is $found, $action, "it is recorded: $action";
    is_deeply JSON::PP->new->decode($detail // '{}'), { operator => $me, reason => 'asked for in person', %detail }, 'with who did it, and why';
    return;
}

sub login_status ($person, $password = $person->password) {
    return $client->post('/v1/auth/login', { email => $person->email, password => $password })->status;
}

# Wrong passwords, until there may be no more.
sub guess ($person) {
    my @statuses;
    push @statuses, login_status($person, 'a wrong and long password') while @statuses < 10 && ($statuses[-1] // 0) != 429;
    like "@statuses", qr/\A(?:401 )+429\z/, 'guessing is refused after a while';
    return;
}

subtest 'unlock' => sub {
    my $ann = $service->user;
    guess($ann);
    is login_status($ann), 429, 'then not even the right one';
    my ($status, $out, $err) = petsctl('user', 'unlock', $ann->id, @why);
    is $status, 0, 'unlocked' or diag $err;
    like $out, qr/\A[1-9] counts of failed attempts forgotten\n\z/, 'and says what was forgotten';
    event_ok 'authn_login_unlock', $ann->id;
    is login_status($ann), 200, 'she logs in';

    my $ben = $service->user;
    $root->do('delete from pets.known_network where account_id = ?', undef, $ben->id);
    guess($ben);
    is login_status($ben), 429, 'from a network that is not known';
    petsctl('user', 'unlock', $ben->email, @why);
    is login_status($ben), 429, 'whose own count stays';
    is((petsctl('user', 'unlock', $ben->email, '--address', '127.0.0.1', @why))[0], 0, 'unlocked with the network');
    is login_status($ben), 200, 'he logs in';
    is((petsctl('user', 'unlock', $ben->email, '--address', 'nonsense', @why))[0], 2, 'an address that is none');
    is((petsctl('user', 'unlock', 'nobody@example.org', @why))[0], 3, 'nobody');
    is((petsctl('user', 'unlock', $ben->email))[0], 2, 'no reason');
    petsctl('user', 'unlock', $ben->email, @why);
    is((petsctl('user', 'unlock', $ben->email, @why))[1], "0 counts of failed attempts forgotten\n", 'nothing to forget');
};

subtest 'reset-link' => sub {
    my $ann = $service->user;
    my ($status, $out, $err) = petsctl('user', 'reset-link', $ann->id, '--json', @why);
    is $status, 0, 'made' or diag $err;
    my $link = JSON::PP->new->decode($out);
    like $link->{token}, qr/\Apl_[\w-]{43}\z/, 'a token';
    is $link->{link}, undef, 'nobody has said where links lead';
    event_ok 'authn_token_created', $ann->id, entitlement => 'password_reset';
    my $confirm = sub { $client->post('/v1/auth/password-reset/confirm', { token => $link->{token}, password => 'what no operator has seen' })->status };
    is $confirm->(), 204, 'it sets another password';
    is $confirm->(), 410, 'once';
    is $ann->get('/v1/me')->status, 401, 'her sessions have ended';
    is login_status($ann, 'what no operator has seen'), 200, 'she logs in with it';
    ($status, $out, $err) = petsctl('user', 'reset-link', $ann->id, @why);
    like $out, qr/\Atoken +pl_[\w-]{43}\nexpires_at +\S+Z\n\z/, 'for people, too';
    like $err, qr/\Apetsctl: the link is mail\.link_base, /, 'who are told what to do with it';
    unlike $err, qr/pl_/, 'without the token';
    spew("$config.links", slurp($config) . "[mail]\nlink_base = https://pets.test/account\n", 0600);
    my $whole = sub (@more) { run([bin('petsctl'), '-c', "$config.links", 'user', 'reset-link', $ann->id, @why, @more], timeout => 60) };
    ($status, $out, $err) = $whole->();
    like $out, qr{\Alink +https://pets\.test/account/reset-password#pl_[\w-]{43}\nexpires_at +\S+Z\n\z}, 'the whole link, when it is known where it leads';
    is $err, '', 'and nothing to add';
    ($status, $out) = $whole->('--json');
    my $both = JSON::PP->new->decode($out);
    is $both->{link}, "https://pets.test/account/reset-password#$both->{token}", 'the same for programs';
    is $client->post('/v1/auth/password-reset/confirm', { token => ($both->{link} =~ /#(.*)/)[0], password => 'what no operator has seen, either' })->status, 204, 'which is good';
    spew("$config.links", slurp($config) . "[mail]\nlink_base = http://pets.test/account\n", 0600);
    ($status, $out, $err) = $whole->();
    is $status >> 8, 1, 'an address that is not https';
    like $err, qr/mail\.link_base/, 'is refused';
    petsctl('user', 'disable', $ann->id, @why);
    is((petsctl('user', 'reset-link', $ann->id, @why))[0], 1, 'none for a disabled account');
};

subtest 'reset-mfa' => sub {
    my $ann = $service->user->enrol;
    is $client->post('/v1/auth/login', { email => $ann->email, password => $ann->password })->json->{mfa_required}, JSON::PP::true, 'she has a second factor';
    my ($status, $out, $err) = petsctl('user', 'reset-mfa', $ann->id, @why);
    is $status, 0, 'taken away' or diag $err;
    event_ok 'user_updated', $ann->id, second_factor => 'removed', sessions => 1;
    is $ann->get('/v1/me')->status, 401, 'her session has ended';
    my $again = $client->login($ann->email, $ann->password);
    is $again->get('/v1/me')->status, 200, 'the password is enough';
    ok $again->enrol, 'and she may have another';
    is $root->selectrow_array('select count(*) from pets.recovery_code where account_id = ?', undef, $ann->id), scalar(my @codes = $again->recovery_codes), 'with codes of its own alone';
    is $root->selectrow_array('select count(*) from pets.mail_outbox'), 0, 'without mail nobody is told';
    spew("$config.mail", slurp($config) . "[mail]\nmode = on\n", 0600);
    ($status) = run([bin('petsctl'), '-c', "$config.mail", 'user', 'reset-mfa', $ann->id, @why], timeout => 60);
    is $status, 0, 'with mail';
    is $root->selectrow_array('select kind from pets.mail_outbox where account_id = ?', undef, $ann->id), 'second_factor_changed', 'she is told';
    ($status, $out, $err) = petsctl('user', 'reset-mfa', $ann->id, @why);
    is "$status $out$err", "0 petsctl: there is no second factor\n", 'again: nothing to do';
};

$root->disconnect;
done_testing;
