package Pets::Machine;

=head1 NAME

Pets::Machine - a Debian 12 with systemd as its first process, to install packages in and to throw away

=head1 WHY

Units, packages, sandboxes and restarts are true only on a machine that was booted. This makes one: a root
directory (debootstrap, kept for the next time), a copy of it that is thrown away, booted by systemd-nspawn with
a network of its own that leads nowhere.

    my $machine = Pets::Machine->new(cache => $dir, packages => [qw(nginx postgresql)], bind => { '/src' => $src });
    $machine->boot;
    my $status = $machine->run(['perl', '/src/t/system/10-install.t']);    # inside, as a unit of its own
    $machine->halt;
    $machine->remove;

For root only. Options: cache (where roots are kept), packages (what the root has beside a minimal system), bind
(read-only views of directories outside), log (a file for the console).

=cut

use v5.36;
use Digest::SHA qw(sha256_hex);
use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use constant BASE => qw(systemd systemd-sysv dbus udev ca-certificates iproute2 procps netbase openssl perl logrotate);

sub new($class, %option) {
    $> == 0 or die "a machine can be made by root only\n";
    my $self = bless { %option, cgroups => [] }, $class;
    make_path($self->{cache}, { mode => 0700 });
    $self->{base} = $self->base;
    return $self;
}

# --- the root that is kept ------------------------------------------------------------------------------

