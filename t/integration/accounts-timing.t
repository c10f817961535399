# Whatever is wrong with a login, the answer is the same and takes as long: nobody learns which addresses have an
# account. Each case is measured as often as every other, in turn and in random order, and compared with a wrong
# password by a rank test (Mann and Whitney's), which minds no outliers. Two clocks are read: that of the client, and
# the processor time of the worker and its hasher, which is what the client's would show if nobody else used the
# machine. The measurement must also be able to fail: the same test has to find a tenth that is added to half of the
# times. By the client's clock it can do so on a quiet machine only, so there it is but noted.
use v5.36;
use JSON::PP ();
use List::Util qw(shuffle);
use Pets::Env qw(children_of slurp);
use Pets::FastCGI;
use Pets::Service;
use Test::More;
use Time::HiRes qw(time);

use constant {
    ROUNDS => 60,
    STRICT => 3.891,   # of the normal distribution: 1 of 10,000 measurements of no difference is beyond it
};

my $service = Pets::Service->new(config => { auth => { password => { bcrypt_cost => 10 } } })->start;
my $auth    = $service->auth;
my $root    = $service->database->dbh;
my $wrong   = 'not the password of anybody';
my ($ann, $gone, $old) = map { $service->user } 1 .. 3;

$root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $gone->id);
# As a hash was before the cost was raised.
$root->do(q{update pets.credential set hash = ? where account_id = ?}, undef, '$2b$09$' . 'abcdefghijklmnopqrstuu' . 'x' x 31, $old->id);

my ($baseline, $older) = ('wrong password', 'hash of a lower cost');
my %case     = (
    $baseline                => sub { { email => $ann->email, password => $wrong } },
    'unknown address'        => sub { { email => "nobody$_[0]\@example.org", password => $wrong } },
    'disabled account'       => sub { { email => $gone->email, password => $gone->password } },
    'empty password'         => sub { { email => $ann->email, password => '' } },
    'password of 1025 bytes' => sub { { email => $ann->email, password => 'x' x 1025 } },
    $older                   => sub { { email => $old->email, password => $wrong } },
);

my $connection = $auth->connect(timeout => 60);
my ($worker) = map { $_->{pid} } grep { $_->{kind} eq 'pool' } $auth->status(full => 1)->{processes}->@*;
my ($hasher) = children_of($worker);

# Seconds that the worker and its hasher have run.
sub worked () {
    my $nanoseconds = 0;
    $nanoseconds += (split ' ', slurp("/proc/$_/schedstat"))[0] for $worker, $hasher;
    return $nanoseconds / 1e9;
}

sub ask ($body) { return $connection->request(method => 'POST', uri => '/v1/auth/login', body => $body) }

# What a client sees but for what differs each time.
sub shape ($reply) {
    my %problem = %{ $reply->{json} // {} };
    my %headers = %{ $reply->{headers} };
    delete $problem{trace_id};
    $headers{ratelimit} =~ s/=\d+/=N/g if defined $headers{ratelimit};
    return JSON::PP->new->canonical->encode([$reply->{status}, \%headers, \%problem, length $reply->{body}]);
}

# Whether values of the one tend to be greater than those of the other: about normal, 0 when neither does.
sub rank_z ($one, $other) {
    my ($n, $m) = (scalar @$one, scalar @$other);
    my $u = 0;
    for my $x (@$one) {
        $u += $x > $_ ? 1 : $x == $_ ? 0.5 : 0 for @$other;
    }
    return ($u - $n * $m / 2) / sqrt($n * $m * ($n + $m + 1) / 12);
}

sub median ($values) { return (sort { $a <=> $b } @$values)[@$values / 2] }

# { client | worker => { case => [seconds] } }
sub measure () {
    my (%took, $number);
    for my $round (0 .. ROUNDS) {
        for my $name (shuffle keys %case) {
            my $body = $case{$name}->(++$number);
            my ($from, $worked) = (time, worked());
            ask($body);
            my @took = (time - $from, worked() - $worked);
            next if $round == 0;    # which warms up
            push $took{client}{$name}->@*, $took[0];
            push $took{worker}{$name}->@*, $took[1];
        }
    }
    return \%took;
}

# The times of the baseline against themselves, every other one longer by so much.
sub detects ($took, $factor) {
    my @times = $took->{$baseline}->@*;
    my @odd   = map { $times[$_] * $factor } grep { $_ % 2 } 0 .. $#times;
    my @even  = map { $times[$_] } grep { !($_ % 2) } 0 .. $#times;
    return rank_z(\@odd, \@even);
}

subtest 'the same answer' => sub {
    my %shapes;
    for my $name (sort keys %case) {
        my $reply = ask($case{$name}->('same'));
        is $reply->{status}, 401, "$name: 401";
        push $shapes{ shape($reply) }->@*, $name;
    }
    is scalar keys %shapes, 1, 'and the same in everything' or diag explain \%shapes;
    is ask({ email => $ann->email, password => $ann->password })->{status}, 200, 'the right password is one';
    is ask({ email => $ann->email, password => $ann->password . 'x' x 1100 })->{status}, 401, 'which is not cut';
};

subtest 'the rank test' => sub {
    my @one = map { $_ * 1.0 } 1 .. 60;
    is rank_z(\@one, \@one), 0, 'finds nothing where there is nothing';
    cmp_ok rank_z([map { $_ + 60 } @one], \@one), '>', 9, 'and everything where there is';
    cmp_ok rank_z([map { $_ + 60 } @one], \@one) + rank_z(\@one, [map { $_ + 60 } @one]), '==', 0, 'in either direction';
};

subtest 'the same time' => sub {
    my $took = measure();
    my %seen = map { $_ => detects($took->{$_}, 1.10) } qw(client worker);
    note sprintf 'a tenth more has z = %.2f by the clock of the client, %.2f by that of the worker', @seen{qw(client worker)};
    cmp_ok $seen{worker}, '>', STRICT, 'a tenth more would be seen';
    for my $clock (qw(client worker)) {
        cmp_ok abs detects($took->{$clock}, 1), '<', STRICT, "$clock: where nothing is added nothing is seen";
        for my $name (sort keys %case) {
            my $z = rank_z($took->{$clock}{$name}, $took->{$clock}{$baseline});
            note sprintf '%s: %-24s %.2f ms, z = %.2f', $clock, $name, 1e3 * median($took->{$clock}{$name}), $z;
            cmp_ok abs $z, '<', STRICT, "$clock: $name: no difference" if $name ne $older;
        }
    }
    # What is made up for by a second hash is not the same to the microsecond.
    my $ratio = median($took->{worker}{$older}) / median($took->{worker}{$baseline});
    cmp_ok abs($ratio - 1), '<', 0.05, sprintf '%s: within a twentieth (%.3f)', $older, $ratio;
};

$root->disconnect;
done_testing;
