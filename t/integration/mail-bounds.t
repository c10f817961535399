# However often somebody registers an address, and from however many networks, it is sent a few messages and no more;
# whoever asks is answered the same each time, and alike whether there is an account. Counted exactly, one after the
# other and many at once. A link that an administrator makes is whole where it is known where links lead.
use v5.36;
use JSON::PP ();
use Pets::Env qw(slurp);
use Pets::FastCGI;
use Pets::Service;
use Test::More;

use constant { MOST => 3, DRAIN_S => 3600 };

my $service = Pets::Service->new(mail => 1, config => { auth => {
    pool     => { workers => 2, request_timeout_ms => 60_000, kill_timeout_ms => 120_000 },
    database => { connections => 8 },
    password => { hash_queue => 64 },
    throttle => { mailbox_burst => MOST, mailbox_drain_s => DRAIN_S },
    mail     => { link_base => 'https://pets.test/account' },
} })->start;
my $root    = $service->database->dbh;
my $secret  = 'correct horse battery staple';
my $known   = $service->user(email => 'ann@example.org', password => $secret);
my $network = 0;

sub body ($email) { return { email => $email, password => $secret, display_name => 'Somebody' } }
sub address ()    { return '198.51.' . ++$network % 250 . '.7' }

# An answer without what differs between any two.
sub shape ($reply) {
    my %headers = %{ $reply->{headers} };
    delete @headers{qw(date x-request-id ratelimit)};
    return JSON::PP->new->canonical->encode([$reply->{status}, \%headers, $reply->{body} =~ s/"trace_id":"[^"]*"//r]);
}

# Registers each from a network of its own; returns the different answers.
my $connection = $service->auth->connect(timeout => 60);
sub register (@emails) {
    my %shapes;
    $shapes{ shape($connection->request(method => 'POST', uri => '/v1/auth/register', address => address(), body => body($_))) }++ for @emails;
    return sort keys %shapes;
}

# The same at once, on a connection each; how many of each status.
sub at_once (@emails) {
    my @connections = map { $service->auth->connect(timeout => 60) } @emails;
    $connections[$_]->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/register', address => address(), body => body($emails[$_]))) for 0 .. $#emails;
    my %count;
    $count{ $_->response(1)->{status} }++ for @connections;
    return \%count;
}

sub sent () {
    my %count;
    $count{ lc $_->{to} }++ for $service->mail;
    return \%count;
}

# A bucket as it will be so many seconds later.
sub later ($seconds) {
    $root->do(q{update pets.throttle set empty_at = empty_at - make_interval(secs => ?)}, undef, $seconds);
    return;
}

# What was asked for since the last look, as { taken/told => how many }.
sub asked () {
    state $last = 0;
    my $rows = $root->selectall_arrayref(q{select id, (detail->>'taken') || '/' || (detail->>'told') from pets.audit_event where action = 'user_registration_requested' and id > $1 order by id}, undef, $last);
    $last = $rows->[-1][0] if @$rows;
    my %count;
    $count{ $_->[1] }++ for @$rows;
    return \%count;
}

sent();
later(10 * DRAIN_S);
asked();

subtest 'one after the other' => sub {
    my @answers = register(map { ('ann@example.org', 'nobody@example.org') } 1 .. MOST + 4);
    is scalar @answers, 1, 'always the same answer' or diag "@answers";
    like $answers[0], qr{\A\["202",}, 'accepted';
    is_deeply sent(), { 'ann@example.org' => MOST, 'nobody@example.org' => MOST }, 'and so many messages, to either address';
    is_deeply asked(), { 'true/true' => MOST, 'false/true' => MOST, 'true/false' => 4, 'false/false' => 4 }, 'the record says which of them were';
    register(map { ($_, uc) } 'ann@example.org', 'Nobody@example.org');
    is_deeply sent(), {}, 'none more, whatever the case';
    register('other@example.org', 'nobody@example.com');
    is_deeply sent(), { 'other@example.org' => 1, 'nobody@example.com' => 1 }, 'other addresses are not concerned';
    is $root->selectrow_array(q{select count(*) from pets.mail_outbox where recipient is not null or link_id is not null}), 0, 'nothing is left of what was not sent';
};

subtest 'as time goes by' => sub {
    later(DRAIN_S);
    register(('ann@example.org', 'nobody@example.org') x 4);
    is_deeply sent(), { 'ann@example.org' => 1, 'nobody@example.org' => 1 }, 'one more after a while';
    later(DRAIN_S * MOST);
    register(('ann@example.org') x (MOST + 2));
    is_deeply sent(), { 'ann@example.org' => MOST }, 'and as many as at first after a longer one';
    later(DRAIN_S * MOST);
    asked();
};

subtest 'many at once' => sub {
    for my $round (1 .. 2) {
        is_deeply at_once(map { ('ann@example.org', "race$round\@example.org") } 1 .. 12), { 202 => 24 }, "round $round: all are answered alike";
        is_deeply sent(), { 'ann@example.org' => MOST, "race$round\@example.org" => MOST }, "round $round: so many messages, exactly";
        is_deeply asked(), { 'true/true' => MOST, 'false/true' => MOST, 'true/false' => 12 - MOST, 'false/false' => 12 - MOST }, "round $round: as the record says";
        later(DRAIN_S * MOST);
    }
};

subtest 'what is not concerned' => sub {
    register(('ann@example.org') x (MOST + 1));
    is $connection->request(method => 'POST', uri => '/v1/auth/password-reset', address => address(), body => { email => 'ann@example.org' })->{status}, 202, 'a new password is asked for';
    is_deeply sent(), { 'ann@example.org' => MOST + 1 }, 'and its link is sent';
    is $service->client->login('ann@example.org', $secret)->get('/v1/me')->status, 200, 'signing in is as ever';
    my @logged = grep { /"event":"excess_rate_limit_exceeded"/ } map { split /\n/, slurp($_->log_file) } $service->auth->pools;
    is scalar(grep { !/"kind":"mailbox"/ || !/"bucket":"account"/ } @logged), 0, 'the log has these refusals alone';
    is scalar @logged, $root->selectrow_array(q{select count(*) from pets.audit_event where action = 'user_registration_requested' and not (detail->>'told')::boolean}), 'each of them';
    is scalar(grep { /ann\@|nobody\@|race\d\@/i } @logged), 0, 'and no address';
};

subtest 'a link of an administrator' => sub {
    my $admin = $service->admin;
    my $made  = $admin->post('/v1/users/' . $known->id . '/reset-link', { reason => 'seen at the desk' });
    is $made->status, 201, 'made' or return diag $made->summary;
    is $made->json->{link}, 'https://pets.test/account/reset-password#' . $made->json->{token}, 'whole';
};

$root->disconnect;
done_testing;
