#!/usr/bin/perl
# The benchmark itself (t/bench/run starts it): one run, one table. README.md says what the numbers mean.
#
# What is measured and its limit are measured in turn, in short rounds, so that both get their share of whatever
# else the machine is doing; ratios are taken within a round, and the table has the medians of the rounds.
use v5.36;
use Getopt::Long qw(GetOptions);
use List::Util qw(max min sum0);
use Bench::Instance;
use Bench::Load;
use Bench::Processes;
use Bench::Sql;
use Bench::Table qw(median);
use Pets::Env qw(bin find_program run slurp sock_dir spawn test_dir tool wait_until);
use Pets::Pool;
use Time::HiRes qw(sleep time);

use constant { FEW => 16, MANY => 128, TRACED => 2000, STARTS => 5 };

my $cores  = () = slurp('/proc/cpuinfo') =~ /^processor\b/mg;
my %option = (rounds => 3, seconds => 4, workers => $cores, connections => 4, pets => 100_000, owners => 1000, only => 'read,list,create,mix');
GetOptions(\%option, 'quick', 'rounds=i', 'seconds=i', 'workers=i', 'connections=i', 'pets=i', 'owners=i', 'only=s', 'profile=s', 'verbose') or exit 2;
@option{qw(rounds seconds)} = (2, 1) if $option{quick};

my %load = (
    read   => { name => 'read one', scripts => [['read',   1]] },
    list   => { name => 'list 20',  scripts => [['list',   1]] },
    create => { name => 'create',   scripts => [['create', 1]] },
    mix    => { name => '90/10 mix', scripts => [['read', 9], ['create', 1]] },
);
my @workloads = split /,/, $option{only};
$load{$_} or die "there is no workload $_\n" for @workloads;

$| = 1;
my $begun    = time;
my $instance = Bench::Instance->new(%option{qw(workers connections pets owners)}, nginx_workers => $cores);
say_step('starting, with ', $option{pets}, ' pets');
$instance->start;
my $service = $instance->service;
my @workers = grep { slurp("/proc/$_/comm") eq "petsd-api\n" } $service->api->workers;
my ($bytes) = Bench::Load::requests($service->nginx->plain_port, 1, $instance->request_text('read', 0));
$instance->start_limits($bytes);

my %postgresql = (PostgreSQL => sub { Bench::Processes::family($service->database->pid) });
my $serving    = Bench::Processes->new(%postgresql, nginx => sub { Bench::Processes::family($service->nginx->pid) }, worker => sub { @workers });
my $limits     = Bench::Processes->new(
    nginx  => sub { Bench::Processes::family($instance->limits_nginx->pid) },
    worker => sub { Bench::Processes::family($instance->echo_pid) },
);
my %watching = (api => $serving, tls => $serving, echo => $limits, return => $limits, pgbench => Bench::Processes->new(%postgresql));
my @others;
my %found;    # {what}{connections} => [a result a round]; see measure
my @trouble;

