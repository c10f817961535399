package Bench::Table;

# The one table of the benchmark: rows of medians, the limits below them, the goals at the end.

use v5.36;
use Exporter qw(import);
use List::Util qw(sum0);

our @EXPORT_OK = qw(median);

my $columns = '%-22s %5s %7s %7s %7s %6s %6s %6s %6s %6s';

sub new($class, %option) { return bless { lines => [], %option }, $class }

sub median(@values) {
    @values = sort { $a <=> $b } grep { defined } @values;
    return undef if !@values;
    return @values % 2 ? $values[$#values / 2] : ($values[@values / 2 - 1] + $values[@values / 2]) / 2;
}

sub add($self, $line) {
    push @{ $self->{lines} }, $line =~ s/\s+\z//r;
    return;
}

sub title($self, @lines) {
    $self->add($_) for @lines;
    return;
}

sub heading($self) {
    $self->add('');
    $self->add(sprintf $columns, '', '', '', '', '', 'CPU us', '', '', '', 'calls');
    $self->add(sprintf $columns, '', 'conns', 'req/s', 'p50 ms', 'p99 ms', 'nginx', 'worker', 'PgSQL', 'load', 'worker');
    return;
}

# The results of the rounds (see Bench::Load::wrk) as one line.
sub row($self, $name, $connections, $results, $calls = undef) {
    my $of = sub ($format, $value) {
        my $median = median(map { $value->($_) } @$results);
        return defined $median ? sprintf $format, $median : '-';
    };
    my $milliseconds = sub ($key) { $of->('%.2f', sub ($r) { defined $r->{$key} ? $r->{$key} / 1e3 : undef }) };
    my @cpu = map { my $who = $_; $of->('%.0f', sub ($r) { $r->{cpu}{$who} }) } qw(nginx worker PostgreSQL load);
    $self->add(sprintf $columns, $name, $connections, $of->('%.0f', sub ($r) { $r->{rate} }), $milliseconds->('p50'), $milliseconds->('p99'),
        @cpu, %{ $calls // {} } ? sprintf('%.1f', sum0(values %$calls)) : '');
    return;
}

sub limits($self) { return $self->add('limits, in the same rounds') }

sub goals($self) {
    $self->add('');
    $self->add(sprintf '%-40s %9s %9s', 'goals', 'measured', 'goal');
    return;
}

sub goal($self, $name, $value, $relation, $goal, $format, $more = '') {
    $value = sprintf $format, $value;
    my $reached = $relation eq '>=' ? $value >= $goal : $value <= $goal;
    $self->add(sprintf '%-40s %9s %9s  %-11s  %s', $name, $value, "$relation $goal", $reached ? 'reached' : 'NOT reached', $more);
    return;
}

sub text($self, $end) {
    $self->add('');
    $self->add("TROUBLE: $_") for @{ $self->{trouble} };
    $self->add($end);
    return join '', map { "$_\n" } @{ $self->{lines} };
}

1;
