package Bench::Processes;

=head1 NAME

Bench::Processes - what processes have used: CPU time and memory, as /proc has it

    my $group = Bench::Processes->new(nginx => sub { @pids }, worker => sub { @pids });
    my $used  = $group->watch(sub { ... });     # { nginx => microseconds, worker => ..., load => ..., others => 0.2 }
    my $kib   = Bench::Processes::pss($pid);

`load` is what children of this process used that have ended meanwhile: wrk, pgbench. `others` is the share of the
machine that was used by whatever is not ours.

=cut

use v5.36;
use POSIX ();
use List::Util qw(sum0);
use Pets::Env qw(children_of slurp);

my $tick = 1e6 / POSIX::sysconf(POSIX::_SC_CLK_TCK());

sub new($class, %groups) {
    return bless {%groups}, $class;
}

# A process and its children.
sub family($pid) { return ($pid, children_of($pid)) }

# Runs the function; returns what was used meanwhile.
sub watch($self, $do) {
    my @before = ($self->cpu, children(), machine());
    $do->();
    my @after = ($self->cpu, children(), machine());
    my %used  = (load => $after[1] - $before[1], map { $_ => $after[0]{$_} - $before[0]{$_} } keys %$self);
    my ($busy, $all) = map { $after[2][$_] - $before[2][$_] } 0, 1;
    my $others = ($busy - sum0(values %used)) / ($all || 1);
    return { %used, others => $others > 0 ? $others : 0 };
}

# Microseconds so far, by group.
sub cpu($self) {
    return { map { $_ => sum0(map { microseconds($_) } $self->{$_}->()) } keys %$self };
}

# Of the children that have ended.
sub children() {
    my (undef, undef, $user, $system) = times;
    return ($user + $system) * 1e6;
}

# [busy, all] of all cores.
sub machine() {
    my ($user, $nice, $system, $idle, $iowait, $irq, $softirq) = slurp('/proc/stat') =~ /\Acpu +(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/;
    my $busy = $user + $nice + $system + $irq + $softirq;
    return [map { $_ * $tick } $busy, $busy + $idle + $iowait];
}

# User and system time of a process, and of its children that have ended: a backend of PostgreSQL ends with its
# connection, and what it used is then its parent's.
sub microseconds($pid) {
    open my $in, '<', "/proc/$pid/stat" or return 0;
    my $stat = <$in> // return 0;
    my @field = split ' ', $stat =~ s/\A.*\) //sr;
    return sum0(@field[11 .. 14]) * $tick;
}

sub pss($pid) {
    open my $in, '<', "/proc/$pid/smaps_rollup" or return undef;
    while (my $line = <$in>) {
        return $1 if $line =~ /^Pss:\s+(\d+) kB/;
    }
    return undef;
}

1;
