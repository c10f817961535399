package Pets::FakeResponder;

# A FastCGI application for testing nginx alone: it echoes the parameters it was given, and misbehaves
# on demand. It speaks the records of the protocol itself (BEGIN_REQUEST, PARAMS, STDIN, STDOUT,
# END_REQUEST, keep_conn), in one process that polls all its connections, so that a delayed answer holds
# up nobody else.
#
#   my $fake = Pets::FakeResponder->new(socket => "$dir/api.sock", name => 'api');
#   $fake->start; ... $fake->stop;
#
# The answer is JSON: {name, params, order, body, body_length, connection, request}, where connection
# and request count what this process has accepted. What to do differently is said in the query string:
#
#   status=503           h=Retry-After:7 (repeatable)    delay=0.5      size=100000 (that much body)
#   close=before|header|middle                           nothing        (never answer)
#
# `close=before` hangs up without an answer, `header` after a broken header, `middle` within the body.

use v5.36;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use Socket      qw(SOCK_STREAM SOMAXCONN);
use Time::HiRes qw(time);

my $BEGIN  = 1;
my $ABORT  = 2;
my $END    = 3;
my $PARAMS = 4;
my $STDIN  = 5;
my $STDOUT = 6;

my $JSON = JSON::PP->new->canonical->latin1;

sub new ($class, %option) {
    return bless {socket => $option{socket}, name => $option{name} // 'fake'}, $class;
}

sub start ($self) {
    unlink $self->{socket};
    my $listener = IO::Socket::UNIX->new(
        Type   => SOCK_STREAM,
        Local  => $self->{socket},
        Listen => SOMAXCONN
    ) or die "$self->{socket}: $!";
    chmod 0666, $self->{socket} or die "$self->{socket}: $!";

    $self->{owner} = $$;
    $self->{pid}   = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        eval { $self->_serve($listener); 1 } or print STDERR "FakeResponder: $@";
        require POSIX;
        POSIX::_exit(1);
    }
    return $self;
}

sub stop ($self) {
    return if !$self->{pid} || $self->{owner} != $$;
    my $pid = delete $self->{pid};
    local $? = 0;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    unlink $self->{socket};
    return;
}

sub DESTROY ($self) { $self->stop; return }

# ---- the child ----