sub base($self) {
    my ($suite) = slurp('/etc/os-release') =~ /^VERSION_CODENAME=(\w+)/m;
    my @packages = sort { $a cmp $b } BASE(), $self->{packages}->@*;
    my $base = "$self->{cache}/base-" . substr sha256_hex("1 $suite @packages"), 0, 12;
    open my $lock, '>', "$self->{cache}/lock" or die "$self->{cache}/lock: $!\n";
    flock $lock, LOCK_EX;
    return $base if -e "$base/etc/pets-machine";
    remove_tree($base);
    my $site = package_site($suite);
    my $log  = "$base.log";
    command($log, 'debootstrap', '--variant=minbase', '--include=ca-certificates', $suite, $base, $site);
    copy_sources($base);
    spew("$base/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0755);
    my $install = 'apt-get update && apt-get -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"';
    command($log, chroot_command($base), 'sh', '-c', $install, 'sh', @packages);
    command($log, chroot_command($base), 'apt-get', 'clean');
    unlink "$base/usr/sbin/policy-rc.d";
    spew("$base/etc/machine-id", '');
    spew("$base/etc/hostname", "pets\n");
    spew("$base/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 pets\n::1 localhost\n");
    spew("$base/etc/pets-machine", "$suite @packages\n");
    return $base;
}

# Where this machine has its packages of that release from.
sub package_site($suite) {
    open my $in, '-|', 'apt-get', 'indextargets', '--format', '$(SITE) $(CODENAME)', 'Created-By: Packages' or die "apt-get: $!\n";
    while (my $line = <$in>) {
        return $1 if $line =~ /^(\S+) \Q$suite\E$/;
    }
    die "apt knows no source of $suite here: run apt-get update\n";
}

# The same sources, keys and proxies as here, and nothing else of this machine.
sub copy_sources($base) {
    unlink "$base/etc/apt/sources.list";
    for my $path (glob('/etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/trusted.gpg.d/* /etc/apt/keyrings/* /usr/share/keyrings/*'),
        glob('/usr/local/share/ca-certificates/*.crt'), glob('/etc/apt/auth.conf.d/*')) {
        next if !-f $path || ($path =~ m{\A/usr/share/keyrings/} && -e "$base$path");
        make_path("$base$path" =~ s{/[^/]*\z}{}r);
        spew("$base$path", slurp($path));
    }
    my $settings = join '', grep { /^Acquire::(?:http|https|Check|Retries|ForceIPv)/ && !/""/ } split /^/, `apt-config dump`;
    spew("$base/etc/apt/apt.conf.d/99pets", $settings);
    spew("$base/etc/resolv.conf", slurp('/etc/resolv.conf'));
    command("$base.log", 'chroot', $base, 'update-ca-certificates');
    return;
}

# A command in the root, before it is booted: with what packages need to be installed, and nothing left running.
sub chroot_command($base) {
    my $enter = <<~'SH';
        set -e
        root=$1
        shift
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for node in null zero full random urandom; do
          touch "$root/dev/$node"
          mount --bind "/dev/$node" "$root/dev/$node"
        done
        ln -s /proc/self/fd "$root/dev/fd"
        mkdir "$root/dev/shm" "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
        ln -s pts/ptmx "$root/dev/ptmx"
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        mkdir -m 1777 "$root/run/lock"
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
        SH
    return (qw(unshare --mount --pid --ipc --uts --fork --kill-child sh -c), $enter, 'sh', $base);
}

# --- the copy that is thrown away -----------------------------------------------------------------------

sub lay($self) {
    return if $self->{root};
    my $run = "$self->{cache}/run-$$";
    make_path("$run/$_") for qw(upper work root);
    spew("$run/owner", "$$\n");
    @$self{qw(run root)} = ($run, "$run/root");
    my $overlay = "lowerdir=$self->{base},upperdir=$run/upper,workdir=$run/work";
    return if system("mount -t overlay overlay -o '$overlay' '$run/root' 2>/dev/null") == 0;
    command("$run/copy.log", 'cp', '-a', '--reflink=auto', "$self->{base}/.", "$run/root/");
    return;
}

sub root($self) { return $self->{root} }

# A file or a directory of ours, to be found inside.
sub put($self, $from, $to) {
    $self->lay;
    make_path("$self->{root}$to" =~ s{/[^/]*\z}{}r);
    command("$self->{run}/put.log", 'cp', '-r', $from, "$self->{root}$to");
    return;
}

# Removes it, and those whose maker is gone.
sub remove($self) {
    $self->halt;
    for my $run (glob "$self->{cache}/run-*") {
        my $owner = eval { slurp("$run/owner") } // 0;
        next if $run ne ($self->{run} // '') && $owner > 1 && kill 0, $owner;
        system "umount '$run/root' 2>/dev/null";
        open my $mounts, '<', '/proc/mounts' or die "/proc/mounts: $!\n";
        if (grep { (split)[1] =~ m{\A\Q$run\E/} } <$mounts>) {
            warn "something is still mounted below $run, which is left\n";
            next;
        }
        remove_tree($run);
    }
    return;
}

# --- running --------------------------------------------------------------------------------------------

# Where controllers have hierarchies of their own, nspawn mounts them read-only, and no unified one: both are put right
# before systemd starts, so that limits bite.
sub split_hierarchies() { return -d '/sys/fs/cgroup/unified' && -d '/sys/fs/cgroup/memory' }

sub boot($self) {
    $self->lay;
    my $name = "pets-$$";
    my @init = ('--boot');
    if (split_hierarchies()) {
        spew("$self->{root}/sbin/pets-init", <<~'SH', 0755);
            #!/bin/sh
            mount -o remount,rw,nosuid,nodev,noexec /sys/fs/cgroup
            for dir in /sys/fs/cgroup/*/; do
              if [ -e "$dir/cgroup.procs" ]; then mount -o remount,bind,rw,nosuid,nodev,noexec "$dir"; fi
            done
            mkdir -p /sys/fs/cgroup/unified
            mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup/unified
            exec /lib/systemd/systemd systemd.legacy_systemd_cgroup_controller=0
            SH
        @init = ('/sbin/pets-init');
    }
    # No getty on a console that is a pipe.
    symlink '/dev/null', "$self->{root}/etc/systemd/system/console-getty.service";
    my @command = (qw(systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --resolv-conf=off --timezone=off
            --link-journal=no --kill-signal=SIGRTMIN+4 --capability=all --system-call-filter=@known),
        "--directory=$self->{root}", "--machine=$name", '--hostname=pets',
        (map { "--bind-ro=$self->{bind}{$_}:$_" } sort keys %{ $self->{bind} // {} }), @init);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $self->{log} // '/dev/null';
        open STDERR, '>&', \*STDOUT;
        @ENV{qw(SYSTEMD_NSPAWN_UNIFIED_HIERARCHY SYSTEMD_NSPAWN_LOCK)} = (split_hierarchies() ? 0 : 1, 0);
        enter_cgroups($name);
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    @$self{qw(name nspawn)} = ($name, $pid);
    $self->wait_for('the machine to start', sub { $self->{leader} = $self->find_leader });
    $self->wait_for('its service manager', sub { -S "/proc/$self->{leader}/root/run/systemd/private" });
    my $state = `@{[ $self->enter ]} systemctl is-system-running --wait 2>&1`;
    $state =~ /\A(?:running|degraded)$/m or die "the machine is $state";
    return $self;
}

# A group of the machine's own in each hierarchy, which the service manager inside takes for the root.
sub enter_cgroups($name) {
    return if !split_hierarchies();
    for my $dir (map { s{/\z}{}r } glob '/sys/fs/cgroup/*/') {
        next if !-e "$dir/cgroup.procs";
        mkdir "$dir/$name";
        if (-e "$dir/cpuset.cpus") {
            for my $file (qw(cpuset.cpus cpuset.mems)) { spew("$dir/$name/$file", slurp("$dir/$file")) }
        }
        spew("$dir/$name/cgroup.procs", "$$");
    }
    return;
}

# systemd inside is the child of nspawn that has become it.
sub find_leader($self) {
    waitpid($self->{nspawn}, WNOHANG) == 0 or die "the machine did not start" . ($self->{log} ? ": see $self->{log}\n" : "\n");
    for my $pid (split ' ', eval { slurp("/proc/$self->{nspawn}/task/$self->{nspawn}/children") } // '') {
        return $pid if (eval { slurp("/proc/$pid/comm") } // '') eq "systemd\n";
    }
    return;
}

sub wait_for($self, $what, $condition) {
    my $end = time + 60;
    until ($condition->()) {
        die "waited too long for $what\n" if time > $end;
        sleep 0.1;
    }
    return;
}

sub enter($self) { return ('nsenter', '-t', $self->{leader}, qw(--mount --uts --ipc --net --pid --cgroup --root --wd)) }

# Runs a command inside as root, as a unit of its own. Its exit status. Options: env, timeout (s), and files for
# what it prints: out, err.
sub run($self, $command, %option) {
    my %env = (PATH => '/usr/sbin:/usr/bin:/sbin:/bin', HOME => '/root', LANG => 'C.UTF-8', TERM => 'dumb', %{ $option{env} // {} });
    my @command = ($self->enter, qw(systemd-run --quiet --wait --pipe --collect --service-type=exec -p KillMode=mixed -p TimeoutStopSec=5),
        '-p', 'RuntimeMaxSec=' . ($option{timeout} // 600), (map { ('-E', "$_=$env{$_}") } sort keys %env), '--', @$command);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $option{out} or POSIX::_exit(126) if $option{out};
        open STDERR, '>', $option{err} or POSIX::_exit(126) if $option{err};
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? >> 8 || ($? & 127 ? 255 : 0);
}

sub halt($self) {
    my $pid = delete $self->{nspawn} // return;
    my $end = time + 20;
    system join ' ', $self->enter, 'systemctl poweroff --no-block >/dev/null 2>&1' if $self->{leader};
    until (waitpid($pid, WNOHANG)) {
        kill KILL => grep { $_ } $self->{leader}, $pid if time > $end;
        sleep 0.1;
    }
    delete $self->{leader};
    for my $dir (glob "/sys/fs/cgroup/*/$self->{name}") { system "find '$dir' -depth -type d -exec rmdir {} + 2>/dev/null" }
    return;
}

sub DESTROY($self) {
    local ($?, $@);
    $self->halt;
    return;
}

# --- files and commands ---------------------------------------------------------------------------------

sub slurp($path) {
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

sub spew($path, $text, $mode = 0644) {
    open my $out, '>:raw', $path or die "$path: $!\n";
    print $out $text;
    close $out or die "$path: $!\n";
    chmod $mode, $path if $path !~ m{\A/sys/};
    return;
}

sub command($log, @command) {
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $log or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return if $? == 0;
    my @lines = split /^/, slurp($log);
    splice @lines, 0, @lines - 20 if @lines > 20;
    die join '', "this failed: @command[0 .. ($#command > 3 ? 3 : $#command)] ...\n", map { "  | $_" } @lines;
}

1;
