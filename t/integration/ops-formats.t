# What the ops socket says: alive and ready, the status as JSON, text and a page, the metrics; and how a format is
# chosen.
use v5.36;
use utf8;
use Pets::Env qw(wait_until);
use Pets::Ops qw(parse_metrics parse_page check_histograms);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(hosts => 1, config => { both => { pool => { workers => 2 }, database => { connections => 2 } } });
$service->make_secrets->start_database->start_pools;
my $api = $service->api;
# A worker serves with its first connection, and makes the others afterwards.
for my $pool ($api, $service->auth) {
    wait_until { $pool->status->{database_connections} == 4 } 60, 'all connections to the database';
}

for my $pool ($api, $service->auth) {
    my $name  = $pool->name;
    my $reply = $pool->ops('/live');
    is $reply->{status}, 200, "$name: alive";
    is_deeply $reply->{json}, { status => 'live' }, "$name: and says so";
    $reply = $pool->ops('/ready');
    is $reply->{status}, 200, "$name: ready";
    is $reply->{json}{status}, 'ready', "$name: and says so";
    like $reply->{json}{schema_version}, qr/\A[1-9]\d*\z/, "$name: with the version of the schema";
}

subtest 'which format' => sub {
    my %type = (json => 'application/json', text => 'text/plain; charset=utf-8', html => 'text/html; charset=utf-8');
    my @rows = (
        ['/status',             undef,                                            'json'],
        ['/status',             '*/*',                                            'json'],
        ['/status',             'text/*',                                         'text'],
        ['/status',             'text/plain',                                     'text'],
        ['/status',             'text/html,application/xhtml+xml,*/*;q=0.8',      'html'],
        ['/status',             'application/json;q=0.5, text/plain;q=0.4',       'json'],
        ['/status',             'application/json;q=0.1, text/html;q=0.9',        'html'],
        ['/status?format=text', 'text/html',                                      'text'],
        ['/status?format=html', undef,                                            'html'],
        ['/status?format=json', 'image/png',                                      'json'],
        ['/status?format=json', 'text/html',                                      'json'],
        ['/status?full',        'text/plain',                                     'text'],
        ['/status?full=1&format=json', undef,                                     'json'],
    );
    for my $row (@rows) {
        my ($uri, $accept, $format) = @$row;
        my $reply = $api->ops($uri, accept => $accept);
        my $name  = "$uri, " . ($accept // 'no Accept');
        is $reply->{status}, 200, "$name: 200";
        is $reply->{headers}{'content-type'}, $type{$format}, "$name: $format";
        is $reply->{headers}{vary}, 'Accept', "$name: Vary";
    }
    my $reply = $api->ops('/status', accept => 'image/png');
    is $reply->{status}, 406, 'nothing that is offered';
    is $reply->{json}{code}, 'not_acceptable', 'a problem';
    like $reply->{json}{detail}, qr{text/html}, 'that says what is';
    for my $query ('format=xml', 'full=yes', 'full=2', 'x', 'format', 'format=json&format=text') {
        is $api->ops("/status?$query")->{json}{code}, 'invalid_parameter', "?$query is refused";
    }
    is $api->ops('/status', method => 'POST')->{status}, 405, 'POST';
    is $api->ops('/status', method => 'POST')->{headers}{allow}, 'GET, HEAD, OPTIONS', 'POST: Allow';
    is $api->ops('/status', method => 'HEAD')->{body}, '', 'HEAD has no body';
    is $api->ops('/v1/pets')->{status}, 404, 'routes of the pool are not here';
    is $api->connect->request(uri => '/status')->{status}, 404, 'nor the other way round';
};

subtest 'JSON' => sub {
    my $status = $api->status;
    is $status->{pool}, 'api', 'pool';
    like $status->{version}, qr/\A\d+\.\d+\.\d+/, 'version';
    is $status->{health}, 'ok', 'health' or diag $status->{reason};
    is $status->{reason}, undef, 'no reason';
    is $status->{pid}, $api->master, 'pid of the master';
    is $status->{generation}, 1, 'generation';
    cmp_ok abs($status->{started_at_s} + $status->{uptime_s} - time), '<', 5, 'start and uptime';
    is_deeply $status->{workers}, { starting => 0, ready => 2, retiring => 0, draining => 0 }, 'workers';
    is $status->{database_connections}, 4, 'connections to the database';
    is_deeply $status->{listen_queue}, { length => 0, limit => 511 }, 'listen queue';
    cmp_ok $status->{rss_bytes}, '>', 2**20, 'memory';
    ok !exists $status->{processes}, 'no processes without full';
    is_deeply [map { $_->{kind} } @{ $api->status(full => 1)->{processes} }], [qw(pool pool ops)], 'processes with full';
    for my $process (@{ $api->status(full => 1)->{processes} }) {
        ok((grep { $_ == $process->{pid} } $api->workers), "$process->{pid} is a worker");
        is $process->{state}, 'ready', "$process->{pid}: ready";
        cmp_ok $process->{alive_ms}, '<', 2000, "$process->{pid}: alive";
        cmp_ok $process->{rss_bytes}, '>', 2**20, "$process->{pid}: memory";
        next if $process->{kind} eq 'pool';
        is_deeply [map { $_->{route} } @{ $process->{in_flight} }], ['GET /status'], 'the ops worker answers just this';
    }
};

subtest 'text' => sub {
    my $text = $api->ops('/status?format=text&full')->{body};
    like $text, qr/\Apets-api \S+   pool api   ok\n/, 'the first line says what and how';
    is scalar(grep { length > 140 } split /\n/, $text), 0, 'no line is longer than 140';
    like $text, qr/^workers +0 starting, 2 ready,/m, 'workers';
    like $text, qr/^$_ +(?:pool|ops) +ready /m, "worker $_" for $api->workers;
    unlike $text, qr/[ \t]$/m, 'no blanks at the end of a line';
};

subtest 'page' => sub {
    my $reply    = $api->ops('/status?format=html');
    my $elements = eval { parse_page($reply->{body}) };
    ok $elements, 'well-formed' or return diag $@;
    my %by_id  = map { $_->{attributes}{id} ? ($_->{attributes}{id} => $_) : () } @$elements;
    my %by_name;
    push @{ $by_name{ $_->{name} } }, $_ for @$elements;
    is $by_id{health}{text}, 'ok', 'health';
    ok $by_id{"pid-$_"}, "a tile of worker $_" for $api->workers;
    ok $by_id{$_}, $_ for qw(latency stages routes counters);
    is_deeply [map { $_->{attributes}{content} } grep { ($_->{attributes}{'http-equiv'} // '') eq 'refresh' } @{ $by_name{meta} }], ['2'],
        'renews itself';
    ok !$by_name{$_}, "no $_" for qw(script link img iframe object);
    is scalar(grep { grep { /\Aon/ } keys %{ $_->{attributes} } } @$elements), 0, 'no event handlers';
    unlike $reply->{body}, qr{(?:src|href)="(?:https?:)?//|url\(|\@import}, 'nothing from elsewhere';
    like $by_name{style}[0]{text}, qr/prefers-color-scheme:dark/, 'light and dark';
    cmp_ok length $reply->{body}, '<', 32_768, 'small';
};

subtest 'metrics' => sub {
    for my $pool ($api, $service->auth) {
        my $name  = $pool->name;
        my $reply = $pool->ops('/metrics');
        is $reply->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', "$name: type";
        my $metrics = eval { parse_metrics($reply->{body}) };
        ok $metrics, "$name: the format is kept" or diag $@;
        ok eval { check_histograms($metrics, 'pets_request_duration_seconds') }, "$name: so are histograms" or diag $@;
        my ($build) = @{ $metrics->{samples}{pets_build_info} };
        is $build->{labels}{pool}, $name, "$name: named";
        is $metrics->{value}{'pets_workers{state="ready"}'}, 2, "$name: workers";
        is $metrics->{value}{pets_database_connections_ready}, 4, "$name: connections to the database";
        is $metrics->{value}{pets_listen_queue_limit}, 511, "$name: listen queue";
        my %routes = map { $_->{labels}{route} => 1 } @{ $metrics->{samples}{pets_requests_total} };
        is !!$routes{'/v1/pets'}, $name eq 'api', "$name: routes of this pool alone";
        ok $routes{'/metrics'} && $routes{none}, "$name: those of the ops worker, and what is no route";
    }
};

done_testing;