sub _serve ($self, $listener) {
    local $SIG{TERM} = 'DEFAULT';
    local $SIG{INT}  = 'DEFAULT';
    local $SIG{PIPE} = 'IGNORE';
    my $poll = IO::Select->new($listener);
    my ($accepted, $served, %peer, @waiting) = (0, 0);

    # It looks up now and then, to leave when the test has.
    while (getppid == $self->{owner}) {
        @waiting = sort { $a->{at} <=> $b->{at} } @waiting;
        my $wait = @waiting ? $waiting[0]{at} - time : 1;
        $wait = $wait < 0 ? 0 : $wait > 1 ? 1 : $wait;
        for my $handle ($poll->can_read($wait)) {
            if ($handle == $listener) {
                my $new = $listener->accept or next;
                $peer{$new} = {handle => $new, bytes => '', number => ++$accepted, open => 1};
                $poll->add($new);
                next;
            }
            my $peer = $peer{$handle};
            if (!sysread $handle, $peer->{bytes}, 65536, length $peer->{bytes}) {
                _hang_up($poll, delete $peer{$handle});
                next;
            }
            while (my $request = _take_request($peer)) {
                my $plan = _plan($request->{params}{REQUEST_URI} // '');
                next if exists $plan->{nothing};
                @$request{qw(name connection request)} = ($self->{name}, $peer->{number}, ++$served);
                push @waiting, {at => time + ($plan->{delay} // 0), peer => $peer, request => $request, plan => $plan};
            }
        }
        while (@waiting && $waiting[0]{at} <= time) {
            my $due  = shift @waiting;
            my $peer = $due->{peer};
            next if !$peer->{open} || _answer($peer->{handle}, $due->{request}, $due->{plan});
            _hang_up($poll, delete $peer{$peer->{handle}});
        }
    }
    return;
}

sub _hang_up ($poll, $peer) {
    $peer->{open} = 0;
    $poll->remove($peer->{handle});
    close $peer->{handle};
    return;
}

# Takes complete records off the peer's bytes. Returns a request once its input has ended.
sub _take_request ($peer) {
    while (length $peer->{bytes} >= 8) {
        my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $peer->{bytes};
        return if length $peer->{bytes} < 8 + $length + $padding;
        my $content = substr $peer->{bytes}, 8, $length;
        substr $peer->{bytes}, 0, 8 + $length + $padding, '';

        if ($type == $BEGIN) {
            my (undef, $flags) = unpack 'nC', $content;
            $peer->{request} = {id => $id, keep => $flags & 1, raw => '', body => ''};
        } elsif ($type == $PARAMS && $length) {
            $peer->{request}{raw} .= $content;
        } elsif ($type == $PARAMS) {
            @{$peer->{request}}{qw(params order)} = _pairs(delete $peer->{request}{raw});
        } elsif ($type == $STDIN && $length) {
            $peer->{request}{body} .= $content;
        } elsif ($type == $STDIN) {
            return delete $peer->{request};
        } elsif ($type == $ABORT) {
            delete $peer->{request};
        }
    }
    return;
}

sub _pairs ($raw) {
    my ($at, %value, @order) = (0);
    my $length = sub {
        my $first = unpack 'C', substr $raw, $at, 1;
        my $wide  = $first & 0x80;
        my $found = $wide ? unpack('N', substr $raw, $at, 4) & 0x7fffffff : $first;
        $at += $wide ? 4 : 1;
        return $found;
    };
    while ($at < length $raw) {
        my ($name_length, $value_length) = ($length->(), $length->());
        my $name = substr $raw, $at, $name_length;
        $value{$name} = substr $raw, $at + $name_length, $value_length;
        push @order, $name;
        $at += $name_length + $value_length;
    }
    return (\%value, \@order);
}

sub _plan ($uri) {
    my (undef, $query) = split /\?/, $uri, 2;
    my %plan = (h => []);
    for my $item (split /&/, $query // '') {
        my ($name, $value) = split /=/, $item, 2;
        $value = ($value // '') =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger;
        if ($name eq 'h') { push @{$plan{h}}, $value }
        else              { $plan{$name} = $value }
    }
    return \%plan;
}

# Returns true if the connection stays open.
sub _answer ($handle, $request, $plan) {
    my $close = $plan->{close} // '';
    return 0 if $close eq 'before';

    my $status = $plan->{status} // 200;
    my $body =
        defined $plan->{size} ? 'x' x $plan->{size} : $JSON->encode({
            (map { $_ => $request->{$_} } qw(name params order body connection request)),
            body_length => length $request->{body}
        });
    my $header = join '', map { s/:\s*/: /r . "\r\n" } "Status:$status", @{$plan->{h}};
    $header .= "Content-Type: application/json\r\n" if $header !~ /^Content-Type:/mi && $status != 204;
    $body = '' if $status == 204 || $status == 304 || $request->{params}{REQUEST_METHOD} eq 'HEAD';

    my $text = "$header\r\n$body";
    $text = "${header}broken header line \x00\r\n\r\n"      if $close eq 'header';
    $text = substr $text, 0, length($header) + length($body) / 2 if $close eq 'middle';

    my $out = '';
    while (length $text) {
        my $piece = substr $text, 0, 32768, '';
        $out .= pack('CCnnCx', 1, $STDOUT, $request->{id}, length $piece, 0) . $piece;
    }
    if ($close ne 'middle') {
        $out .= pack 'CCnnCx', 1, $STDOUT, $request->{id}, 0, 0;
        $out .= pack('CCnnCx', 1, $END, $request->{id}, 8, 0) . pack 'NCx3', 0, 0;
    }
    while (length $out) {
        my $written = syswrite $handle, $out or return 0;
        substr $out, 0, $written, '';
    }
    return $request->{keep} && !$close;
}

1;
