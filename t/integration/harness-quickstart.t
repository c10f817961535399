# ./quickstart as a newcomer meets it: it starts, shows, waits and stops; says so when it runs already; finds its
# data again; and leaves nothing running, however it ends. Built programs are taken as they are.
use v5.36;
use Encode qw(decode);
use Pets::Client;
use Pets::Env qw(children_of free_port process_gone run slurp spawn spew src test_dir wait_until);
use Pets::Pages;
use Pets::Totp;
use Test::More;
use Time::HiRes qw(time);

Pets::Pages::made();    # as the build that quickstart itself makes has them
my $instance = test_dir() . '/instance';
my $port     = free_port();
my %env      = (PETS_SHOWN => $ENV{PETS_SRC}, PETS_INSTANCE => $instance, PETS_BUILD => $ENV{PETS_BUILD}, TMPDIR => $ENV{TMPDIR}, NO_COLOR => 1);
my $command  = src() . '/quickstart';
my $runs     = 0;

# Starts it in a process group of its own, as a shell would; returns the process and the file with its output.
sub start (@arguments) {
    my $out = test_dir() . '/out' . ++$runs . '.log';
    spew($out, '');
    my $process = spawn(name => 'quickstart', cmd => [$command, '--port', $port, @arguments], env => \%env, stdout => $out, stderr => $out, group => 1);
    return ($process, $out);
}

sub running (@arguments) {
    my ($process, $out) = start(@arguments);
    wait_until { !$process->alive || slurp($out) =~ /Ctrl-C stops everything\./ } 240, 'quickstart to be running';
    $process->alive or BAIL_OUT("quickstart ended:\n" . slurp($out));
    return ($process, $out);
}

# All processes below one.
sub tree ($pid) {
    return map { ($_, tree($_)) } children_of($pid);
}

sub nothing_left ($what, @pids) {
    ok eval { wait_until { !grep { !process_gone($_) } @pids } 60, 'its processes to go'; 1 }, "$what: nothing is left running" or diag $@;
    return;
}

subtest 'the command line' => sub {
    my ($status, $out) = run([$command, '--help']);
    is $status, 0, '--help';
    like $out, qr/usage: .*--once.*--port/s, 'tells the options';
    for my $case (['--wrong'], ['--port'], ['--port', 'x'], ['--port', ''], ['--port=1x'], ['more']) {
        my ($bad, undef, $err) = run([$command, @$case]);
        is $bad >> 8, 2, "@$case: refused";
        like $err, qr/--help/, "@$case: leads to the help";
    }
};

