# The real thing: Prometheus scrapes both pools of a service through nginx, evaluates the shipped rules, and its
# Alertmanager tells a webhook when a pool is stopped and when it is back. All are instances of this test's own, with the
# shipped configurations; only ports change, and times are shortened: every `for` to 0 s, every interval to a second or less.
use v5.36;
use IO::Socket::INET;
use JSON::PP ();
use Pets::Env qw(src run slurp spawn spew test_dir tool free_port wait_until);
use Pets::Service;
use Test::More;
use YAML::PP;

my $monitoring = src() . '/packaging/monitoring';
my $dir        = test_dir();
my $service    = Pets::Service->new->start;
my %port       = map { $_ => free_port() } qw(prometheus alertmanager webhook);
my $json       = JSON::PP->new->utf8;

# --- the instances --------------------------------------------------------------------------------------

# Shipped text with changes, each of which must find something to change.
sub changed ($file, @changes) {
    my $text = slurp("$monitoring/$file");
    while (my ($from, $to) = splice @changes, 0, 2) {
        $text =~ s/$from/ref $to ? $to->() : $to/eg or die "$file: nothing is like $from\n";
    }
    return $text;
}

# Keeps what it is sent, a line a message; and serves what petsd-watch has written, in the place of node_exporter.
my $hook = <<~'PERL';
    use v5.36;
    use IO::Socket::INET;
    my ($port, $log, $file) = @ARGV;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 20, ReuseAddr => 1) or die "listen: $!\n";
    $SIG{PIPE} = 'IGNORE';
    while (my $client = $listen->accept // redo) {
        my $request = <$client> // next;
        my $length = 0;
        while (defined(my $line = <$client>)) {
            $length = $1 if $line =~ /^Content-Length: (\d+)/i;
            last if $line eq "\r\n";
        }
        read $client, (my $body), $length;
        my ($method, $path) = split ' ', $request;
        my $answer = '';
        if ($method eq 'POST') {
            open my $out, '>>', $log or die "$log: $!\n";
            syswrite $out, "$path $body\n";
        } else {
            open my $in, '<', $file or die "$file: $!\n";
            local $/ = undef;
            $answer = <$in>;
        }
        print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: " . length($answer) . "\r\n\r\n$answer";
        close $client;
    }
    PERL

my $systemctl = spew("$dir/systemctl", <<~'END', 0755);
    #!/bin/sh
    case $* in
      *is-enabled*) exit 0 ;;
      *) printf 'ActiveState=inactive\nResult=success\nExecMainStatus=0\nExecMainExitTimestamp=@%s\n' "$(date +%s)" ;;
    esac
    END
my ($status, $out, $err) = run([src() . '/packaging/watch', "$dir/pets-api.prom"],
    env => { PATH => "$dir:$ENV{PATH}", WATCH_CERTIFICATES => $service->{ca}->cert_file, WATCH_BACKUP => $systemctl });
is $status, 0, 'petsd-watch has written' or diag $err;

spawn(name => 'webhook', cmd => [$^X, '-e', $hook, $port{webhook}, "$dir/notifications", "$dir/pets-api.prom"], stderr => "$dir/webhook.log");
my $ops = $service->nginx->ops_port;
spew("$dir/rules.yml", changed('prometheus/pets-api.rules.yml', qr/^( +for): \w+$/m => sub { "$1: 0s" }));
spew("$dir/prometheus.yml", changed('prometheus/prometheus.example.yml',
    qr/127\.0\.0\.1:9180/ => "127.0.0.1:$ops", qr/127\.0\.0\.1:9093/ => "127.0.0.1:$port{alertmanager}",
    qr/127\.0\.0\.1:9100/ => "127.0.0.1:$port{webhook}", qr/_interval: 15s/ => '_interval: 500ms', qr{/usr/share/pets-api/monitoring/pets-api\.rules\.yml} => "$dir/rules.yml"));
spew("$dir/alertmanager.yml", changed('alertmanager/alertmanager.example.yml',
    qr/127\.0\.0\.1:9095/ => "127.0.0.1:$port{webhook}", qr/group_wait: \w+/ => 'group_wait: 0s', qr/group_interval: \w+/ => 'group_interval: 500ms'));
my $alertmanager = spawn(name => 'alertmanager', stderr => "$dir/alertmanager.out", cmd => [tool('prometheus-alertmanager'),
    "--config.file=$dir/alertmanager.yml", "--storage.path=$dir/alertmanager", "--web.listen-address=127.0.0.1:$port{alertmanager}", '--cluster.listen-address=']);
my $prometheus = spawn(name => 'prometheus', stderr => "$dir/prometheus.out", cmd => [tool('prometheus'),
    "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/prometheus", "--web.listen-address=127.0.0.1:$port{prometheus}"]);

# --- what they are asked --------------------------------------------------------------------------------

sub http ($port, $path) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) // return undef;
    print $socket "GET $path HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    local $/ = undef;
    my ($head, $body) = split /\r\n\r\n/, <$socket> // '', 2;
    return eval { $json->decode($body) };
}

# The series of an instant query: [{ metric => {...}, value => [time, value] }, ...]; undef: it is refused.
sub query ($expr) {
    my $answer = http($port{prometheus}, '/api/v1/query?query=' . $expr =~ s/([^\w.])/sprintf '%%%02x', ord $1/ger) // return undef;
    return $answer->{status} eq 'success' ? $answer->{data}{result} : diag("$expr: $answer->{error}");
}

