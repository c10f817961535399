# Reloads under load, through nginx: good ones, bad ones, many at once, and with another number of workers. Nobody
# gets an error, nothing is late, lost or done twice, and the counters agree with those who asked.
use v5.36;
use Pets::Env qw(wait_until);
use Pets::Load;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(hosts => 1, config => { api => { pool => { workers => 2 } } }, nginx => { plain_api => 1 })->start;
my $api     = $service->api;

sub event ($name, $mark) {
    return $api->log_wait(sub ($event) { ($event->{event} // '') eq $name }, 60, $mark);
}

# One reload, which must end like this.
sub reload ($outcome) {
    my $mark = $api->log_mark;
    $api->signal('HUP');
    return event($outcome, $mark);
}

subtest 'good reloads' => sub {
    my $load = Pets::Load->new($service)->start;
    for my $workers (3, 1, 2) {
        $api->set(pool => { workers => $workers });
        is reload('reloaded')->{workers}, $workers, "reloaded with $workers workers";
        $load->go_on(200);
    }
    $load->all_well('good');
    is $api->status->{reloads}, 3, 'three reloads are counted';
    is $api->status->{generation}, 4, 'it is the fourth generation';
};

subtest 'bad reloads' => sub {
    my $load = Pets::Load->new($service)->start;
    $api->set(pool => { workers => 'many' });
    like reload('reload_failed')->{detail}, qr/api\.ini:\d+: pool\.workers: "many" is not a whole number; allowed: 0 to 256/,
        'a bad value is named';
    $api->set(pool => { workers => 2 });
    $load->go_on(100);
    my $password = $service->password_file('pets_api');
    chmod 0644, $password;
    like reload('reload_failed')->{detail}, qr/a new worker exited with status 78/, 'a secret that others can read is refused';
    chmod 0600, $password;
    $load->go_on(100);
    $api->set(token => { public_keys_dir => '/nonexistent' });
    like reload('reload_failed')->{detail}, qr/a new worker exited with status 78/, 'so is a directory of keys that is not there';
    $api->set(token => { public_keys_dir => $service->public_keys_dir });
    $load->go_on(100);
    is $api->status->{reloads_failed}, 3, 'three failures are counted';
    is $api->status->{generation}, 4, 'it is the generation of before';
    reload('reloaded');
    pass 'mended, it reloads';
    $load->go_on(100);
    $load->all_well('bad');
};

subtest 'many reloads at once' => sub {
    my $done = $api->status->{reloads};
    my $load = Pets::Load->new($service)->start;
    my $mark = $api->log_mark;
    for (1 .. 20) {
        $api->signal('HUP');
        select undef, undef, undef, 0.01;
    }
    $load->go_on(400);
    # The first, and at least one more for all that came meanwhile.
    my ($reloads, $counted) = (0, 0);
    my $logged  = sub { return scalar(() = $api->log_grep(sub ($event) { ($event->{event} // '') eq 'reloaded' }, $mark)) };
    wait_until { $reloads = $logged->(); $reloads >= 2 } 60, 'two reloads';
    $load->go_on(100);
    # Another one may come to its end between two looks, and is counted a moment before it is logged.
    eval { wait_until { $reloads = $logged->(); $counted = $api->status->{reloads} - $done; $counted == $reloads } 30, 'the count' };
    is $counted, $reloads, "20 signals were $reloads reloads, and are counted as such";
    is scalar $api->log_grep(sub ($event) { ($event->{event} // '') =~ /\Arequest_lost\z/ }), 0, 'no request was lost';
    $load->all_well('many');
};

# What the service manager runs: it tests first, and says how it went.
sub ask (@more) {
    my ($status, $out, $err) = $api->check('--reload', @more ? @more : $api->master);
    return ($status >> 8, "$out$err");
}

subtest 'asked for by petsd --reload' => sub {
    my $before = $api->status;
    my $mark   = $api->log_mark;
    my ($status, $said) = ask();
    is $status, 0, 'a good one succeeds';
    is $said, "petsd: reloaded\n", '... and is told';
    is $api->status->{generation}, $before->{generation} + 1, 'when it is told it has happened';

    $api->set(pool => { workers => 'many' });
    ($status, $said) = ask();
    is $status, 78, 'a bad configuration fails';
    like $said, qr/pool\.workers: "many" is not a whole number/, '... with the reason';
    is scalar $api->log_grep(sub ($event) { ($event->{event} // '') eq 'reload_started' }, $mark), 1, 'and the master was not troubled';

    # What a test cannot see: there is no room for so many workers beside those of now.
    $api->set(pool => { workers => 250 });
    ($status, $said) = ask();
    is $status, 1, 'one that the master gives up fails';
    like $said, qr/petsd: not reloaded, and the pool serves as before; its log says why\n\z/, '... and that is told';
    $api->set(pool => { workers => 2 });

    # Each of many is answered, and none before a reload that began after it had asked.
    my @askers = map { Pets::Env::spawn(name => "asker $_", cmd => [Pets::Env::bin('petsd'), '-c', $api->file, '--reload', $api->master]) } 1 .. 4;
    my @ended = map { $_->wait(60) } @askers;
    is "@ended", '0 0 0 0', 'four at once are all told';

    ($status, $said) = ask('1x');
    is $status, 2, 'a process id is a number';
    ($status, $said) = ask(4_194_000);
    is $status, 1, 'nobody is there';
    like $said, qr/process 4194000, which is to reload: No such process/, '... and that is told';
};

subtest 'nothing stays behind' => sub {
    # nginx ends its connections after 10 s at most; then the last workers of old generations leave.
    wait_until { my @workers = $api->workers; @workers == 3 } 40, 'two workers and the ops worker to be all there is';
    my $endings = $api->metrics;
    my %cause   = map { /cause="(\w+)"/ ? ($1 => $endings->{$_}) : () } grep { /\Apets_worker_endings_total/ } keys %$endings;
    is $cause{crashed} + $cause{killed}, 0, 'none of them had to be killed';
    is $api->stop, 0, 'it stops well';
};

done_testing;
