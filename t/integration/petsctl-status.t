# petsctl status: what it says of pools that serve, are busy, are away, or talk nonsense; to programs, to a pipe, and
# on a terminal, where it goes on until a key is pressed.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run spawn slurp spew test_dir sock_dir wait_until tool);
use Pets::FastCGI;
use Pets::Service;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new(config => { api => { pool => { workers => 2 } } });
$service->make_secrets->start_database->start_pools;
my ($api, $auth) = ($service->api, $service->auth);
my @both = map { ('-c', $_->file) } $api, $auth;

sub status (@arguments) {
    my ($ended, $out, $err) = run([bin('petsctl'), 'status', @arguments], env => { TERM => 'xterm' });
    return ($ended >> 8, $out, $err);
}

sub json (@arguments) {
    my ($ended, $out, $err) = status(@arguments, '--json');
    my $said = eval { JSON::PP->new->utf8->decode($out) } // { pools => [] };
    $said->{exit} = $ended;
    $said->{err}  = $err;
    $said->{pool}{ $_->{pool} } = $_ for $said->{pools}->@*;
    return $said;
}

# A person whom requests are from.
my $door = $auth->connect;
$door->request(method => 'POST', uri => '/v1/auth/register', body => { email => 'ann@example.org', password => 'the password of ann', display_name => 'Ann' });
my $token = $door->request(method => 'POST', uri => '/v1/auth/login', body => { email => 'ann@example.org', password => 'the password of ann' })->{json}{access_token};

subtest 'for programs' => sub {
    my $one = json(@both, '--interval', 0);
    is $one->{exit}, 0, 'both pools serve' or diag $one->{err};
    ok $one->{serves}, '... it says';
    is join(' ', map { $_->{pool} } $one->{pools}->@*), 'api auth', 'in the order that was asked for';
    for my $pool ($api, $auth) {
        my $said = $one->{pool}{ $pool->name };
        ok $said->{serves}, $pool->name . ' serves';
        is_deeply [@$said{qw(error requests_per_s errors_per_s)}], [undef, undef, undef], '... one look knows no rate';
        my $own = $pool->status(full => 1);
        is $said->{status}{pid}, $pool->master, '... the document is its own';
        is_deeply [sort keys $said->{status}->%*], [sort keys %$own], '... and whole';
        is join(' ', sort map { $_->{pid} } $said->{status}{processes}->@*), join(' ', sort $pool->workers), '... with every worker';
    }
    is_deeply [map { $_->{pool} } json('-c', $auth->file, '--interval', 0)->{pools}->@*], ['auth'], 'one alone can be asked for';
    is json(@both, '--interval', 0.2)->{pool}{auth}{requests_per_s}, 0, 'nobody asks: a rate of 0';
};

subtest 'counts' => sub {
    my $connection = $api->connect;
    my $before = json(@both, '--interval', 0)->{pool}{api}{status}{requests};
    my %ask    = (list => [40, '/v1/pets', $token, '2xx'], nobody => [7, '/v1/pets', undef, '4xx'], unknown => [5, '/v1/nothing', $token, '4xx']);
    for my $what (sort keys %ask) {
        my ($times, $uri, $who) = $ask{$what}->@*;
        $connection->request(uri => $uri, token => $who) for 1 .. $times;
    }
    my $after = json(@both, '--interval', 0)->{pool}{api}{status}{requests};
    is_deeply { map { $_ => $after->{$_} - $before->{$_} } qw(total 2xx 3xx 4xx 5xx) }, { total => 52, '2xx' => 40, '3xx' => 0, '4xx' => 12, '5xx' => 0 }, 'every request, once';

    # While it looks twice, a second apart, requests go on: it must count what came between the looks, no more.
    my $looking = spawn(name => 'status', cmd => [bin('petsctl'), 'status', @both, '--json', '--interval', '1'], stdout => test_dir() . '/rate');
    my ($sent, $begun) = (0, time);
    while ($looking->alive) {
        $connection->request(uri => '/v1/pets', token => $token);
        $sent++;
    }
    my ($said) = grep { $_->{pool} eq 'api' } JSON::PP->new->decode(slurp(test_dir() . '/rate'))->{pools}->@*;
    cmp_ok $said->{requests_per_s}, '>', 0, "requests a second: $said->{requests_per_s}";
    cmp_ok $said->{requests_per_s}, '<=', $sent, "... of $sent that were sent";
    cmp_ok $said->{requests_per_s} * (time - $begun), '>=', $sent / 3, '... as they were';
    is $said->{errors_per_s}, 0, '... none of them an error';
};

