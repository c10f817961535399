# Several hosts behind one nginx: a request that could not be sent is tried with the next host, whatever its method; one
# that was sent is sent once. Each host gets its share, and one that was away is asked again.
use v5.36;
use Pets::Env qw(test_dir sock_dir wait_until);
use Pets::FakeResponder;
use Pets::FastCGI;
use Pets::Nginx;
use Test::More;

my %fake = map { $_ => Pets::FakeResponder->new(socket => sock_dir() . "/$_", name => $_)->start } qw(a b c);
my $nginx = Pets::Nginx->new(
    dir        => test_dir() . '/nginx',
    plain_api  => 1,
    api_socket => join(',', map { sock_dir() . "/$_" } qw(a b c)),
    (map { ($_ => sock_dir() . '/b') } qw(auth_socket api_ops_socket auth_ops_socket)),
)->start;
my @METHODS = qw(GET HEAD POST PUT PATCH DELETE);

sub ask ($method, $query = '') { return $nginx->plain($method => "/v1/pets$query", $method =~ /^P/ ? (body => '{"n":1}') : ()) }

# How often each was asked, of so many requests.
sub shares ($count) {
    my %shares;
    $shares{ ask('GET')->{json}{name} }++ for 1 .. $count;
    return \%shares;
}

subtest 'each has its share' => sub {
    is_deeply shares(30), { a => 10, b => 10, c => 10 }, 'in turn';
};

subtest 'one is away' => sub {
    $fake{a}->stop;
    is_deeply [map { ask($_)->{status} } @METHODS], [(200) x @METHODS], 'every method is answered';
    is ask('POST')->{json}{body}, '{"n":1}', '... with its body';
    my %shares = shares(30)->%*;
    is_deeply [sort keys %shares], [qw(b c)], 'by the others' or diag explain \%shares;
};

subtest 'the first two are away' => sub {
    $fake{b}->stop;
    is_deeply [map { ask($_)->{status} } @METHODS], [(200) x @METHODS], 'every method is answered';
    my @lines;
    wait_until { @lines = grep { $_->{upstream} =~ m{/b : unix:.*/c\z} } $nginx->access_log(1) } 30, 'the log to say where it was tried';
    ok !(grep { $_->{status} != 200 || $_->{upstream_status} != 200 } @lines), '... and has the status of the last try';
};

subtest 'all are away' => sub {
    $fake{c}->stop;
    for my $method (@METHODS) {
        my $answer = ask($method);
        is $answer->{status}, 502, "$method: 502";
        next if $method eq 'HEAD';
        is $answer->{json}{code}, 'bad_gateway', '... as a problem';
        is $answer->{headers}{'retry-after'}[0], 5, '... with Retry-After';
    }
    $_->start for values %fake;
    is ask('GET')->{status}, 200, 'back at once when one is back';
    wait_until { keys shares(9)->%* == 3 } 30, 'all of them to be asked again';
};

subtest 'what was sent is not sent again' => sub {
    my $own   = 0;
    my $count = sub {
        my $sum = 0;
        $sum += Pets::FastCGI->get(sock_dir() . "/$_", '/count')->{json}{request} for qw(a b c);
        return $sum - 3 * ++$own;
    };
    for my $method (@METHODS) {
        my $before = $count->();
        is ask($method, '?close=before')->{status}, 502, "$method on a connection that breaks";
        is $count->() - $before, 1, '... was sent once';
    }
    is ask('GET')->{status}, 200, 'hosts that have all failed just now are asked nevertheless';
};

done_testing;
