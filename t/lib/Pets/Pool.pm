package Pets::Pool;

=head1 NAME

Pets::Pool - one running petsd: its configuration, its processes, its log, its ops socket

=head1 WHY

A test of processes says what it wants in terms of the manual (options, signals, status fields, log
lines) and never parses or sleeps by itself.

    my $pool = Pets::Pool->new(
        name   => 'api',
        config => { pool => { workers => 2 }, database => { host => $cluster_dir } },
    );
    $pool->start;                             # returns once it is ready
    my $reply = $pool->connect->request(uri => '/v1/pets');      # a Pets::FastCGI
    $pool->set(pool => { workers => 3 });     # rewrites the file
    $pool->signal('HUP');
    $pool->log_wait(sub ($event) { $event->{msg} =~ /reloaded/ }, 5);
    is scalar $pool->workers, 4;              # pids, the ops worker among them
    $pool->stop;

Options of new: name (api), config, dir (where files go: the test's directory), sockets (where sockets go:
the test's socket directory), address (ADDRESS:PORT instead of a socket), listen and ops_listen (false: not written into the configuration), pass (a
list of [name, handle] passed as LISTEN_FDS), env, notify (listen for sd_notify messages), program, arguments.

=cut

use v5.36;
use File::Path qw(make_path);
use IO::Socket::UNIX;
use JSON::PP ();
use Pets::Env qw(bin spawn run wait_until slurp spew test_dir sock_dir children_of process_gone);
use Pets::FastCGI;
use Time::HiRes qw(sleep time);

