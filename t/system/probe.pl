# Tries what a process in the place of a pool should not be able to do, and prints what came of it as JSON: for each
# trial "" when it worked, and otherwise why not. Run by Pets::Inside::probe; arguments: the pid of another pool's
# master, and that of something of root's.
use v5.36;
use Errno ();
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(AF_INET AF_INET6 AF_UNIX SOCK_STREAM SOCK_DGRAM SOCK_RAW);

use constant { AF_NETLINK => 16, AF_PACKET => 17 };

my ($other, $root) = @ARGV;
my %tried;

sub try_to ($name, $do) {
    $! = 0;
    my $worked = eval { $do->() };
    $tried{$name} = $worked ? '' : $@ ? "$@" : exists $!{ENOENT} && $!{ENOENT} ? 'absent' : "$!" || 'no';
    return;
}

sub can_read ($path) { return try_to("read $path", sub { open my $in, '<', $path or return 0; return defined readline $in }) }
sub can_list ($path) { return try_to("list $path", sub { opendir my $dir, $path or return 0; return scalar grep { !/^\.\.?$/ } readdir $dir }) }
sub can_write ($path) { return try_to("write $path", sub { open my $out, '>', $path or return 0; return unlink $path }) }

can_read($_) for qw(/etc/pets-api/credentials/pepper /etc/pets-api/credentials/signing.pem /etc/pets-api/credentials/mfa
    /run/credentials/petsd-auth.service/pepper /run/credentials/petsd-auth.service/signing.pem /run/credentials/petsd-api.service/cursor-api
    /etc/shadow /etc/pets-api/tls/api.example.com.key /etc/pets-api/api.conf);
can_list($_) for qw(/etc/pets-api/credentials /root /home /var/lib/postgresql /var/log /run/pets-api /run/dbus /run/systemd /run/nginx.pid /boot /srv);
can_write($_) for qw(/etc/x /etc/pets-api/x /etc/pets-api/public-keys/x.pub.pem /usr/x /var/x /var/lib/x /run/x /run/postgresql/x /dev/shm/x /tmp/x /x);

# Other processes.
try_to('see another pool',  sub { -e "/proc/$other/status" });
try_to('see one of root',   sub { -e "/proc/$root/status" });
try_to('signal another pool', sub { kill 0, $other });
try_to('signal one of root',  sub { kill 0, $root });

# Sockets.
my %family = (INET => AF_INET, INET6 => AF_INET6, PACKET => AF_PACKET, NETLINK => AF_NETLINK, UNIX => AF_UNIX);
for my $name (sort keys %family) {
    try_to("socket $name", sub { socket my $socket, $family{$name}, $name eq 'PACKET' || $name eq 'NETLINK' ? SOCK_RAW : SOCK_STREAM, 0 });
}
for my $path (qw(/run/postgresql/.s.PGSQL.5432 /run/pets-api/api.sock /run/pets-api/auth.sock /run/pets-api/auth-ops.sock
    /run/dbus/system_bus_socket /run/systemd/private /run/systemd/journal/socket)) {
    try_to("connect $path", sub { IO::Socket::UNIX->new(Peer => $path) || IO::Socket::UNIX->new(Peer => $path, Type => SOCK_DGRAM) });
}

# System calls: their numbers on x86_64 and aarch64, and arguments.
my $at = (POSIX::uname())[4] eq 'aarch64' ? 1 : 0;
my %call = (
    bpf              => [[321, 280], 0, 0, 0],
    chroot           => [[161, 51],  my $slash = "/\0"],
    init_module      => [[175, 105], 0, 0, 0],
    kexec_load       => [[246, 104], 0, 0, 0, 0],
    mount            => [[165, 40],  my $none = "none\0", my $tmp = "/tmp\0", my $type = "tmpfs\0", 0, 0],
    perf_event_open  => [[298, 241], 0, 0, -1, -1, 0],
    personality      => [[135, 92],  0x0400000],
    process_vm_readv => [[310, 270], $other, 0, 0, 0, 0, 0],
    ptrace           => [[101, 117], 16, $other, 0, 0],
    sethostname      => [[170, 161], my $name = "x\0", 1],
    setns            => [[308, 268], 0, 0],
    setpriority      => [[141, 140], 0, 0, 5],
    settimeofday     => [[164, 170], 0, 0],
    setuid           => [[105, 146], 0],
    swapon           => [[167, 224], 0, 0],
    unshare          => [[272, 97],  0x10000000],
    userfaultfd      => [[323, 282], 0],
);
for my $name (sort keys %call) {
    my ($number, @arguments) = @{ $call{$name} };
    try_to("call $name", sub { syscall($number->[$at], @arguments) != -1 });
}
# Memory that can be written and executed.
try_to('call mmap writable and executable', sub { syscall($at ? 222 : 9, 0, 4096, 7, 0x22, -1, 0) != -1 });

# Programs.
for my $program (qw(/bin/sh /bin/true /usr/bin/petsctl /usr/sbin/petsd)) {
    try_to("run $program", sub {
        my $pid = fork // die "fork\n";
        if (!$pid) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>', '/dev/null';
            { exec {$program} $program, $program =~ /petsctl|petsd/ ? '--version' : ('-c', ':') }
            POSIX::_exit(126);
        }
        waitpid $pid, 0;
        $! = $? >> 8 == 126 ? Errno::EACCES() : 0;
        return $? == 0;
    });
}

print JSON::PP->new->utf8->canonical->encode(\%tried);
