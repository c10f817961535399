package Pets::Env;

=head1 NAME

Pets::Env - where a test finds things, where it may put things, and the processes it has started

=head1 WHY

Tests run in parallel, as one user, on a machine that is somebody's. So a test has one directory that is
its own (C<test_dir>), one short directory for sockets (C<sock_dir>; a Unix socket's path has at most 107
bytes), ports nobody else will take (C<free_port>), never sleeps for a guess (C<wait_until>), and starts
processes only by C<spawn>, which knows them by pid, reaps them, and ends exactly these when the test ends,
in the reverse order of their start.

    use Pets::Env qw(bin spawn wait_until);
    my $p = spawn(name => 'petsd', cmd => [bin('petsd'), '-c', $file], stderr => "$dir/log");
    wait_until { -S $socket } 5, 'the socket';
    $p->signal('HUP');
    my $status = $p->wait(5);       # as in $?; undef when it has not ended by then
    $p->stop;                       # TERM, and KILL after a while

F<t/run> says by environment where things are: C<PETS_SRC> (the checkout), C<PETS_BUILD> (the build),
C<PETS_VAR>, C<PETS_TEST_DIR>. Without them (C<prove -It/lib t/integration/x.t>) they are guessed.

=cut

use v5.36;
use Cwd ();
use Errno qw(ECHILD);
use Exporter qw(import);
use File::Basename qw(basename dirname);
use File::Path qw(make_path);
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use Pets::Secrets qw(note_command);
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(
    src build bin built var test_dir sock_dir free_port find_program tool
    spawn run wait_until slurp spew random_hex children_of process_gone);

my $owner = $$;    # only the process that loaded this ends what it started
my @processes;     # in the order of their start
my @port_locks;
my ($test_dir, $sock_dir);

# A test that is interrupted ends by exit, so that END blocks clean up.
for my $signal (qw(INT TERM HUP)) {
    $SIG{$signal} //= sub { exit 130 };
}
$SIG{PIPE} = 'IGNORE';

# --- places ---------------------------------------------------------------------------------------------

# The checkout.
sub src() {
    state $src = $ENV{PETS_SRC} // Cwd::realpath(dirname(__FILE__) . '/../../..');
    return $src;
}

# Where the programs under test were built.
sub build() {
    state $build = $ENV{PETS_BUILD} // (grep { -d } src() . '/var/build-test', src() . '/var/build')[0]
        // die "nothing is built yet: use ./t/run, or set PETS_BUILD\n";
    return $build;
}

# The path of a built program (petsd, petsctl).
sub bin($name) {
    my $path = build() . "/$name";
    -x $path or die "$path is not there\n";
    return $path;
}

# The path of a file that the build makes and the installation would install (common-passwords).
sub built($name) {
    my $path = build() . "/$name";
    -e $path or die "$path is not there\n";
    return $path;
}

# The directory of everything that is made.
sub var() {
    return $ENV{PETS_VAR} // src() . '/var';
}

# The directory of this test, empty at its start; kept when the test fails.
sub test_dir() {
    if (!defined $test_dir) {
        $test_dir = $ENV{PETS_TEST_DIR} // var() . '/test/' . basename($0, '.t');
        make_path($test_dir, { mode => 0755 });
    }
    return $test_dir;
}

# A short directory for sockets; removed at the end.
sub sock_dir() {
    $sock_dir //= File::Temp::tempdir("pets-$$-XXXXXX", TMPDIR => 1);
    chmod 0755, $sock_dir;
    return $sock_dir;
}

# A program's path, also in the directories that are not on everybody's PATH.
sub find_program($name) {
    for my $dir (split(/:/, $ENV{PATH} // ''), qw(/usr/sbin /sbin /usr/local/sbin)) {
        return "$dir/$name" if length $dir && -x "$dir/$name" && !-d _;
    }
    return undef;
}

# The same, or the end of the test.
sub tool($name) {
    return find_program($name) // die "$name is not installed\n";
}

# A TCP port on 127.0.0.1 that is free and that no other test, of this checkout or another, will be given while
# this one runs: below the kernel's own range, reserved by a name (an abstract Unix socket) that this process holds.
sub free_port() {
    for my $try (1 .. 500) {
        my $port = 20000 + int rand 10000;
        my $lock = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => "\0pets-test-port-$port") // next;
        my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1)
            or next;
        close $probe;
        push @port_locks, $lock;
        return $port;
    }
    die "no free port was found\n";
}