sub notifications () {
    return map { my ($path, $body) = split / /, $_, 2; map { { path => $path, $_->%* } } $json->decode($body)->{alerts}->@* } (-e "$dir/notifications" ? slurp("$dir/notifications") : '') =~ /^(\S.*)\n/mg;
}

sub told ($path, $status, $alert, $pool, $seconds = 60) {
    my $found;
    wait_until { ($found) = grep { $_->{path} eq $path && $_->{status} eq $status && $_->{labels}{alertname} eq $alert && ($_->{labels}{pool} // '') eq $pool } notifications() }
    $seconds, "$alert of $pool to be $status";
    return $found;
}

# Something of everything happens, so that there is something to show.
my $ann = $service->user;
$service->pet($ann, name => 'Rex');
is $service->client->post('/v1/auth/login', { email => $ann->email, password => 'not that of ann' })->status, 401, 'a guess';

wait_until { @{ query('up == 1') // [] } == 3 } 60, 'all targets to be up';
wait_until { $ann->get($_) for qw(/v1/pets /v1/me); @{ query('pets:request_duration_seconds:p99_5m > 0') // [] } == 2 } 60, 'rates to be there';
is_deeply [sort map { "$_->{metric}{job} " . ($_->{metric}{pool} // '-') } query('up == 1')->@*], ['node -', 'pets-api api', 'pets-api auth'], 'both pools, and the machine, are watched';

subtest 'names' => sub {
    my %exists = map { $_ => 1 } http($port{prometheus}, '/api/v1/label/__name__/values')->{data}->@*;
    my %used;
    my $text = join "\n", map { slurp("$monitoring/$_") =~ s/^\s*#.*//mgr } 'prometheus/pets-api.rules.yml', 'grafana/pets-api.json';
    $used{$_} = 1 for $text =~ /\b(pets[_:][\w:]+)/g;
    cmp_ok scalar keys %used, '>', 40, 'are used';
    is_deeply [grep { !$exists{$_} } sort keys %used], [], '... and exist';
    # What is exported, and neither watched nor shown.
    my %idle = map { $_ => 1 } qw(pets_draining pets_connections_accepted_total pets_connections_broken_total pets_io_timeouts_total pets_database_connects_total
        pets_requests_repeated_total pets_key_lookups_total pets_password_hashes_total pets_password_rehashes_total pets_request_duration_seconds_sum pets_request_duration_seconds_count);
    is_deeply [grep { /^pets_/ && !$used{$_} } sort keys %exists], [sort keys %idle], '... all that are of use';
    my %label = map { $_ => 1 } http($port{prometheus}, '/api/v1/labels')->{data}->@*;
    is_deeply [grep { !$label{$_} } map { split /, */ } $text =~ /\b(?:by|on) \(([\w, ]+)\)/g], [], 'labels exist, too';
};

subtest 'the dashboard shows something in each panel' => sub {
    for my $panel (grep { $_->{targets} } $json->decode(slurp("$monitoring/grafana/pets-api.json"))->{panels}->@*) {
        my @series;
        for my $expr (map { $_->{expr} } $panel->{targets}->@*) {
            my $series = query($expr =~ s/\$__rate_interval/1m/gr =~ s/\$\w+/.*/gr);
            ok ref $series, "$panel->{title}: $expr" or next;
            push @series, @$series;
        }
        next if $panel->{title} =~ /^(?:Alerts|Errors by route)$/;    # of these there are none, as it should be
        cmp_ok scalar(grep { $_->{value}[1] ne 'NaN' } @series), '>', 0, '... has numbers';
    }
};

subtest 'all is well' => sub {
    # The certificate of the test lives for days, which is what that alert is about; a busy machine may be slow.
    my @firing = grep { !/^Pets(?:Certificate|Slow)/ } map { $_->{metric}{alertname} } query('ALERTS{alertstate="firing"}')->@*;
    is "@firing", '', 'no alert fires';
};

subtest 'a pool is stopped, and comes back' => sub {
    is $service->api->stop, 0, 'the pool api is stopped';
    my $alert = told('/page', 'firing', 'PetsPoolDown', 'api');
    is $alert->{annotations}{summary}, 'api.example.com api: the pool does not answer', 'the webhook is told';
    like $alert->{annotations}{runbook_url}, qr/runbook\.md#petspooldown$/, '... with what to do';
    is scalar(grep { $_->{labels}{alertname} eq 'PetsPoolDown' && $_->{labels}{pool} eq 'auth' } notifications()), 0, 'of the other pool nothing is said';
    $service->api->start;
    $alert = told('/page', 'resolved', 'PetsPoolDown', 'api');
    cmp_ok $alert->{endsAt}, 'gt', $alert->{startsAt}, 'it is told that this is over';
};

subtest 'a refresh token is used twice' => sub {
    my $token = $ann->refresh_token;
    my $next  = $token;
    $next = $service->client->post('/v1/auth/refresh', { refresh_token => $next })->json->{refresh_token} for 1 .. 2;
    is $service->client->post('/v1/auth/refresh', { refresh_token => $token })->status, 401, 'a copy of it is refused';
    told('/warn', 'firing', 'PetsTokenReuse', 'auth');
    pass 'and told by daylight';
};

ok $prometheus->stop, 'Prometheus ends when it is asked to';
ok $alertmanager->stop, 'so does Alertmanager';
unlike slurp("$dir/prometheus.out"), qr/level=(?:error|warn).*component="rule manager"/, 'the rules were evaluated without complaint';
done_testing;
