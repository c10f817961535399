# Two hosts behind one nginx: the same database and keys, each with both pools of its own. What one host is told the
# other knows at the next request, limits are exact over both, what is good once is good once; and one host can be
# stopped, killed and started while people work.
use v5.36;
use Pets::Client;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Pets::Load;
use Pets::Service;
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new(
    hosts  => 2,
    config => { auth => { throttle => { own_burst => 6, own_drain_s => 3600 } }, api => { pool => { workers => 2 } } },
    nginx  => { plain_api => 1 },
)->start;
my $super = $service->database->dbh;
my (@api, @auth);
@api  = $service->api->pools;
@auth = $service->auth->pools;

# One request to a pool of a certain host.
sub at ($pool, $method, $uri, $body = undef, %option) {
    return Pets::FastCGI->get($pool->socket_path, $uri, method => $method, timeout => 30, defined $body ? (body => $body) : (), %option);
}

# What the two hosts answer to the same request, in brief.
sub both ($pools, @request) {
    return [map { my $reply = at($_, @request); join ' ', $reply->{status} // 'nothing', $reply->{json}{code} // () } @$pools];
}

# How many lists of pets a pool has been asked for.
sub lists ($pool) {
    my $metrics = $pool->metrics;
    my $sum     = 0;
    $sum += $metrics->{$_} for grep { /\Apets_requests_total\{route="\/v1\/pets",method="GET",/ } keys %$metrics;
    return $sum;
}

subtest 'sessions' => sub {
    my $ann = $service->user;
    is_deeply both(\@api,  GET => '/v1/pets', undef, token => $ann->token), [200, 200], 'a token of one host is good at both';
    is_deeply both(\@auth, GET => '/v1/me',   undef, token => $ann->token), [200, 200], '... and of both pools';
    is at($auth[1], POST => '/v1/auth/logout', undef, token => $ann->token)->{status}, 204, 'a logout at one host';
    is_deeply both(\@api, GET => '/v1/pets', undef, token => $ann->token), [('401 session_ended') x 2], 'acts on the next request at both';

    my ($ben, $admin) = ($service->user, $service->admin);
    is_deeply both(\@api, GET => '/v1/pets', undef, token => $ben->token), [200, 200], 'somebody else';
    is at($auth[0], PATCH => '/v1/users/' . $ben->id, { state => 'disabled', reason => 'asked for' }, token => $admin->token, type => 'application/merge-patch+json', if_match => '"1"')->{status}, 200, 'who is disabled at one host';
    is_deeply [map { /\A40[13] / ? 1 : $_ } both(\@api, GET => '/v1/pets', undef, token => $ben->token)->@*], [1, 1], '... is out at both';
};

subtest 'refresh tokens' => sub {
    my $ann = $service->user;
    my @replies = map { at($_, POST => '/v1/auth/refresh', { refresh_token => $ann->refresh_token }) } @auth;
    is_deeply [map { $_->{status} } @replies], [200, 200], 'one that was used at one host is answered at the other';
    my ($next, $same) = map { $_->{json}{refresh_token} } @replies;
    is $same, $next, '... with the same successor';
    is at($auth[1], POST => '/v1/auth/refresh', { refresh_token => $next })->{status}, 200, 'which is used at the other host';
    my @stolen = both(\@auth, POST => '/v1/auth/refresh', { refresh_token => $ann->refresh_token });
    unlike "$stolen[0]->@*", qr/\b200\b/, 'the first one again is refused at both';
    is_deeply both(\@api, GET => '/v1/pets', undef, token => $ann->token), [('401 session_ended') x 2], 'and has ended the session at both';
};

subtest 'idempotency keys' => sub {
    my $ann = $service->user;
    my @one = (POST => '/v1/pets', { name => 'Once', species => 'dog' }, token => $ann->token);
    my @replies = map { at($_, @one, params => { HTTP_IDEMPOTENCY_KEY => '"both hosts"' }) } @api, @api;
    is_deeply [map { $_->{status} } @replies], [(201) x 4], 'the same request at both hosts, twice';
    is scalar(keys %{ { map { $_->{json}{id} => 1 } @replies } }), 1, 'is answered with the same pet';
    is at($api[1], POST => '/v1/pets', { name => 'Other', species => 'dog' }, token => $ann->token, params => { HTTP_IDEMPOTENCY_KEY => '"both hosts"' })->{json}{code},
        'idempotency_key_reused', 'another request with that key is refused at the other host';
    is $super->selectrow_array('select count(*) from pets.pet where owner_id = $1', undef, $ann->id), 1, 'there is one pet';
};

subtest 'cursors' => sub {
    my $ann = $service->user;
    $service->pet($ann, name => "Pet $_") for 1 .. 3;
    my $page = at($api[0], GET => '/v1/pets?limit=2', undef, token => $ann->token);
    my ($next) = ($page->{headers}{link} // '') =~ /<([^>]+)>; *rel="next"/;
    is at($api[1], GET => $next, undef, token => $ann->token)->{json}{items}[0]{name}, 'Pet 1', 'a page of one host is continued at the other';
};

subtest 'guessing' => sub {
    my $ann = $service->user;
    my @said;
    for my $try (1 .. 10) {
        my $reply = at($auth[$try % 2], POST => '/v1/auth/login', { email => $ann->email, password => 'not her password' }, address => '203.0.113.9');
        push @said, $reply->{status};
    }
    is_deeply \@said, [(401) x 6, (429) x 4], 'six attempts, by whichever host, and no more';
};

subtest 'each host has its share' => sub {
    my $ann = $service->user;
    my @before = map { lists($_) } @api;
    $ann->get('/v1/pets') for 1 .. 20;
    my @asked = map { lists($api[$_]) - $before[$_] } 0, 1;
    is $asked[0] + $asked[1], 20, 'twenty requests';
    cmp_ok $_, '>=', 5, "$_ by one host" for @asked;
};

subtest 'a host is stopped and started again' => sub {
    my $load = Pets::Load->new($service, people => 4)->start;
    $load->go_on(100);
    $_->signal('TERM') for $api[1], $auth[1];
    is $_->process->wait(30), 0, 'pool ' . $_->name . ' of the second host ends in order' for $api[1], $auth[1];
    $load->go_on(100);
    ok $service->user, 'people register and log in meanwhile';
    $_->start for $api[1], $auth[1];
    wait_until { lists($api[1]) > 20 } 30, 'the host to get its share again';
    my $tally = $load->finish;
    is_deeply [sort keys $tally->{count}->%*], ['GET 200', 'POST 201'], 'every answer was good' or diag explain $tally->{count};
    $load->all_true($tally, 'stop');
};

subtest 'a host is lost' => sub {
    my $load = Pets::Load->new($service, people => 4)->start;
    $load->go_on(100);
    my @gone = map { ($_->workers, $_->master) } $api[1], $auth[1];
    kill KILL => @gone;
    $load->go_on(200);
    ok $service->user, 'people register and log in';
    my $tally = $load->finish;
    is_deeply [grep { !/\A(?:GET 200|POST 201|GET 502|POST 502)\z/ } keys $tally->{count}->%*], [], 'nothing but answers that were lost' or diag explain $tally->{count};
    my $lost = ($tally->{count}{'GET 502'} // 0) + ($tally->{count}{'POST 502'} // 0);
    cmp_ok $lost, '<=', 8, "$lost answers were lost";
    $load->all_true($tally, 'loss');
    $_->start for $api[1], $auth[1];
};

$service->stop;
done_testing;
