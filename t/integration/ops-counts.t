# What is counted: after N requests exactly N, by route, method and class, in the status and in the metrics, with
# histograms that agree; and no total ever goes back, whatever happens to workers.
use v5.36;
use Pets::Env qw(wait_until random_hex);
use Pets::Ops qw(parse_metrics check_histograms);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(hosts => 1, config => { api => { pool => { workers => 2 } } });
$service->make_secrets->start_database->start_pools;
my ($api, $auth) = ($service->api, $service->auth);

sub metrics ($pool) {
    my $metrics = parse_metrics($pool->ops('/metrics')->{body});
    check_histograms($metrics, 'pets_request_duration_seconds');
    return $metrics;
}

# route, method and class => how many, of what is not 0 and not of the ops routes.
sub requests ($metrics) {
    my %count;
    for my $sample (@{ $metrics->{samples}{pets_requests_total} }) {
        my %labels = %{ $sample->{labels} };
        next if !$sample->{value} || $labels{route} =~ m{\A/(?:live|ready|status|metrics)\z};
        $count{"$labels{method} $labels{route} $labels{class}"} = $sample->{value};
    }
    return \%count;
}

# --- a person ---

my $email    = 'ann.' . random_hex(4) . '@example.org';
my $password = 'the password of ann';
my $door     = $auth->connect;
is $door->request(method => 'POST', uri => '/v1/auth/register', body => { email => $email, password => $password, display_name => 'Ann' })->{status},
    201, 'registered';
my $token = $door->request(method => 'POST', uri => '/v1/auth/login', body => { email => $email, password => $password })->{json}{access_token};
ok $token, 'logged in';
is_deeply requests(metrics($auth)), { 'POST /v1/auth/register 2xx' => 1, 'POST /v1/auth/login 2xx' => 1 }, 'the auth pool has counted these';
is metrics($auth)->{value}{pets_password_hashes_total}, 2, 'and two hashes';
is $door->request(method => 'POST', uri => '/v1/auth/login', body => { email => $email, password => 'not that of ann' })->{status}, 401, 'a guess';
is metrics($auth)->{value}{pets_logins_failed_total}, 1, 'is counted';
is metrics($auth)->{value}{pets_signing_key_published_seconds}, (stat glob $service->public_keys_dir . '/*.pub.pem')[9], 'the key says since when it signs';
is metrics($api)->{value}{pets_signing_key_published_seconds}, undef, '... where one does';

# --- N requests ---

my $connection = $api->connect;
my $create     = $connection->request(method => 'POST', uri => '/v1/pets', token => $token, body => { name => 'Rex', species => 'dog' });
is $create->{status}, 201, 'a pet';
my $path = "/v1/pets/$create->{json}{id}";
my %ask  = (
    list     => [11, uri => '/v1/pets'],
    read     => [7,  uri => $path],
    same     => [5,  uri => $path, if_none_match => '"1"'],
    nobody   => [3,  uri => $path, token => undef],
    unknown  => [4,  uri => '/v1/nothing'],
    invalid  => [2,  uri => '/v1/pets', method => 'POST', body => {}],
    head     => [6,  uri => $path, method => 'HEAD'],
    not_here => [1,  uri => $path, method => 'POST', body => {}],
);
for my $what (sort keys %ask) {
    my ($times, %request) = @{ $ask{$what} };
    for (1 .. $times) {
        my $fresh = $_ % 3 == 0 ? $api->connect : $connection;    # of both workers
        $fresh->request(token => $token, %request);
    }
}
my %expected = (
    'GET /v1/pets 2xx'      => 11,
    'GET /v1/pets/{id} 2xx' => 13,
    'GET /v1/pets/{id} 3xx' => 5,
    'GET /v1/pets/{id} 4xx' => 3,
    'POST /v1/pets 2xx'     => 1,
    'POST /v1/pets 4xx'     => 2,
    'none none 4xx'         => 5,
);
my $metrics = metrics($api);
is_deeply requests($metrics), \%expected, 'each is counted once, by route, method and class';
my %histogram;
for my $sample (@{ $metrics->{samples}{pets_request_duration_seconds_count} }) {
    $histogram{"$sample->{labels}{method} $sample->{labels}{route}"} = $sample->{value};
}
my %by_route;
for my $sample (@{ $metrics->{samples}{pets_requests_total} }) {
    $by_route{"$sample->{labels}{method} $sample->{labels}{route}"} += $sample->{value};
}
is_deeply \%histogram, \%by_route, 'histograms hold as many as were counted';
cmp_ok $metrics->{value}{'pets_stage_seconds_total{stage="database"}'}, '>', 0, 'time went to the database';
cmp_ok $metrics->{value}{'pets_stage_seconds_total{stage="hash"}'}, '==', 0, 'and none to hashing';
# One signature is verified by each worker that saw the token; all other uses find it in the cache.
my ($verified, $cached) = @{ $metrics->{value} }{qw(pets_tokens_verified_total pets_tokens_cached_total)};
is $verified + $cached, 1 + 11 + 7 + 5 + 2 + 6, 'tokens that were checked';
cmp_ok $verified, '<=', 2, 'most without verifying the signature again';