# --- small things ---------------------------------------------------------------------------------------

sub slurp($path) {
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

# Writes a whole file; the mode holds from the start.
sub spew($path, $content, $mode = 0644) {
    unlink $path;
    sysopen my $out, $path, POSIX::O_WRONLY | POSIX::O_CREAT | POSIX::O_EXCL, $mode or die "$path: $!\n";
    chmod $mode, $out;
    utf8::encode($content) if utf8::is_utf8($content);
    print $out $content or die "$path: $!\n";
    close $out or die "$path: $!\n";
    return $path;
}

sub random_hex($bytes) {
    open my $in, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read($in, my $random, $bytes) == $bytes or die "/dev/urandom: $!\n";
    return unpack 'H*', $random;
}

# Looks every few milliseconds until the block is true, and returns what it returned; dies after so many
# seconds, naming what was waited for.
sub wait_until : prototype(&@) ($ready, $seconds, $what) {
    my $end   = time + $seconds;
    my $pause = 0.002;
    while (1) {
        my $value = $ready->();
        return $value if $value;
        die "waited $seconds s in vain for $what\n" if time > $end;
        sleep $pause;
        $pause *= 1.5 if $pause < 0.05;
    }
}

# The pids of a process's children (of all threads), as /proc has them.
sub children_of($pid) {
    my @children;
    for my $file (glob "/proc/$pid/task/*/children") {
        open my $in, '<', $file or next;
        push @children, split ' ', scalar(<$in>) // '';
    }
    return sort { $a <=> $b } @children;
}

# Whether no process (or only a zombie) has this pid.
sub process_gone($pid) {
    open my $in, '<', "/proc/$pid/stat" or return 1;
    my $stat = <$in> // return 1;
    return $stat =~ /\) [ZX] /;
}

