#!/usr/bin/perl
# Pets under a flood of logins (t/bench/flood starts it). Quiet and flooded measurements alternate, and the ratio is
# taken within a round, so that both see the same machine. The flood is paced, not as fast as it can be: it asks for
# many times what can be hashed, yet does not by itself use up the machine that serves.
use v5.36;
use Bench::Instance;
use Bench::Load;
use Bench::Table qw(median);
use Getopt::Long qw(GetOptions);
use IO::Select;
use IO::Socket::INET;
use Pets::Env qw(slurp spew test_dir wait_until);
use POSIX ();
use Time::HiRes qw(sleep time);

my %option = (rounds => 5, seconds => 4, rate => 200, connections => '2,16', cost => 12);
GetOptions(\%option, 'rounds=i', 'seconds=i', 'rate=i', 'connections=s', 'cost=i') or exit 2;

my $cores    = () = slurp('/proc/cpuinfo') =~ /^processor\b/mg;
my $instance = Bench::Instance->new(
    workers => $cores, connections => 4, nginx_workers => $cores, pets => 20_000, owners => 200,
    auth => { pool => { workers => $cores }, password => { bcrypt_cost => $option{cost} } },
)->start;
my $service = $instance->service;
my $port    = $service->nginx->plain_port;
my %found;

for my $connections (split /,/, $option{connections}) {
    wrk($connections);    # warms up
    for my $round (1 .. $option{rounds}) {
        wait_until { !$service->auth->status->{hash_pending} } 60, 'the end of the last flood';
        my $quiet  = wrk($connections);
        my $before = $service->auth->status->{counters}{password_hashes_total};
        my $flood  = start_flood($option{seconds} + 2);
        sleep 1;
        my $flooded = wrk($connections);
        my $others  = end_flood($flood);
        my $hashes  = $service->auth->status->{counters}{password_hashes_total} - $before;
        push $found{$connections}->@*, {
            quiet_rate => $quiet->{rate}, rate => $flooded->{rate}, hashes => $hashes / ($option{seconds} + 2),
            quiet_p99 => $quiet->{p99} / 1e3, p99 => $flooded->{p99} / 1e3, ratio => $flooded->{p99} / $quiet->{p99},
            %$others,
        };
        $instance->empty_logs;
    }
}
print "pets under a flood of $option{rate} logins a second, cost $option{cost}; latencies in ms\n\n";
my @columns = qw(quiet_rate rate quiet_p99 p99 ratio hashes refused me_p50 me_p99 keys_p99);
printf "%6s%s\n", 'conns', join '', map { sprintf '%11s', $_ } @columns;
for my $connections (split /,/, $option{connections}) {
    my @rounds = $found{$connections}->@*;
    printf "%6s%s\n", $connections, join '', map { my $column = $_; sprintf '%11.2f', median(map { $_->{$column} } @rounds) } @columns;
}
my ($worst) = sort { $b <=> $a } map { median(map { $_->{ratio} } @$_) } values %found;
printf "\np99 under the flood is at most %.2f times the quiet one: goal 1.5 %s\n", $worst, $worst <= 1.5 ? 'reached' : 'NOT reached';
$instance->stop;

sub wrk($connections) {
    return Bench::Load::wrk($instance->url('api'), 'read', connections => $connections, tokens => $instance->tokens_file, pets => 20_000, seconds => $option{seconds});
}

# --- the flood ------------------------------------------------------------------------------------------

sub connection() { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) // die "connect: $!\n" }

sub login_text($number) {
    my $body = qq({"email":"nobody$number\@example.org","password":"no such password"});
    return "POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: @{[ length $body ]}\r\nConnection: close\r\n\r\n$body";
}

# Two other processes: one sends logins, one asks the rest of the pool; each writes what it has seen into a file.
sub start_flood($seconds) {
    return [map { child($_, $seconds) } \&send_logins, \&ask_others];
}

sub child($what, $seconds) {
    state $number = 0;
    my $file = test_dir() . '/flood' . ++$number;
    my $pid  = fork // die "fork: $!\n";
    return [$pid, $file] if $pid;
    my $result = eval { $what->($seconds) } // { error => $@ };
    spew($file, join ' ', %$result);
    POSIX::_exit(0);
}

sub end_flood($children) {
    my %result;
    for my $child (@$children) {
        waitpid $child->[0], 0;
        my $text = slurp($child->[1]);
        $text =~ /^error/ and die "the flood: $text\n";
        %result = (%result, split / /, $text);
    }
    return \%result;
}

# Sends at the rate, whatever comes back; the share of the answers that was 503.
sub send_logins($seconds) {
    my ($sent, $answered, $refused, $from) = (0, 0, 0, time);
    my $open = IO::Select->new;
    while ((my $now = time - $from) < $seconds) {
        while ($sent < $now * $option{rate}) {
            my $socket = connection();
            $socket->syswrite(login_text("$$." . $sent++));
            $open->add($socket);
        }
        for my $socket ($open->can_read(0.002)) {
            my $got = sysread $socket, my $head, 4096;
            if ($got && $head =~ m{\AHTTP/1\.1 (\d+)}) {
                $answered++;
                $refused++ if $1 == 503;
            }
            $open->remove($socket);
            close $socket;
        }
    }
    return { refused => $answered ? $refused / $answered : 0 };
}

# Some fifteen a second of each, one after the other.
sub ask_others($seconds) {
    my $until = time + $seconds;
    my %took;
    my %text = (
        me   => "GET /v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $instance->{tokens}[0]\r\nConnection: close\r\n\r\n",
        keys => "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    while (time < $until) {
        for my $name (qw(me keys)) {
            my $from   = time;
            my $socket = connection();
            $socket->syswrite($text{$name});
            Bench::Load::answer($socket);
            push $took{$name}->@*, (time - $from) * 1e3;
        }
        sleep 0.05;
    }
    my %sorted = map { $_ => [sort { $a <=> $b } $took{$_}->@*] } keys %took;
    my $at = sub ($name, $q) { $sorted{$name}[$q * $sorted{$name}->$#*] };
    return { me_p50 => $at->('me', 0.5), me_p99 => $at->('me', 0.99), keys_p99 => $at->('keys', 0.99) };
}