sub new($class, %option) {
    my $name = $option{name} // 'api';
    my $dir  = $option{dir}     // test_dir() . "/$name";
    my $sock = $option{sockets} // sock_dir();
    make_path($dir);
    my $self = bless {
        name    => $name,
        dir     => $dir,
        program => $option{program} // bin('petsd'),
        env     => $option{env} // {},
        pass    => $option{pass},
        notify  => $option{notify},
        arguments => $option{arguments} // [],
        file    => "$dir/$name.ini",
        log     => "$dir/$name.log",
        socket  => $option{address} // "$sock/$name.sock",
        ops     => "$sock/$name-ops.sock",
        sockets => $sock,
        log_at  => 0,
        events  => [],
    }, $class;
    $self->{config} = {
        pool => {
            name    => $name,
            workers => 1,
            ($option{listen}     // 1) ? (listen     => $self->{socket}) : (),
            ($option{ops_listen} // 1) ? (ops_listen => $self->{ops})    : (),
        },
    };
    $self->set(%{ $option{config} // {} });
    return $self;
}

sub pools($self)       { return $self }    # see Pets::Pools
sub name($self)        { return $self->{name} }
sub file($self)        { return $self->{file} }
sub log_file($self)    { return $self->{log} }
sub socket_path($self) { return $self->{socket} }
sub ops_path($self)    { return $self->{ops} }

# --- configuration --------------------------------------------------------------------------------------

# Changes options (section => { key => value }; an undefined value leaves the option out) and writes the
# file, readable by its owner only.
sub set($self, %sections) {
    for my $section (keys %sections) {
        for my $key (keys %{ $sections{$section} }) {
            $self->{config}{$section}{$key} = $sections{$section}{$key};
        }
    }
    my $text = '';
    for my $section (sort keys %{ $self->{config} }) {
        my $options = $self->{config}{$section};
        $text .= "[$section]\n";
        $text .= join '', map { "$_ = $options->{$_}\n" } grep { defined $options->{$_} } sort keys %$options;
        $text .= "\n";
    }
    spew("$self->{file}.new", $text, 0600);
    rename "$self->{file}.new", $self->{file} or die "$self->{file}: $!\n";
    return $self;
}

# Runs petsd with this configuration and other arguments to its end (-t, -T). As Pets::Env::run.
sub check($self, @arguments) {
    return run([$self->{program}, '-c', $self->{file}, @arguments], env => $self->{env});
}

# --- life -----------------------------------------------------------------------------------------------

# Starts it. Option wait: ready (the default: it answers requests), up (the sockets exist) or none;
# timeout: seconds for that.
sub start($self, %option) {
    my %env = %{ $self->{env} };
    if ($self->{notify}) {
        $self->start_listener;
        $env{NOTIFY_SOCKET} = $self->{notify_socket};
    }
    $self->{process} = spawn(
        name   => "petsd $self->{name}",
        cmd    => [$self->{program}, '-c', $self->{file}, @{ $self->{arguments} }],
        env    => \%env,
        stdout => $self->{log},
        stderr => $self->{log},
        $self->{pass} ? (listen => $self->{pass}) : (),
    );
    my $wait = $option{wait} // 'ready';
    $self->wait_ready($option{timeout} // 60) if $wait eq 'ready';
    $self->wait_up($option{timeout} // 60) if $wait eq 'up';
    return $self;
}

# Until the ops worker says that the pool is ready to serve, and its first generation is complete: the ops worker
# may be there before the others are.
sub wait_ready($self, $seconds = 60) {
    $self->wait_alive(
        sub {
            my $reply = eval { $self->ops('/ready') } // return 0;
            return ($reply->{status} // 0) == 200 && $self->status->{generation} >= 1;
        },
        $seconds,
        'the pool to be ready'
    );
    return $self;
}

# Until the ops worker answers at all (a pool without a database is up, but not ready).
sub wait_up($self, $seconds = 60) {
    $self->wait_alive(
        sub {
            my $reply = eval { $self->ops('/live') } // return 0;
            return ($reply->{status} // 0) == 200;
        },
        $seconds,
        'the pool to be up'
    );
    return $self;
}

# Waits, but not for a pool that has died: then it dies too, with the end of the log.
sub wait_alive($self, $condition, $seconds, $what) {
    eval {
        wait_until {
            return 1 if $condition->();
            die "petsd has ended with status " . $self->{process}->status . "\n" if !$self->alive;
            return 0;
        }
        $seconds, $what;
        1;
    } or die "$self->{name}: $@" . $self->log_tail(15);
    return;
}

sub process($self) { return $self->{process} }
sub master($self)  { return $self->{process}->pid }
sub alive($self)   { return $self->{process} ? $self->{process}->alive : 0 }

# The pids of all children of the master, the ops worker among them.
sub workers($self) { return children_of($self->master) }

# To the master.
sub signal($self, $signal) { return $self->{process}->signal($signal) }

# Reloads; returns once new connections meet the new generation: one of the old may take a connection until it has
# read that it is to leave. What nginx has kept open goes to the old one still, 10 s at most: with gone => 1 that is
# waited for, too.
sub reload($self, %option) {
    my $mark = $self->log_mark;
    $self->signal('HUP');
    my $event = $self->log_wait(sub ($event) { ($event->{event} // '') eq 'reloaded' }, 60, $mark);
    wait_until {
        !grep { $_->{generation} < $event->{generation} && ($option{gone} || $_->{state} ne 'draining') } $self->status(full => 1)->{processes}->@*
    }
    60, 'the former generation to leave';
    return $event;
}

# Kills the master or one of its workers (a pid) at once.
sub kill_master($self) {
    $self->{process}->signal('KILL');
    return $self->{process}->wait(30);
}

sub kill_worker($self, $pid, $signal = 'KILL') {
    (grep { $_ == $pid } $self->workers) or die "$pid is no worker of this pool\n";
    return kill $signal, $pid;
}

# TERM, and the exit status (as in $?); dies when it does not go in time, which is less than drain_timeout_ms.
sub stop($self, $seconds = 25) {
    my $process = $self->{process} // return;
    $process->signal('TERM');
    my $status = $process->wait($seconds);
    if (!defined $status) {
        my $tail = $self->log_tail(15);
        $process->stop(0);
        die "$self->{name}: petsd did not stop in $seconds s\n$tail";
    }
    return $status;
}

# --- talking to it --------------------------------------------------------------------------------------

# A new connection to the pool, as nginx would make it.
sub connect($self, %option) { return Pets::FastCGI->new($self->{socket}, %option) }

# One request to the ops worker.
sub ops($self, $uri, %option) { return Pets::FastCGI->get($self->{ops}, $uri, %option) }

# The status page as data; full: with every worker.
sub status($self, %option) {
    my $reply = $self->ops($option{full} ? '/status?full' : '/status', accept => 'application/json');
    return $reply->{json} // die "$self->{name}: /status answered " . ($reply->{status} // 'nothing') . ": $reply->{body}\n";
}

# The metrics as a hash: "name{labels}" => value.
sub metrics($self) {
    my %metric;
    for my $line (split /\n/, $self->ops('/metrics')->{body}) {
        next if $line =~ /^#/;
        $metric{$1} = $2 if $line =~ /^(\S+(?:\{.*\})?) (\S+)/;
    }
    return \%metric;
}

# --- its log --------------------------------------------------------------------------------------------

# All events so far, as data. A line that is not JSON is { unparsed => line }.
sub log_events($self) {
    if (open my $in, '<:raw', $self->{log}) {
        seek $in, $self->{log_at}, 0;
        while (my $line = <$in>) {
            last if $line !~ /\n\z/;    # still being written
            $self->{log_at} += length $line;
            chomp $line;
            my $event = eval { JSON::PP->new->utf8->decode($line) };
            push @{ $self->{events} }, ref $event eq 'HASH' ? $event : { unparsed => $line };
        }
    }
    return @{ $self->{events} };
}

# How many events there are: pass it to log_wait or log_grep to look only at what comes after.
sub log_mark($self) {
    my @events = $self->log_events;
    return scalar @events;
}

# The events for which the function is true, from the mark on.
sub log_grep($self, $wanted, $mark = 0) {
    my @events = $self->log_events;
    return grep { $wanted->($_) } @events[$mark .. $#events];
}

# Waits for such an event and returns the first one.
sub log_wait($self, $wanted, $seconds = 30, $mark = 0) {
    my $found;
    eval {
        wait_until { ($found) = $self->log_grep($wanted, $mark); $found } $seconds, 'a line of the log';
        1;
    } or die "$self->{name}: $@" . $self->log_tail(15);
    return $found;
}

# The last lines as text, to be shown.
sub log_tail($self, $lines = 10) {
    my @lines = split /^/, eval { slurp($self->{log}) } // '';
    splice @lines, 0, @lines - $lines if @lines > $lines;
    return join '', map { "  $self->{name}.log: $_" } @lines;
}

# --- sd_notify ------------------------------------------------------------------------------------------

# A process of its own receives the messages: a sender must not have to wait until a test looks.
sub start_listener($self) {
    return if $self->{listener};
    $self->{notify_socket} = "$self->{sockets}/$self->{name}-notify.sock";
    $self->{notify_log}    = "$self->{dir}/$self->{name}.notify";
    unlink $self->{notify_socket};
    my $receive = <<~'PERL';
        use v5.36;
        use IO::Socket::UNIX;
        use Time::HiRes qw(time);
        my ($path, $log) = @ARGV;
        my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!\n";
        open my $out, '>>', $log or die "$log: $!\n";
        $out->autoflush(1);
        while (defined $socket->recv(my $message, 8192)) {
            $message =~ s/\n+\z//;
            print $out map { sprintf "%.6f %s\n", time, $_ } split /\n/, $message;
        }
        PERL
    $self->{listener} = spawn(name => 'notify', cmd => [$^X, '-e', $receive, $self->{notify_socket}, $self->{notify_log}]);
    wait_until { -S $self->{notify_socket} } 30, 'the notification socket';
    return;
}

# All lines received so far (READY=1, STATUS=...), without their times.
sub notifications($self) {
    return map { s/^\S+ //r } split /\n/, -e $self->{notify_log} ? slurp($self->{notify_log}) : '';
}

# Waits until a line matches.
sub notify_wait($self, $pattern, $seconds = 30) {
    my ($found);
    wait_until { ($found) = grep { /$pattern/ } $self->notifications; defined $found } $seconds, "the notification $pattern";
    return $found;
}

1;
