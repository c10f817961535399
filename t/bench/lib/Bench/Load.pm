package Bench::Load;

=head1 NAME

Bench::Load - the three ways in which load is made: wrk, pgbench, and a fixed number of requests

=head1 WHY

wrk and pgbench give as much as the other side takes, for a time. Counting (system calls, instructions) wants a
number of requests instead, one after the other; that needs no speed, so it is a few lines of Perl.

=cut

use v5.36;
use IO::Socket::INET;
use Pets::Env qw(run slurp spew src test_dir tool);

# Runs wrk; returns requests a second (rate), p50 and p99 in microseconds, requests, refused (an answer that is
# not 2xx), broken (no answer).
sub wrk($url, $workload, %option) {
    my $threads = $option{connections} < 2 ? 1 : 2;
    state $seed = 0;
    my ($status, $out, $err) = run(
        [tool('wrk'), '-t', $threads, '-c', $option{connections}, '-d', "$option{seconds}s", '--timeout', '10s', '-s', src() . '/t/bench/wrk.lua',
            $url, '--', $workload, $option{tokens}, $option{pets}, ++$seed],
        timeout => $option{seconds} + 30,
    );
    my ($result) = $out =~ /^result (.*)$/m or die "wrk: $out$err\n";
    my %result = map { split /=/ } split ' ', $result;
    $result{rate} = $result{requests} * 1e6 / $result{microseconds};
    return \%result;
}

# Runs pgbench on one or more scripts ([text, weight]); returns rate and requests, which are transactions here.
# Options: connections, and seconds or transactions of each.
sub pgbench($cluster, $scripts, $variables, %option) {
    my $dir = test_dir();
    my @files;
    for my $script (@$scripts) {
        my $file = "$dir/pgbench" . @files . '.sql';
        spew($file, $script->[0]);
        push @files, '-f', "$file\@$script->[1]";
    }
    my @length  = $option{transactions} ? ('-t', $option{transactions}) : ('-T', $option{seconds});
    my @command = (tool('pgbench'), '-n', '-M', 'prepared', '-c', $option{connections}, '-j', 2, @length, @files);
    my %env     = (
        PGHOST     => $cluster->socket_dir,
        PGPORT     => $cluster->port,
        PGUSER     => 'pets_api',
        PGDATABASE => $cluster->database,
        PGPASSWORD => $cluster->password('pets_api'),
    );

    # On a very busy machine all its time may go by before it is connected.
    for my $try (1 .. 5) {
        my ($status, $out, $err) = run([@command, map { ('-D', "$_=$variables->{$_}") } sort keys %$variables], env => \%env, timeout => 120);
        my ($count)  = $out =~ /^number of transactions actually processed: (\d+)/m;
        my ($failed) = $out =~ /^number of failed transactions: (\d+)/m;
        my ($rate)   = $out =~ /^tps = ([\d.]+)/m;
        $status == 0 && defined $count && !$failed or die "pgbench: $out$err\n";
        return { rate => $rate, requests => $count } if $count > 0;
    }
    die "pgbench could not connect in time\n";
}

# Sends each request (a text; see Bench::Instance) and waits for its answer, over so many kept connections.
# Returns the sizes of the bodies; dies when an answer is not 2xx.
sub requests($port, $connections, @texts) {
    my (@sockets, @sizes);
    while (my @batch = splice @texts, 0, $connections) {
        for my $number (0 .. $#batch) {
            $sockets[$number] //= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!\n";
            $sockets[$number]->syswrite($batch[$number]);
        }
        for my $number (0 .. $#batch) {
            my ($size, $kept) = answer($sockets[$number]);
            push @sizes, $size;
            undef $sockets[$number] if !$kept;    # nginx ends a connection after its thousandth request
        }
    }
    return @sizes;
}

# Reads an answer; returns the size of its body, and whether the connection is kept.
sub answer($socket) {
    my $got = '';
    while (1) {
        if ($got =~ /\A(.*?\r\n)\r\n/s) {
            my ($head, $start) = ($1, $+[0]);
            $head =~ m{\AHTTP/1\.1 2} or die "the answer is not good: $got\n";
            my ($length) = $head =~ /^Content-Length: (\d+)/mi or die "an answer without a length: $head\n";
            return ($length, $head !~ /^Connection: close/mi) if length($got) >= $start + $length;
        }
        sysread $socket, $got, 65536, length $got or die "an answer was cut off: $got\n";
    }
}

1;