my ($process, $out) = running();
my @pids = tree($process->pid);
my $text = slurp($out);
my %said = map { $_ => $text =~ /^\s*\Q$_\E\s+(.*)$/m } 'Address', 'Documentation', 'CA file', 'Administrator', 'Second factor', 'Status pages';
my ($email, $password) = ($said{Administrator} // '') =~ /\A(\S+), password (\S+)/;
my $app    = Pets::Totp->from_uri($said{'Second factor'} // '');
my $client = Pets::Client->new(url => $said{Address}, ca => $said{'CA file'});
my ($pets, $admin);

subtest 'what it says is true' => sub {
    like $text, qr/^All \d+ answers are as they should be\.$/m, 'the tour went well' or diag $text;
    is $said{Address}, "https://localhost:$port", 'the port asked for';
    is $client->get('/v1/pets')->status, 401, 'it answers';
    is $said{Documentation}, "https://localhost:$port/docs", 'where one can read about it';
    like $client->get('/docs')->body, qr{<script defer src="/docs/reference\.js">}, '... is the reference';
    my ($commands) = $text =~ /Try it:\n\n(.*?)\n\n/s;
    my ($status, $tried, $err) = run(['sh', '-c', $commands]);
    like $tried, qr/\A\{"items":\[\{/, 'what it tells to try works' or diag "$commands\n$err";
    like decode('UTF-8', $text), qr/^ +[\x{2580}-\x{259f} ]{20,}$/m, 'the second factor is shown as a QR code, too';
    is answer_of($email, $password), 'mfa_required', 'the password alone is not enough';
    $admin = $client->login($email, $password, $app);
    $pets = $admin->get('/v1/pets', query => { limit => 100 })->json->{items};
    cmp_ok scalar @$pets, '>=', 3, 'the administrator sees pets';
    for my $page (split ' ', $said{'Status pages'}) {
        my ($failed, $answer) = run(['curl', '-qsS', '-H', 'Accept: application/json', $page]);
        ok $failed == 0 && $answer =~ /\A\{/, "$page answers";
    }
    is((stat "$instance/admin.$_")[2] & 0777, 0600, "the $_ is for its owner only") for qw(password totp refresh);
};

# What a login with the password alone answers: the one key that is true.
sub answer_of ($email, $password) {
    my $json = $client->post('/v1/auth/login', { email => $email, password => $password })->json;
    return join ' ', grep { ref $json->{$_} && $json->{$_} } sort keys %$json;
}

subtest 'started twice' => sub {
    my $from = time;
    my ($second, $said) = start('--once');
    is $second->wait(60) >> 8, 1, 'it ends';
    like slurp($said), qr{running already.*https://localhost:$port}, 'and says where the first one is';
    cmp_ok time - $from, '<', 30, 'at once';
    is $client->get('/v1/pets')->status, 401, 'the first one goes on';
};

subtest 'Ctrl-C' => sub {
    kill INT => -$process->pid;
    is $process->wait(60), 0, 'ends it well';
    my @order = slurp($out) =~ /^  stopping\s+(\S+(?: \S+)?)\s/mg;
    is "@order", 'nginx pool api pool auth PostgreSQL', 'in order' or diag slurp($out);
    nothing_left('Ctrl-C', @pids);
};

subtest 'started again' => sub {
    my $from = time;
    my ($again, $said) = start('--once');
    is $again->wait(240), 0, '--once does the tour and ends well' or diag slurp($said);
    note sprintf 'it took %.1f s', time - $from;
    like slurp($said), qr/PostgreSQL, as it was left/, 'with the database it had';
    unlike slurp($said), qr/Ctrl-C stops/, 'and does not wait';
};

for my $case (
    ['TERM to it alone',              sub ($p) { kill TERM => $p->pid }, 0],
    ['HUP, as when a terminal closes', sub ($p) { kill HUP => -$p->pid }, 0],
    ['KILL, which it cannot see',     sub ($p) { kill KILL => $p->pid }, 9],
    ['KILL of the one behind',        sub ($p) { kill KILL => children_of($p->pid) }, 256],
) {
    my ($name, $do, $status) = @$case;
    subtest $name => sub {
        my ($process, $out) = running();
        my @pids = tree($process->pid);
        my $again = $admin->with_token($admin->token);
        is $again->get("/v1/pets/$pets->[0]{id}")->status, 200, 'the same administrator, the same session, the same pets';
        $do->($process);
        is $process->wait(60), $status, "ends with $status" or diag slurp($out);
        nothing_left($name, @pids);
    };
}

subtest 'when a part dies' => sub {
    my ($process, $out) = running();
    my @pids = tree($process->pid);
    my ($api) = grep { slurp("/proc/$_/cmdline") =~ /petsd\0-c\0.*api\.ini/ } children_of((children_of($process->pid))[0]);
    kill KILL => $api;
    is $process->wait(60), 256, 'it ends';
    like slurp($out), qr/pool api has ended/, 'and says which' or diag slurp($out);
    like slurp($out), qr/\| .*api\.log: \{/, 'with the last lines of its log';
    nothing_left('a part', @pids);
};

subtest 'a port that is taken' => sub {
    my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or die "$port: $!";
    my ($process, $out) = start('--once');
    is $process->wait(120), 256, 'it ends';
    like slurp($out), qr/port $port cannot be used: Address already in use/, 'and says why' or diag slurp($out);
};

done_testing;