# Runs a command to its end. Returns (status as in $?, standard output, standard error). Options: stdin (a
# string), env (a hash added to the environment; undef removes), dir, timeout (seconds, 180).
sub run($cmd, %option) {
    my $dir = File::Temp->newdir('run-XXXXXX', TMPDIR => 1);
    spew("$dir/in", $option{stdin} // '');
    my $process = spawn(
        name   => basename($cmd->[0]),
        cmd    => $cmd,
        stdin  => "$dir/in",
        stdout => "$dir/out",
        stderr => "$dir/err",
        map { exists $option{$_} ? ($_ => $option{$_}) : () } qw(env dir),
    );
    my $status = $process->wait($option{timeout} // 180);
    if (!defined $status) {
        $process->stop(1);
        die "timed out: @$cmd\n" . slurp("$dir/err");
    }
    my ($out, $err) = map { slurp("$dir/$_") } qw(out err);
    keep_complaint($cmd, $option{stdin}, $out, $err) if index($cmd->[0], build() . '/') == 0;
    return ($status, $out, $err);
}

# What a program of ours has complained of, once run, is a log of the test like any other.
sub keep_complaint($cmd, $stdin, $out, $err) {
    note_command($cmd, $stdin, $out);
    return if !length $err || !defined $ENV{PETS_TEST_DIR};
    open my $log, '>>:raw', "$ENV{PETS_TEST_DIR}/commands.err" or die "commands.err: $!\n";
    print $log $err;
    close $log;
    return;
}

# --- processes ------------------------------------------------------------------------------------------

# Starts a process and returns its handle. Options: name and cmd (needed); stdin, stdout, stderr (paths;
# without them /dev/null, and for the last two the test's own standard error); env (added; an undefined
# value removes); dir; listen => [[name, handle], ...] (passed as LISTEN_FDS from descriptor 3 on);
# group (a process group of its own).
sub spawn(%option) {
    # Signals wait while the child still has the handlers of this process.
    my $all = POSIX::SigSet->new;
    $all->fillset;
    my $before = POSIX::SigSet->new;
    POSIX::sigprocmask(POSIX::SIG_BLOCK, $all, $before);
    my $pid = fork;
    my $why = $!;
    if (defined $pid && $pid == 0) {
        eval { become(\%option) } or print STDERR "$option{name}: $@";
        POSIX::_exit(127);
    }
    POSIX::sigprocmask(POSIX::SIG_SETMASK, $before);
    defined $pid or die "fork: $why\n";
    my $self = bless { name => $option{name}, pid => $pid, started => time, status => undef }, 'Pets::Env::Process';
    push @processes, $self;
    return $self;
}

# In the child: sets everything up and becomes the program.
sub become($option) {
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD);
    POSIX::sigprocmask(POSIX::SIG_SETMASK, POSIX::SigSet->new);
    POSIX::setpgid(0, 0) if $option->{group};
    if (defined $option->{dir}) {
        chdir $option->{dir} or die "$option->{dir}: $!\n";
    }
    redirect(0, $option->{stdin}  // '/dev/null', POSIX::O_RDONLY);
    redirect(1, $option->{stdout}, POSIX::O_WRONLY | POSIX::O_CREAT | POSIX::O_APPEND) if defined $option->{stdout};
    POSIX::dup2(2, 1) if !defined $option->{stdout};
    redirect(2, $option->{stderr}, POSIX::O_WRONLY | POSIX::O_CREAT | POSIX::O_APPEND) if defined $option->{stderr};
    if (my $listen = $option->{listen}) {
        # First out of the way of the numbers that they are to have.
        my @high = map { fcntl($_->[1], POSIX::F_DUPFD, 100) or die "dup: $!\n" } @$listen;
        POSIX::dup2($high[$_], 3 + $_) for 0 .. $#high;
        POSIX::close($_) for @high;
        $ENV{LISTEN_FDS}     = @$listen;
        $ENV{LISTEN_FDNAMES} = join ':', map { $_->[0] } @$listen;
        $ENV{LISTEN_PID}     = $$;
    }
    my $env = $option->{env} // {};
    for my $key (keys %$env) {
        if (defined $env->{$key}) { $ENV{$key} = $env->{$key} }
        else                      { delete $ENV{$key} }
    }
    no warnings 'exec';
    exec { $option->{cmd}[0] } @{ $option->{cmd} } or die "$option->{cmd}[0]: $!\n";
}

sub redirect($fd, $path, $flags) {
    my $new = POSIX::open($path, $flags, 0644) // die "$path: $!\n";
    return if $new == $fd;
    POSIX::dup2($new, $fd) // die "dup2: $!\n";
    POSIX::close($new);
}

# Ends all that still runs, the last started first.
sub stop_all() {
    for my $process (reverse @processes) {
        $process->stop;
    }
    @processes = ();
}

END {
    if ($$ == $owner) {
        my $status = $?;
        stop_all();
        if (defined $sock_dir) {
            require File::Path;
            File::Path::remove_tree($sock_dir);
        }
        $? = $status;    ## no critic: the test's own exit status stands
    }
}

package Pets::Env::Process;

use v5.36;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

sub pid($self)  { return $self->{pid} }
sub name($self) { return $self->{name} }

# Whether it still runs; reaps it if not.
sub alive($self) {
    return 0 if defined $self->{status};
    my $got = waitpid $self->{pid}, WNOHANG;
    return 1 if $got == 0;
    $self->{status} = $got == $self->{pid} ? $? : -1;
    return 0;
}

# The status as in $? once it has ended.
sub status($self) {
    $self->alive;
    return $self->{status};
}

# Sends a signal, unless it has ended (its pid may be another's by now).
sub signal($self, $signal) {
    return $self->alive ? kill($signal, $self->{pid}) : 0;
}

# Waits for its end, so many seconds at most; returns the status as in $?, or undef.
sub wait($self, $seconds = 10) {
    my $end   = time + $seconds;
    my $pause = 0.001;
    while ($self->alive) {
        return undef if time > $end;
        sleep $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
    return $self->{status};
}

# Ends it: TERM, and KILL if that has not done it after so many seconds. True when TERM was enough.
sub stop($self, $seconds = 10) {
    return 1 if !$self->alive;
    $self->signal('TERM');
    return 1 if defined $self->wait($seconds);
    $self->signal('KILL');
    $self->wait(5);
    return 0;
}

1;