check_tls();
my $round = 0;
for my $workload (@workloads) {
    warm_up($workload);
    for (1 .. $option{rounds}) {
        $round++;
        measure_limit($workload);
        for my $connections (FEW, MANY) {
            measure('api', $workload, $connections);
            next if $workload ne 'read';
            measure($_, $workload, $connections) for qw(echo return);
        }
        measure('tls', $workload, FEW) if $workload eq 'read';
    }
}
my @pss = map { Bench::Processes::pss($_) // () } @workers;
my %calls = map { $_ => system_calls($_) } grep { $_ ne 'mix' } @workloads;
my @ready = starts();
profile() if $option{profile};
print table();
$instance->stop;
exit(@trouble ? 1 : 0);

# --- measuring ------------------------------------------------------------------------------------------

sub say_step(@words) {
    printf STDERR "%6.1f s  %s\n", time - $begun, join '', @words if $option{verbose};
    return;
}

# What a worker does once (plans, caches, signatures of tokens) is not measured.
sub warm_up($workload) {
    say_step("warming up, $load{$workload}{name}");
    for my $what ('api', $workload eq 'read' ? 'echo' : ()) {
        Bench::Load::wrk($instance->url($what), $workload, load_options(MANY), seconds => 1);
    }
    return;
}

sub load_options($connections) {
    return (connections => $connections, tokens => $instance->tokens_file, pets => $option{pets}, seconds => $option{seconds});
}

# Makes a load; keeps its result with the CPU microseconds that a request took.
sub watch($what, $workload, $connections, $load, $starting = {}) {
    my $result;
    my $used = $watching{$what}->watch(sub { $result = $load->() });
    push @others, delete $used->{others};
    $result->{cpu} = { map { $_ => ($used->{$_} - ($starting->{$_} // 0)) / max(1, $result->{requests}) } keys %$used };
    $result->{all_cpu} = sum0(values %{ $result->{cpu} });
    push @{ $found{"$what $workload"}{$connections} }, $result;
    say_step(
        sprintf('%-18s %7.0f/s  ', "$what $workload $connections", $result->{rate}),
        join(' ', map { sprintf '%s %.0f', $_, $result->{cpu}{$_} } sort keys %{ $result->{cpu} }),
        sprintf(' us; others %.0f %%', $others[-1] * 100)
    );
    return $result;
}

sub measure($what, $workload, $connections) {
    my $result = watch($what, $workload, $connections, sub { Bench::Load::wrk($instance->url($what), $workload, load_options($connections)) });
    if ($result->{refused} || $result->{broken}) {
        push @trouble, "$what $workload, $connections connections: $result->{refused} answers were not 2xx, $result->{broken} did not come";
    }
    $instance->empty_logs;
    return;
}

# pgbench, with as many connections as the workers have together. It connects anew each time, which takes some of
# its seconds (hence one more) and of PostgreSQL's CPU time; that is measured by itself once, and taken off.
sub measure_limit($workload) {
    my (@scripts, %variables);
    for my $part (@{ $load{$workload}{scripts} }) {
        my ($text, $variables) = Bench::Sql::script($part->[0], %option{qw(pets owners)});
        push @scripts, [$text, $part->[1]];
        %variables = (%variables, %$variables, round => $round);
    }
    my $run = sub (@how) {
        return Bench::Load::pgbench($service->database, \@scripts, \%variables, connections => $option{workers} * $option{connections}, @how);
    };
    state %starting;
    $starting{$workload} //= $watching{pgbench}->watch(sub { $run->(transactions => 1) });
    $variables{round} += 500;
    watch('pgbench', $workload, 0, sub { $run->(seconds => max(3, $option{seconds} + 1)) }, $starting{$workload});
    return;
}

sub check_tls() {
    my $address = '127.0.0.1:' . $service->nginx->https_port;
    my ($status, $out, $err) = run([tool('openssl'), 's_client', '-brief', '-servername', 'localhost', '-connect', $address]);
    "$out$err" =~ /^Protocol version: TLSv1\.3$/m or die "TLS 1.3 was not agreed on: $out$err\n";
    return;
}

# System calls of the workers for one request, by the number of connections: {1 => {name => calls}, ...}. A
# worker that has more to do at a time waits less often.
sub system_calls($workload) {
    my %calls;
    find_program('strace') or return {};
    for my $connections (1, FEW) {
        my @texts = map { $instance->request_text($workload, ($_ * 7919) % $option{pets}) } 1 .. TRACED;
        my $file  = test_dir() . "/strace.$workload.$connections";
        my $strace = spawn(name => 'strace', cmd => [tool('strace'), '-f', '-c', '-o', $file, map { ('-p', $_) } @workers], stderr => "$file.err");
        eval {
            wait_until { (grep { slurp("/proc/$_/status") =~ /^TracerPid:\s+[1-9]/m } @workers) == @workers } 5, 'strace';
            1;
        } or do { say_step("strace: $@", slurp("$file.err")); $strace->stop; return {} };
        Bench::Load::requests($service->nginx->plain_port, $connections, @texts);
        $strace->signal('INT');
        $strace->wait(10);
        for my $line (split /\n/, slurp($file)) {
            my @field = split ' ', $line;    # %, seconds, microseconds a call, calls, perhaps errors, name
            my $name  = $field[-1] // '';
            next if @field < 5 || $field[3] !~ /\A\d+\z/ || $name eq 'total' || $name eq 'rt_sigreturn';
            # The guard's timer interrupts a wait now and then: that is of no request.
            my $interrupted = $name eq 'epoll_wait' && @field > 5 ? $field[4] : 0;
            $calls{$connections}{$name} = ($field[3] - $interrupted) / TRACED;
        }
        say_step("system calls, $workload $connections: ", join ', ', map { sprintf '%s %.2f', $_, $calls{$connections}{$_} } sort keys %{ $calls{$connections} });
    }
    return \%calls;
}

# Seconds from starting petsd until it tells systemd that it is ready, some times.
sub starts() {
    my @seconds;
    my $config = $service->pool_config('api');
    for my $number (1 .. STARTS) {
        my $sockets = sock_dir() . "/start$number";
        mkdir $sockets or die "$sockets: $!\n";
        my $pool   = Pets::Pool->new(name => 'api', dir => test_dir() . "/start$number", sockets => $sockets, config => $config);
        my $notify = IO::Socket::UNIX->new(Type => IO::Socket::UNIX::SOCK_DGRAM(), Local => "$sockets/notify") or die "notify: $!\n";
        $pool->{env}{NOTIFY_SOCKET} = "$sockets/notify";
        local $SIG{ALRM} = sub { die "petsd did not become ready\n" };
        alarm 20;
        my $start = time;
        $pool->start(wait => 'none');
        my $message = '';
        $notify->recv($message, 8192) until $message =~ /^READY=1/m;
        push @seconds, time - $start;
        alarm 0;
        $pool->stop;
    }
    say_step('starts: ', join ' ', map { sprintf '%.0f ms', $_ * 1e3 } @seconds);
    return @seconds;
}

# Where the time of one worker goes while it reads one.
sub profile() {
    say_step('perf record');
    my $perf = spawn(name => 'perf', cmd => [tool('perf'), 'record', '-q', '-F', 1999, '-g', '--call-graph', 'dwarf,16384', '-o', $option{profile}, '-p', $workers[0]], stderr => test_dir() . '/perf.err');
    sleep 0.5;
    Bench::Load::wrk($instance->url('api'), 'read', load_options(FEW), seconds => 5);
    $perf->signal('INT');
    $perf->wait(30);
    return;
}

# --- the table ------------------------------------------------------------------------------------------

# What a function makes of the result of each round and of that of its limit in the same round.
sub each_round($name, $limit, $do) {
    my ($results, $limits) = ($found{ $name->[0] }{ $name->[1] }, $found{ $limit->[0] }{ $limit->[1] });
    return map { $do->($results->[$_], $limits->[$_]) } 0 .. $#$results;
}

sub table() {
    my $table = Bench::Table->new(trouble => \@trouble);
    my $connections = $option{workers} * $option{connections};
    $table->title(
        sprintf('pets-api: %d cores; api pool of %d workers with %d database connections each; %d nginx workers', $cores, $option{workers}, $option{connections}, $cores),
        sprintf('%d pets of %d owners; %s, fsync off, shared_buffers 256MB; plain HTTP unless it says TLS', $option{pets}, $option{owners}, version($service->database->psql('show server_version'), 'PostgreSQL ')),
        sprintf('medians of %d rounds of %d s; load from the same machine, of which others used %.0f %% (%.0f to %.0f %%)', $option{rounds}, $option{seconds}, map { $_ * 100 } median(@others), min(@others), max(@others)),
    );
    $table->heading;
    for my $workload (@workloads) {
        $table->row($load{$workload}{name}, $_, $found{"api $workload"}{$_}, $calls{$workload}{ $_ == FEW ? FEW : 0 }) for FEW, MANY;
        $table->row("$load{$workload}{name}, TLS 1.3", FEW, $found{"tls $workload"}{ +FEW }) if $workload eq 'read';
    }
    $table->limits;
    $table->row("pgbench, $load{$_}{name}", $connections, $found{"pgbench $_"}{0}) for @workloads;
    for my $connections ($found{'echo read'} ? (FEW, MANY) : ()) {
        $table->row("echo, $bytes bytes", $connections, $found{'echo read'}{$connections});
        $table->row("return 200, $bytes bytes", $connections, $found{'return read'}{$connections});
    }
    goals($table);
    return $table->text(sprintf 'measured in %.0f s', time - $begun);
}

sub version($text, $before) { return $before . (split ' ', $text)[0] }

# The goals, each within this one run. Beside each ratio of requests a second stands that of CPU time: with all
# cores busy they agree, and the second cares little for what else the machine does.
sub goals($table) {
    my %ratio = (read => 0.26, list => 0.27, create => 0.65, mix => 0.46);
    $table->goals;
    for my $workload (@workloads) {
        ratio($table, $workload, $_, 'pgbench', 0, $ratio{$workload}) for FEW, MANY;
    }
    if ($found{'echo read'}) {
        ratio($table, 'read', $_, 'echo', $_, 0.60) for FEW, MANY;
    }
    for my $workload (@workloads) {
        my $ratio = median(map { $_->{p99} / $_->{p50} } @{ $found{"api $workload"}{ +MANY } });
        $table->goal("$load{$workload}{name} at @{[MANY]}, p99 / p50", $ratio, '<=', 4, '%.1f');
    }
    $table->goal('system calls of a read, one connection', sum0(values %{ $calls{read}{1} }), '<=', 6, '%.1f') if %{ $calls{read}{1} // {} };
    $table->goal('PSS of a worker after all this, MiB', max(@pss) / 1024, '<=', 4, '%.2f') if @pss;
    $table->goal('ready after start, ms', median(@ready) * 1e3, '<=', 100, '%.0f');
    return;
}

sub ratio($table, $workload, $connections, $limit, $limit_connections, $goal) {
    my @names = (["api $workload", $connections], ["$limit $workload", $limit_connections]);
    my @rate  = each_round(@names, sub ($result, $limit) { $result->{rate} / $limit->{rate} });
    my @cpu   = each_round(@names, sub ($result, $limit) { $limit->{all_cpu} / $result->{all_cpu} });
    $table->goal("$load{$workload}{name} at $connections, of $limit", median(@rate), '>=', $goal, '%.2f', sprintf 'by CPU time %.2f', median(@cpu));
    return;
}
