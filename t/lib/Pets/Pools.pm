package Pets::Pools;

=head1 NAME

Pets::Pools - one pool on several hosts, handled like one Pets::Pool

=head1 WHY

A test that says C<< $service->auth->reload >> or looks for an event in C<< $service->api->log_wait(...) >> means the
service, wherever it runs. So with several hosts (C<hosts> of Pets::Service) it gets one of these: what changes a
pool is done to all, what is looked for in a log is looked for in all, counters are added up, and connections are made
to each in turn. What speaks of the processes of one pool is that of the first; a test that is about that says
C<< hosts => 1 >>.

=cut

use v5.36;
use Pets::Env qw(wait_until);
use Pets::FastCGI;

sub new($class, @pools) { return bless { pools => \@pools, next => 0 }, $class }

sub pools($self) { return $self->{pools}->@* }

# Each in turn.
sub socket_path($self) {
    my @pools = $self->pools;
    return $pools[$self->{next}++ % @pools]->socket_path;
}

sub connect($self, %option) { return Pets::FastCGI->new($self->socket_path, %option) }

# --- all of them ----------------------------------------------------------------------------------------

sub set($self, %sections) { $_->set(%sections) for $self->pools; return $self }

sub start($self, %option) { $_->start(%option) for $self->pools; return $self }

sub wait_ready($self, @seconds) { $_->wait_ready(@seconds) for $self->pools; return $self }

# The status of the first that did not end well, or 0.
sub stop($self, @seconds) { return (grep { $_ } map { $_->stop(@seconds) } $self->pools)[0] // 0 }

sub reload($self, %option) { return (map { $_->reload(%option) } $self->pools)[0] }

sub signal($self, $signal) { $_->signal($signal) for $self->pools; return 1 }

sub workers($self) { return map { $_->workers } $self->pools }

sub alive($self) { return !grep { !$_->alive } $self->pools }

sub metrics($self) {
    my %sum;
    for my $metrics (map { $_->metrics } $self->pools) {
        $sum{$_} += $metrics->{$_} for keys %$metrics;
    }
    return \%sum;
}

# That of the first, with the processes and the counters of all.
sub status($self, %option) {
    my ($status, @more) = map { $_->status(%option) } $self->pools;
    for my $other (@more) {
        push $status->{processes}->@*, $other->{processes}->@* if $option{full};
        $status->{counters}{$_} += $other->{counters}{$_} for keys $status->{counters}->%*;
    }
    return $status;
}

# --- their logs -----------------------------------------------------------------------------------------

sub log_events($self) { return map { $_->log_events } $self->pools }

sub log_mark($self) { return [map { $_->log_mark } $self->pools] }

# In the order of their times.
sub log_grep($self, $wanted, $mark = 0) {
    my @marks = ref $mark ? @$mark : ($mark) x $self->pools;
    my @found = sort { ($a->{time} // '') cmp ($b->{time} // '') } map { $_->log_grep($wanted, shift @marks) } $self->pools;
    return @found;
}

sub log_wait($self, $wanted, $seconds = 30, $mark = 0) {
    my $found;
    eval {
        wait_until { ($found) = $self->log_grep($wanted, $mark); $found } $seconds, 'a line of a log';
        1;
    } or die $@ . $self->log_tail(15);
    return $found;
}

sub log_tail($self, @lines) { return join '', map { $_->log_tail(@lines) } $self->pools }

# --- the first ------------------------------------------------------------------------------------------

for my $name (qw(name file log_file ops_path ops check)) {
    no strict 'refs';
    *$name = sub ($self, @arguments) { return $self->{pools}[0]->$name(@arguments) };
}

1;
