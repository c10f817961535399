# What a process may do that has one directive of a sandbox and nothing else: prints "yes", or why not. Run as root by
# 45-directives.t; the argument is the name of a trial. Each is harmless where it is allowed.
use v5.36;
use Errno ();
use IO::Socket::INET;
use POSIX ();
use Socket qw(AF_INET SOCK_STREAM SOCK_RAW);

use constant AF_NETLINK => 16;

my $dir = '/root/test';
my $at  = (POSIX::uname())[4] eq 'aarch64' ? 1 : 0;
my %number = (
    chroot => [161, 51], init_module => [175, 105], mmap => [9, 222], personality => [135, 92], process_vm_readv => [310, 270], ptrace => [101, 117],
    sched_setattr => [314, 274], sched_setscheduler => [144, 119], sethostname => [170, 161], setpriority => [141, 140], settimeofday => [164, 170],
    syslog => [103, 116], unshare => [272, 97],
);

# Whether the kernel heard of it: what it thinks of the arguments is another matter.
sub call ($name, @arguments) {
    return syscall($number{$name}[$at], @arguments) != -1 || ($! != Errno::EPERM() && $! != Errno::EACCES());
}
sub status ($name) {
    open my $in, '<', '/proc/self/status' or die "/proc/self/status: $!\n";
    return map { /^\Q$name\E:\s*(\S+)/ ? $1 : () } <$in>;
}
sub listed ($path) { opendir my $in, $path or return 0; return scalar grep { !/^\.\.?$/ } readdir $in }
sub file ($path, $mode = 0666) { unlink $path; sysopen my $out, $path, POSIX::O_WRONLY | POSIX::O_CREAT, $mode or return; return $out }
sub ran (@command) {
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        { exec { $command[0] } @command }
        POSIX::_exit(126);
    }
    waitpid $pid, 0;
    return $?;
}

# A program for another architecture that ends with 42, where this one has such.
sub foreign () {
    my $code = "\xb8\x01\0\0\0\xbb\x2a\0\0\0\xcd\x80";
    my $out  = file("$dir/foreign", 0755) or die "$dir/foreign: $!\n";
    print $out "\x7fELF", pack('C12', 1, 1, 1, (0) x 9), pack('S2 L5 S6', 2, 3, 1, 0x08048054, 52, 0, 0, 52, 32, 1, 0, 0, 0),
        pack('L8', 1, 0, 0x08048000, 0x08048000, 84 + length $code, 84 + length $code, 5, 0x1000), $code;
    close $out;
    return ran("$dir/foreign") >> 8 == 42;
}

my %trial = (
    'a file for all'      => sub { file("$dir/effect") && (stat "$dir/effect")[2] & 044 },
    'a core'              => sub { open my $in, '<', '/proc/self/limits' or die; !grep { /^Max core file size\s+\S+\s+0\s/ } <$in> },
    'capabilities'        => sub { (status('CapBnd'))[0] =~ /[1-9a-f]/ },
    'new privileges'      => sub { (status('NoNewPrivs'))[0] eq '0' },
    'shared memory'       => sub { file('/dev/shm/pets-effect') },
    'set-user-id'         => sub { file("$dir/effect") && chmod 04755, "$dir/effect" },
    'a foreign program'   => \&foreign,
    'the log of the kernel' => sub { call('syslog', 10, 0, 0) },
    'the clock'           => sub { call('settimeofday', 0, 0) },
    'the host name'       => sub { my $name = (POSIX::uname())[1]; call('sethostname', $name, length $name) },
    'another personality' => sub { call('personality', 8) },
    'real time'           => sub { my $priority = pack 'L', 0; call('sched_setscheduler', 0, 1, $priority) },
    'a namespace'         => sub { call('unshare', 0x04000000) },
    'ptrace'              => sub { call('ptrace', 0, 0, 0, 0) },
    'write and execute'   => sub { call('mmap', 0, 4096, 7, 0x22, -1, 0) },
    'privileges, resources, memory of others' => sub { my $slash = "/\0"; call('chroot', $slash) || call('setpriority', 0, 0, 1) || call('process_vm_readv', $$, 0, 0, 0, 0, 0) },
    'priorities'          => sub { call('setpriority', 0, 0, 1) && call('sched_setattr', 0, 0, 0) },
    'survive a call'      => sub { my $slash = "/\0"; call('chroot', $slash); 1 },
    'a socket of INET'    => sub { socket my $socket, AF_INET, SOCK_STREAM, 0 },
    'a socket of PACKET'  => sub { socket my $socket, 17, SOCK_RAW, 0 },
    'a socket of NETLINK' => sub { socket my $socket, AF_NETLINK, SOCK_RAW, 0 },
    'connect'             => sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1:80', Timeout => 5) },
    (map { my $space = $_; ("the machine's $space namespace" => sub { readlink "/proc/self/ns/$space" eq readlink "/proc/1/ns/$space" }) } qw(mnt ipc user)),
    (map { my $path = $_; ("see $path"   => sub { -e $path }) } qw(/proc/1/status /proc/meminfo /root/test /tmp/pets-effect /dev/pets-effect /run/postgresql /run/resolvconf /run/dbus/system_bus_socket /run/pets-api)),
    (map { my $path = "$_/pets-effect"; ("write $_" => sub { file($path) && unlink $path }) } qw(/etc /var/lib/prometheus/node-exporter)),
    (map { my $path = $_; ("list $path"  => sub { listed($path) }) } qw(/usr/lib/modules /var/lib /srv /etc/pets-api/credentials)),
    (map { my $path = $_; ("change $path" => sub { POSIX::access($path, POSIX::W_OK()) }) } qw(/proc/sys/net/ipv4/ip_forward)),
    'control groups'      => sub { POSIX::access((grep { -d } qw(/sys/fs/cgroup/unified /sys/fs/cgroup))[0], POSIX::W_OK()) },
    (map { my $path = $_; ("run $path"   => sub { ran($path, '--version') == 0 }) } qw(/bin/true /usr/sbin/petsd /usr/bin/petsctl)),
);
my $try = $trial{ $ARGV[0] } // die "what is '$ARGV[0]'?\n";
$! = 0;
print $try->() ? 'yes' : "$!" || 'no';