subtest 'for people' => sub {
    my ($ended, $out, $err) = status(@both, '--once', '--interval', 0.2);
    is "$ended $err", '0 ', 'once';
    unlike $out, qr/\e/, 'no colours where there is no terminal';
    for my $pool ($api, $auth) {
        like $out, qr/^@{[ $pool->name ]} +ok +\S+  master @{[ $pool->master ]}, up 00:\d\d:\d\d, generation 1, reloads 0 done 0 failed, [\d.]+ MiB$/m, $pool->name . ' in a line';
        like $out, qr/^  $_ +(?:pool|ops) +ready +1 /m, "... its worker $_" for $pool->workers;
    }
    like $out, qr/^  requests +0\.0 a second, 0\.0 errors a second; 2 in all: 2 2xx,/m, 'requests';
    like $out, qr/^  latency +p50 [\d.]+ ms, p90 /m,               'latency';
    like $out, qr/^  load +0 active, 0 queued .* listen queue 0 of \d+; connections: \d+ from nginx, \d+ to the database$/m, 'queues and connections';
    like $out, qr/^  hashing   0 being hashed, 0 in hand$/m,       'hashing';
    ($ended, $out) = status(@both);
    is $ended, 0, 'a pipe is no terminal: once, too';
};

subtest 'what workers do' => sub {
    # A statement that waits for a lock.
    my $root = $service->database->dbh;
    $root->begin_work;
    $root->do('lock table pets.pet in access exclusive mode');
    my $connection = $api->connect;
    $connection->raw(Pets::FastCGI->request_bytes(uri => '/v1/pets', token => $token));
    my $text = '';
    wait_until { (undef, $text) = status('-c', $api->file, '--interval', 0); $text =~ /^  \d+ .*GET \/v1\/pets: database \w+, \d+ ms$/m } 20, 'the request to be shown';
    like $text, qr/^  load      1 active/m, 'one request is active';
    $root->rollback;
    $root->disconnect;
    ok $connection->response(1, 30), 'it ends';
};

# --- trouble --------------------------------------------------------------------------------------------

# What is said (by json or status) of a pool whose ops socket is somebody else, who answers with these bytes (none: not at all).
sub stranger ($ask, $name, $bytes) {
    my $socket = sock_dir() . "/$name.sock";
    my $file   = spew(test_dir() . "/$name.ini", slurp($api->file) =~ s/^ops_listen = .*/ops_listen = $socket/mr, 0600);
    my $listener = IO::Socket::UNIX->new(Local => $socket, Listen => 5) or die "$socket: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my $peer = $listener->accept;
        defined $bytes ? syswrite $peer, $bytes : sleep 60;
        sleep 1;
        POSIX::_exit(0);
    }
    my @said = $ask->('-c', $file, '--interval', 0);
    kill KILL => $pid;
    waitpid $pid, 0;
    return @said;
}

sub answer ($text) { return Pets::FastCGI->stream(6, 1, "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n$text") . Pets::FastCGI->record(3, 1, "\0" x 8) }