my $status = $api->status;
is $status->{requests}{total}, 40, 'the status says the same in sum';
is_deeply { map { $_ => $status->{requests}{$_} } qw(2xx 3xx 4xx 5xx unanswered) },
    { '2xx' => 25, '3xx' => 5, '4xx' => 10, '5xx' => 0, unanswered => 0 }, 'by class';
my ($list) = grep { ($_->{route} // '') eq 'GET /v1/pets' } @{ $status->{routes} };
is $list->{'2xx'}, 11, 'and by route';
is scalar(grep { !defined $_->{route} } @{ $status->{routes} }), 1, 'what matched none has a row';
my ($p50, $p99, $max) = @{ $status->{latency_us} }{qw(p50 p99 max_bucket)};
ok $p50 > 0 && $p50 <= $p99 && $p99 <= $max, 'latencies are in order';
like $api->ops('/status?format=text')->{body}, qr/^GET \/v1\/pets +11 +0 +0 +0 +0$/m, 'so does the text';

# --- what has just happened ---

sleep 1;
$api->status;
sleep 1;
$connection->request(uri => '/v1/pets', token => $token) for 1 .. 9;
my $recent = $api->status->{recent};
cmp_ok $recent->{window_ms}, '>=', 1000, 'a look remembers an earlier one';
cmp_ok $recent->{requests}{total}, '>=', 9, 'and tells what came since';

# --- no total goes back ---

sub counters ($metrics) {
    my %value;
    for my $sample (keys %{ $metrics->{samples} }) {
        next if $sample !~ /_(?:total|count|sum|bucket)\z/;
        for (@{ $metrics->{samples}{$sample} }) {
            $value{ Pets::Ops::series($sample, $_->{labels}) } = $_->{value};
        }
    }
    return \%value;
}

sub went_back ($before, $after) {
    return grep { !defined $after->{$_} || $after->{$_} < $before->{$_} } sort keys %$before;
}

my $before = counters(metrics($api));
my ($worker) = grep { $_->{kind} eq 'pool' } @{ $api->status(full => 1)->{processes} };
$api->kill_worker($worker->{pid});
wait_until { my $s = $api->status; $s->{endings}{crashed} == 1 && $s->{workers}{ready} == 2 } 60, 'another worker';
my $after = counters(metrics($api));
is join(' ', went_back($before, $after)), '', 'after the crash of a worker no total has gone back';
is $after->{'pets_worker_endings_total{cause="crashed"}'}, 1, 'the crash is counted';
is requests(metrics($api))->{'GET /v1/pets 2xx'}, 20, 'its requests still are';

$before = $after;
$api->signal('HUP');
wait_until { my $s = $api->status; $s->{reloads} == 1 && $s->{workers}{ready} == 2 && $s->{generation} == 2 } 60, 'another generation';
undef $connection;
$after = counters(metrics($api));
is join(' ', went_back($before, $after)), '', 'after a reload neither';
is $after->{'pets_reloads_total{outcome="done"}'}, 1, 'the reload is counted';
is requests(metrics($api))->{'GET /v1/pets 2xx'}, 20, 'and nothing twice';

done_testing;
