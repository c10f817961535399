#!/usr/bin/perl
# Instructions of a worker for one request (t/bench/count starts it). A worker runs under callgrind, which counts
# exactly, whatever else the machine is doing. The counters are written out before and after a fixed number of
# requests, one after the other over one connection of nginx; caches are warm by then. What remains random (a
# tick of the loop, how far PostgreSQL has come when a worker looks) is some tenths of a percent.
use v5.36;
use Getopt::Long qw(GetOptions);
use Bench::Instance;
use Bench::Load;
use Pets::Env qw(bin run slurp sock_dir spew test_dir tool wait_until);
use Pets::Pool;

use constant WARM => 50;

my %option = (requests => 500, profile => 0);
GetOptions(\%option, 'requests=i', 'profile=i') or exit 2;

my $instance = Bench::Instance->new(workers => 1, connections => 1, nginx_workers => 1, pets => 10_000, owners => 50)->start;
my $service  = $instance->service;

# Another pool of the same configuration, under valgrind, in place of the first; nginx finds it at the same address.
my $wrapper = test_dir() . '/petsd-callgrind';
my $out     = test_dir() . '/callgrind';
spew($wrapper, <<~"END", 0755);
    #!/bin/sh
    exec @{[ tool('valgrind') ]} -q --tool=callgrind --vgdb=no --dump-before=log_reopen --callgrind-out-file=$out.%p @{[ bin('petsd') ]} "\$@"
    END
$service->api->stop;
my $pool = Pets::Pool->new(
    name    => 'api',
    dir     => test_dir() . '/counted',
    sockets => $service->api->socket_path =~ s{/[^/]+\z}{}r,
    program => $wrapper,
    config  => slowly($service->pool_config('api')),
);
$pool->start(wait => 'none');
$pool->log_wait(sub ($event) { ($event->{event} // '') eq 'ready' }, 90);
my ($worker) = grep { slurp("/proc/$_/comm") eq "petsd-api\n" } $pool->workers;
$worker // die "there is no worker\n" . $pool->log_tail;

my $port = $service->nginx->plain_port;
printf "%-10s %12s\n", '', "instructions";
for my $workload (['read', 'read one'], ['list', 'list 20'], ['create', 'create']) {
    my @texts = map { $instance->request_text($workload->[0], $_) } 1 .. $option{requests};
    Bench::Load::requests($port, 1, map { $instance->request_text($workload->[0], $_) } 1 .. WARM);
    dump_counters();
    Bench::Load::requests($port, 1, @texts);
    my $file = dump_counters();
    my ($sum) = slurp($file) =~ /^(?:totals|summary): (\d+)/m or die "$file has no sum\n";
    printf "%-10s %12.0f\n", $workload->[1], $sum / $option{requests};
    show_profile($file) if $option{profile};
}
$pool->stop;
$instance->{service}{api} = undef;
$instance->stop;

# Under valgrind even logging in to PostgreSQL takes seconds.
sub slowly($config) {
    $config->{pool}{start_timeout_ms}       = 60_000;
    $config->{database}{connect_timeout_ms} = 30_000;
    return $config;
}

# Has the worker write what it has counted since the last time; returns the file. callgrind does so whenever log_reopen
# is called, and that is what USR1 makes a worker do.
sub dump_counters() {
    my $files = () = glob "$out.$worker.*";
    kill USR1 => $worker;
    wait_until { (() = glob "$out.$worker.*") > $files } 10, 'callgrind to write';
    my @newest = sort { ($b =~ /(\d+)\z/)[0] <=> ($a =~ /(\d+)\z/)[0] } glob "$out.$worker.*";
    wait_until { slurp($newest[0]) =~ /^(?:totals|summary): \d/m } 10, 'callgrind to write';
    return $newest[0];
}

sub show_profile($file) {
    my ($status, $said) = run([tool('callgrind_annotate'), '--inclusive=yes', '--threshold=100', $file]);
    my $lines = 0;
    for my $line (split /\n/, $said) {
        my ($count, $percent, $what) = $line =~ /^\s*([\d,]+)\s+\(\s*([\d.]+)%\)\s+(.*)/ or next;
        $what =~ s{^.*?:([^:/]+?)(?:'\d+)?(?: \[(?:.*/)?([^/\]]*)\])?$}{$1 . ($2 ? " [$2]" : '')}e;
        next if $percent == 100 || $what =~ /PROGRAM TOTALS|^0x|\(below main\)/;    # what everything is in, and what has no name
        printf "    %5.1f %%  %9.0f  %s\n", $percent, ($count =~ tr/,//dr) / $option{requests}, $what;
        last if ++$lines == $option{profile};
    }
    return;
}