subtest 'who answers nonsense' => sub {
    my %nonsense = (
        nothing => [undef,                                    qr/no answer/],
        half    => [substr(answer('{"pool":"api"}'), 0, 30),  qr/Connection reset|no answer/],
        noise   => ["HTTP/1.1 400 Bad Request\r\n\r\n" x 500, qr/Protocol error/],
        words   => [answer('hello'),                          qr/its status is not JSON/],
        list    => [answer('[1]'),                            qr/its status is not JSON/],
        refused => [Pets::FastCGI->stream(6, 1, "Status: 503 x\r\n\r\n{}") . Pets::FastCGI->record(3, 1, "\0" x 8), qr/answers 503/],
    );
    for my $name (sort keys %nonsense) {
        my ($bytes, $why) = $nonsense{$name}->@*;
        my ($said) = stranger(\&json, $name, $bytes);
        is $said->{exit}, 4, "$name: the pool does not serve";
        like $said->{pool}{api}{error}, $why, '... and why';
        is $said->{pool}{api}{status}, undef, '... and nothing is made up';
    }
    my ($said) = stranger(\&json, 'empty', answer('{}'));
    is $said->{exit}, 4, 'a document without health is no health';

    # The terminal of an operator is not written on.
    my ($ended, $out) = stranger(\&status, 'escapes',
        answer('{"health":"down","reason":"\u001b]0;owned\u0007 \u009b31m","version":"\u001b[2J","pid":1,"processes":[{"pid":2,"state":"\u001b[1m","in_flight":[]}]}'));
    is $ended, 4, 'a pool that is down';
    unlike $out, qr/[^\n -~]/, 'and nothing but plain characters';
    like $out, qr/\]0;owned/, '... of what it says';
};

subtest 'the command line' => sub {
    for my $wrong (['--what'], ['more'], ['--interval'], ['--interval', 'often'], ['--interval', -1], ['--interval', 0.01], ['-c']) {
        my ($ended, $out, $err) = status(@$wrong);
        is "$ended $out", '2 ', "@$wrong";
        like $err, qr/^petsctl: status takes: /, '... is told';
    }
    my ($ended, $out, $err) = status('-c', '/nonexistent.ini');
    is $ended, 1, 'a configuration that is not there';
    like $err, qr{/nonexistent\.ini}, '... by name';
    ($ended, $out) = status('--help');
    is $ended, 0, 'help';
    like $out, qr/^usage: petsctl status /, '... is there';
    ($ended) = run([bin('petsctl'), '-c', $api->file, 'status']);
    is $ended >> 8, 2, '-c before it is refused';
};

# --- a terminal -----------------------------------------------------------------------------------------

