# Every line of the sandboxes does something on a real machine: with it alone a process cannot do what it can without
# it (effects.pl), or can, where it opens something again. A line that is not known here fails.
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp spew);
use Test::More;

my @filter = ('SystemCallFilter=@system-service', 'SystemCallFilter=~@privileged @resources process_vm_readv process_vm_writev', 'SystemCallErrorNumber=EPERM');
my @perl   = ('ExecPaths=/usr/bin/perl /usr/lib -/usr/lib64', 'NoExecPaths=/');

# Line => trial, and what else the unit has. The trial works without the line; a reference to one, with it.
my %effect = (
    'UMask=0077'                  => ['a file for all'],
    'LimitCORE=0'                 => ['a core'],
    'CapabilityBoundingSet='      => ['capabilities'],
    'NoNewPrivileges=yes'         => ['new privileges'],
    'ProtectSystem=strict'        => ['write /etc'],
    'ProtectHome=yes'             => ['see /root/test'],
    'PrivateMounts=yes'           => [q{the machine's mnt namespace}],
    'PrivateTmp=yes'              => ['see /tmp/pets-effect'],
    'PrivateDevices=yes'          => ['see /dev/pets-effect'],
    'PrivateIPC=yes'              => [q{the machine's ipc namespace}],
    'PrivateUsers=yes'            => [q{the machine's user namespace}],
    'ProtectClock=yes'            => ['the clock'],
    'ProtectControlGroups=yes'    => ['control groups'],
    'ProtectHostname=yes'         => ['the host name'],
    'ProtectKernelLogs=yes'       => ['the log of the kernel'],
    'ProtectKernelModules=yes'    => ['list /usr/lib/modules'],
    'ProtectKernelTunables=yes'   => ['change /proc/sys/net/ipv4/ip_forward'],
    'ProtectProc=invisible'       => ['see /proc/1/status', 'User=pets-api'],
    'ProcSubset=pid'              => ['see /proc/meminfo'],
    'LockPersonality=yes'         => ['another personality'],
    'MemoryDenyWriteExecute=yes'  => ['write and execute'],
    'RestrictNamespaces=yes'      => ['a namespace'],
    'RestrictRealtime=yes'        => ['real time'],
    'RestrictSUIDSGID=yes'        => ['set-user-id'],
    'SystemCallArchitectures=native' => ['a foreign program'],
    $filter[0]                    => ['ptrace', $filter[2]],
    $filter[1]                    => ['privileges, resources, memory of others', $filter[2]],
    $filter[2]                    => [\'survive a call', 'SystemCallFilter=~chroot'],
    'SystemCallFilter=sched_setattr setpriority' => [\'priorities', @filter],
    'TemporaryFileSystem=/run:ro' => ['see /run/postgresql'],
    'TemporaryFileSystem=/var:ro' => ['list /var/lib'],
    'BindReadOnlyPaths=-/run/postgresql -/run/systemd/notify' => [\'see /run/postgresql', 'TemporaryFileSystem=/run:ro'],
    'BindReadOnlyPaths=-/run/systemd/resolve -/run/resolvconf -/run/NetworkManager' => [\'see /run/resolvconf', 'TemporaryFileSystem=/run:ro'],
    'BindReadOnlyPaths=-/run/dbus/system_bus_socket -/run/systemd/system' => [\'see /run/dbus/system_bus_socket', 'TemporaryFileSystem=/run:ro'],
    'BindReadOnlyPaths=-/run/dbus/system_bus_socket -/run/systemd/system -/run/pets-api' => [\'see /run/pets-api', 'TemporaryFileSystem=/run:ro'],
    'BindPaths=/var/lib/prometheus/node-exporter' => [\'write /var/lib/prometheus/node-exporter', 'ProtectSystem=strict', 'TemporaryFileSystem=/var:ro'],
    'IPAddressAllow=localhost'    => [\'connect', 'IPAddressDeny=any'],
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK' => ['a socket of PACKET'],
    'InaccessiblePaths=-/boot -/media -/mnt -/opt -/srv' => ['list /srv'],
    'InaccessiblePaths=-/etc/pets-api/credentials' => ['list /etc/pets-api/credentials'],
    'IPAddressDeny=any'           => ['connect'],
    'IPAddressAllow=any'          => [\'connect', 'IPAddressDeny=any'],
    'RestrictAddressFamilies=AF_UNIX'                   => ['a socket of NETLINK'],
    'RestrictAddressFamilies=AF_UNIX AF_NETLINK'        => ['a socket of INET'],
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6'  => ['a socket of NETLINK'],
    'NoExecPaths=/'               => ['run /bin/true', $perl[0]],
    'ExecPaths=/usr/sbin/petsd -/usr/lib -/usr/lib64'   => [\'run /usr/sbin/petsd', @perl],
    'ExecPaths=/usr/bin/petsctl -/usr/lib -/usr/lib64'  => [\'run /usr/bin/petsctl', @perl],
);

# What came of it, which is "nothing" when the process was not allowed to end by itself.
sub try_with ($trial, @lines) {
    my (undef, $out, $err) = Pets::Env::run([qw(systemd-run --quiet --wait --pipe --collect --service-type=exec), (map { ('-p', $_) } @lines), '/usr/bin/perl', '/src/t/system/effects.pl', $trial], timeout => 60);
    return $out || "nothing: $err";
}

# A line of a sandbox, and whether it makes the difference.
sub try_line ($line) {
    my ($trial, @more) = ($effect{$line} // do { fail("$line is not tested"); return })->@*;
    my $opens = ref $trial ? $trial = $$trial : 0;
    my ($with, $without) = map { try_with($trial, @$_) } [@more, $line], [@more];
    my ($good, $bad) = $opens ? ($with, $without) : ($without, $with);
    is $good, 'yes', ($opens ? 'with' : 'without') . " $line: $trial";
    like $bad, $trial eq 'survive a call' ? qr/\Anothing\b/ : qr/\A(?!yes|nothing)/, '... and ' . ($opens ? 'without' : 'with') . " it not ($bad)";
    return;
}

# Something to see, or not.
spew($_, '') for my @markers = qw(/tmp/pets-effect /dev/pets-effect /srv/pets-effect);
my @made = grep { !-d } qw(/var/lib/prometheus /var/lib/prometheus/node-exporter);
sh('mkdir -p /usr/lib/modules/pets-effect /run/resolvconf /var/lib/prometheus/node-exporter');

my %lines;
for my $unit (glob '/lib/systemd/system/petsd-*.service') {
    my ($sandbox) = slurp($unit) =~ /^# --- the sandbox ---\n(.*?)(?:^\[|\z)/ms or fail("$unit has a sandbox"), next;
    $lines{$_}++ for grep { /^[A-Z]/ } split /\n/, $sandbox;
}
for my $line (sort keys %lines) {
    next if $line eq 'RemoveIPC=yes';
    SKIP: {
        # A kernel that runs one kind of program only, whatever a unit says.
        skip "$line: this machine runs no foreign program anyhow", 2 if $line eq 'SystemCallArchitectures=native' && try_with('a foreign program') ne 'yes';
        try_line($line);
    }
}
is join(', ', grep { !$lines{$_} } sort keys %effect), '', 'no unit has lost a line that is known here';

# Whether something is left when a service has ended.
for my $case (['RemoveIPC=no', 1], ['RemoveIPC=yes', 0]) {
    is try_with('shared memory', 'User=pets-prune', $case->[0]), 'yes', "$case->[0]: shared memory is made";
    is -e '/dev/shm/pets-effect' ? 1 : 0, $case->[1], '... and ' . ($case->[1] ? 'stays' : 'is gone');
}

sh("rm -rf @markers /dev/shm/pets-effect /usr/lib/modules/pets-effect /run/resolvconf; rmdir --ignore-fail-on-non-empty /usr/lib/modules @{[ reverse @made ]}");
done_testing;
