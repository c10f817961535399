# What tests stand on: processes that are known, reaped and ended; bounded waiting; ports and places of one's own;
# and a FastCGI client whose records are what it says they are.
use v5.36;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Pets::Env qw(children_of free_port process_gone random_hex run slurp sock_dir spawn spew src test_dir wait_until);
use Pets::FastCGI;
use Test::More;
use Time::HiRes qw(time);

subtest 'run' => sub {
    my ($status, $out, $err) = run(['sh', '-c', 'cat; echo $VALUE; echo bad >&2; exit 3'], stdin => 'in ', env => { VALUE => 'v' });
    is_deeply [$status >> 8, $out, $err], [3, "in v\n", "bad\n"], 'status, output, errors';
    ($status) = run(['nonesuch-program']);
    isnt $status, 0, 'a program that is not there fails';
    my $from = time;
    ok !eval { run(['sleep', '60'], timeout => 0.2); 1 }, 'a time-out dies';
    cmp_ok time - $from, '<', 20, 'in time';
};

subtest 'spawn' => sub {
    my $sleeper = spawn(name => 'sleeper', cmd => ['sleep', '100']);
    ok $sleeper->alive, 'it runs';
    is_deeply [children_of($$)], [$sleeper->pid], 'it is a child';
    is $sleeper->wait(0.05), undef, 'and does not end by itself';
    ok $sleeper->stop, 'TERM ends it';
    is $sleeper->status, 15, 'its status';
    ok process_gone($sleeper->pid), 'it is gone';
    is $sleeper->signal('TERM'), 0, 'a process that has ended gets no signal';
    my $stubborn = spawn(name => 'stubborn', cmd => ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done'], stdout => test_dir() . '/stubborn');
    wait_until { -s test_dir() . '/stubborn' } 30, 'the stubborn one';
    is $stubborn->stop(0.2), 0, 'one that ignores TERM is killed';
    is $stubborn->status, 9, 'its status';
};

subtest 'listening sockets are passed on' => sub {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die $!;
    my $file = test_dir() . '/listen';
    my $child = spawn(
        name   => 'activated',
        cmd    => ['sh', '-c', 'echo "$LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID == $$))"; readlink /proc/self/fd/3 /proc/self/fd/4'],
        listen => [['api', $listen], ['ops', $listen]],
        stdout => $file,
    );
    is $child->wait(30), 0, 'done';
    like slurp($file), qr/\A2 api:ops 1\nsocket:\[\d+\]\nsocket:\[\d+\]\n\z/, 'by number, name and pid';
};

subtest 'waiting' => sub {
    my $count = 0;
    is((wait_until { ++$count == 3 ? 'yes' : '' } 5, 'three'), 'yes', 'returns what the block did');
    my $from = time;
    ok !eval { wait_until { return 0 } 0.2, 'the impossible'; 1 }, 'in vain: dies';
    like $@, qr/in vain for the impossible/, 'and says for what';
    cmp_ok time - $from, '<', 10, 'in time';
};

subtest 'places' => sub {
    my %port = map { free_port() => 1 } 1 .. 20;
    is scalar keys %port, 20, 'ports differ';
    cmp_ok length(sock_dir() . '/a-name-of-some-length.sock'), '<', 107, 'the path of a socket is short';
    is((stat spew(test_dir() . '/secret', 'x', 0600))[2] & 0777, 0600, 'a file has its mode');
    isnt random_hex(8), random_hex(8), 'random is random';
};

subtest 'FastCGI' => sub {
    is unpack('H*', Pets::FastCGI->record(5, 1, 'abc', padding => 5)), '0105000100030500' . '616263' . '0' x 10, 'a record';
    is Pets::FastCGI->pairs({ A => 'b' }), "\1\1Ab", 'a short pair';
    is Pets::FastCGI->pairs([['A' x 128, 'b']]), "\x80\0\0\x80\1" . 'A' x 128 . 'b', 'a pair with a long name';
    is length Pets::FastCGI->stream(5, 1, 'x' x 70_000), 70_000 + 8 * 4, 'a stream is cut into records and ended';
    my $reply = Pets::FastCGI->parse("Status: 404 Not Found\r\nContent-Type: application/problem+json\r\nX-A: 1\r\nX-A: 2\r\n\r\n{\"a\":1}");
    is_deeply [@$reply{qw(status json body)}, $reply->{headers}{'x-a'}], [404, { a => 1 }, '{"a":1}', '1, 2'], 'an answer taken apart';

    my $path = sock_dir() . '/echo.sock';
    my $echo = <<~'PERL';
        use v5.36;
        use IO::Socket::UNIX;
        my $listen = IO::Socket::UNIX->new(Local => shift, Listen => 5) or die;
        while (my $peer = $listen->accept) {
            my ($buffer, $in) = ('', '');
            while (sysread $peer, $buffer, 65536, length $buffer) {
                while (length $buffer >= 8) {
                    my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $buffer;
                    last if length $buffer < 8 + $length + $padding;
                    my $content = substr $buffer, 8, $length;
                    substr $buffer, 0, 8 + $length + $padding, '';
                    $in .= $content if $type == 5;
                    next if $type != 5 || $length;
                    my $out = "Status: 200\r\n\r\n$in";
                    $in = '';
                    syswrite $peer, pack('CCnnCC', 1, 6, $id, length $out, 0, 0) . $out . pack('CCnnCCNCx3', 1, 3, $id, 8, 0, 0, 7, 0);
                }
            }
        }
        PERL
    my $server = spawn(name => 'echo', cmd => [$^X, '-e', $echo, $path]);
    wait_until { -S $path } 30, 'the echo';
    my $connection = Pets::FastCGI->new($path);
    for my $body ('first', 'second') {
        my $answer = $connection->request(method => 'POST', uri => '/', body => $body);
        is_deeply [@$answer{qw(status body complete app_status)}], [200, $body, 1, 7], "a whole request: $body";
    }
    $connection->begin(9, keep => 1);
    $connection->params(9, { A => 'b' });
    $connection->params_end(9);
    $connection->dribble(Pets::FastCGI->record(5, 9, 'drop by drop'), 3, 0.001);
    $connection->stdin_end(9);
    is $connection->response(9)->{body}, 'drop by drop', 'record by record';
    ok !eval { $connection->read_record(0.1); 1 }, 'nothing more comes: a time-out dies';
    ok !$connection->closes(0.1), 'it is still open';
    $server->stop;
    ok $connection->closes(30), 'and then it is not';
};

done_testing;