# A terminal of 24 lines: what is on it, and keys for it.
sub terminal (%option) {
    state $number = 0;
    my $place = test_dir() . '/terminal' . ++$number;
    POSIX::mkfifo("$place.keys", 0600) or die "$place.keys: $!";
    open my $keys, '+<', "$place.keys" or die "$place.keys: $!";
    $keys->autoflush(1);
    my $command = join ' ', 'stty rows 24 cols 100; exec', bin('petsctl'), 'status', @both, '--interval', 0.2, ($option{arguments} // [])->@*;
    my $process = spawn(name => 'terminal', cmd => [tool('script'), '-qefc', $command, "$place.out"], stdin => "$place.keys", stdout => '/dev/null',
        env => { TERM => 'xterm', NO_COLOR => undef, ($option{env} // {})->%* });
    return { keys => $keys, process => $process, screen => sub { -e "$place.out" ? slurp("$place.out") : '' } };
}

subtest 'on a terminal' => sub {
    my $terminal = terminal();
    wait_until { (() = $terminal->{screen}->() =~ /\e\[H/g) >= 3 } 30, 'three looks';
    my $screen = $terminal->{screen}->();
    like $screen, qr/\e\[\?1049h/, 'on a screen of its own';
    like $screen, qr/\e\[32mok/, 'with colours';
    like $screen, qr/q ends/, 'and says how to end';
    for my $frame (split /\e\[H/, $screen) {
        my $lines = () = $frame =~ /\n/g;
        cmp_ok $lines, '<', 25, 'no more lines than there are' or last;
    }
    print { $terminal->{keys} } 'q';
    is $terminal->{process}->wait(20), 0, 'q ends it';
    like $terminal->{screen}->(), qr/\e\[\?25h\e\[\?1049l/, 'and the terminal is as it was';

    for my $end (["\cC", 'Control-C'], ['Q', 'Q']) {
        $terminal = terminal();
        wait_until { $terminal->{screen}->() =~ /\e\[H/ } 30, 'a look';
        print { $terminal->{keys} } $end->[0];
        is $terminal->{process}->wait(20), 0, "$end->[1] does, too";
        like $terminal->{screen}->(), qr/\e\[\?1049l/, '... and cleans up';
    }
    $terminal = terminal(env => { NO_COLOR => 1 });
    wait_until { $terminal->{screen}->() =~ /\e\[J/ } 30, 'a look';
    print { $terminal->{keys} } 'q';
    is $terminal->{process}->wait(20), 0, 'NO_COLOR';
    unlike $terminal->{screen}->(), qr/\e\[\d+m/, '... has no colours';
    $terminal = terminal(arguments => ['--once']);
    is $terminal->{process}->wait(20), 0, '--once';
    unlike $terminal->{screen}->(), qr/\e\[\?1049h/, '... ends by itself';
    like $terminal->{screen}->(), qr/\e\[32mok/, '... with colours';
};

# --- pools that do not serve ----------------------------------------------------------------------------

subtest 'without a database' => sub {
    $service->database->stop;
    my $connection = $api->connect;
    my $said;
    wait_until { $said = json(@both, '--interval', 0); $said->{exit} == 4 && $said->{pool}{api}{status}{health} eq 'down' } 60, 'the pools to be down';
    ok !$said->{pool}{$_}{serves}, "$_ does not serve" for qw(api auth);
    like $said->{pool}{api}{status}{reason}, qr/database/, '... and says why';
    my $looking = spawn(name => 'status', cmd => [bin('petsctl'), 'status', @both, '--json', '--interval', '1'], stdout => test_dir() . '/errors');
    $connection->request(uri => '/v1/pets', token => $token) while $looking->alive;
    is $looking->status >> 8, 4, 'its exit status';
    my ($rates) = grep { $_->{pool} eq 'api' } JSON::PP->new->decode(slurp(test_dir() . '/errors'))->{pools}->@*;
    cmp_ok $rates->{errors_per_s}, '>', 0, "errors a second: $rates->{errors_per_s}";
    is $rates->{errors_per_s}, $rates->{requests_per_s}, '... all of the requests';
    $service->database->start;
    wait_until { json(@both, '--interval', 0)->{exit} == 0 } 60, 'all to be well again';
    pass 'well again';
};

subtest 'a pool that is away' => sub {
    $door->close;    # or it would wait for that
    is $auth->stop, 0, 'auth stops';
    my $said = json(@both, '--interval', 0.2);
    is $said->{exit}, 4, 'one is away';
    ok !$said->{serves}, '... so not all is well';
    ok $said->{pool}{api}{serves}, 'the other one serves';
    like $said->{pool}{auth}{error}, qr/No such file|Connection refused/, 'why';
    my ($ended, $out) = status(@both, '--interval', 0);
    is $ended, 4, 'for people';
    like $out, qr/^api +ok /m, '... the one';
    like $out, qr/^auth +away +\S+auth-ops\.sock: /m, '... and the other';
    my $terminal = terminal();
    wait_until { $terminal->{screen}->() =~ /\e\[31maway/ } 30, 'the terminal to show it in red';
    $auth->start;
    wait_until { $terminal->{screen}->() =~ /away.*\e\[1mauth  \e\[0m\e\[32mok/s } 30, 'the terminal to show that it is back';
    print { $terminal->{keys} } 'q';
    is $terminal->{process}->wait(20), 0, 'and it ends';
};

$_->stop for $api, $auth;
done_testing;
