# What each pool cannot read, write, see, call or connect to, tried from inside of its sandbox by somebody who could
# do anything there (probe.pl).
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp);
use Test::More;

my ($api, $auth) = (master('api'), master('auth'));
my $postgres = property('postgresql@15-main.service', 'MainPID');

sub refused ($tried, @names) {
    for my $name (@names) {
        isnt $tried->{$name}, undef, "$name was tried" or next;
        isnt $tried->{$name}, '', "$name: $tried->{$name}";
    }
    return;
}
sub works ($tried, @names) { is $tried->{$_}, '', "$_ works" for @names; return }

my @nobody = (
    (map { "read $_" } qw(/etc/shadow /etc/pets-api/tls/api.example.com.key /etc/pets-api/credentials/pepper /etc/pets-api/credentials/signing.pem /etc/pets-api/credentials/mfa)),
    (map { "list $_" } qw(/etc/pets-api/credentials /root /home /var/lib/postgresql /var/log /run/pets-api /run/dbus /srv)),
    (map { "write $_" } qw(/etc/x /etc/pets-api/x /etc/pets-api/public-keys/x.pub.pem /usr/x /var/x /var/lib/x /run/x /run/postgresql/x /x)),
    'see another pool', 'see one of root', 'signal another pool', 'signal one of root',
    (map { "socket $_" } qw(INET INET6 PACKET)),
    (map { "connect $_" } qw(/run/pets-api/api.sock /run/pets-api/auth.sock /run/pets-api/auth-ops.sock /run/dbus/system_bus_socket /run/systemd/private)),
    (map { "call $_" } qw(ptrace mount unshare setns setuid bpf init_module kexec_load settimeofday sethostname perf_event_open personality
        process_vm_readv swapon chroot userfaultfd), 'mmap writable and executable'),
    (map { "run $_" } qw(/bin/sh /bin/true /usr/bin/petsctl)),
);

subtest 'petsd-api' => sub {
    my $tried = probe('petsd-api.service', '/src/t/system/probe.pl', arguments => [$auth, $postgres]);
    refused($tried, @nobody);
    refused($tried, 'call setpriority', map { "read /run/credentials/petsd-auth.service/$_" } qw(pepper signing.pem));
    works($tried, 'read /etc/pets-api/api.conf', 'connect /run/postgresql/.s.PGSQL.5432', 'socket UNIX', 'socket NETLINK', 'run /usr/sbin/petsd', 'write /tmp/x');
};

subtest 'petsd-auth' => sub {
    my $tried = probe('petsd-auth.service', '/src/t/system/probe.pl', arguments => [$api, $postgres]);
    refused($tried, @nobody);
    refused($tried, 'read /run/credentials/petsd-api.service/cursor-api');
    works($tried, 'connect /run/postgresql/.s.PGSQL.5432', 'socket UNIX', 'call setpriority');
};

subtest 'the database' => sub {
    # The system users are known to it, each as one role and in one database.
    my %may = (
        'pets-api pets_api pets' => 0, 'pets-auth pets_auth pets' => 0, 'pets-api pets_auth pets' => 2, 'pets-api pets_ops pets' => 2,
        'pets-auth pets_api pets' => 2, 'pets-mail pets_mail pets' => 0, 'pets-mail pets_auth pets' => 2, 'nobody pets_api pets' => 2,
        'pets-api pets_api postgres' => 2, 'pets-api postgres pets' => 2,
    );
    for my $case (sort keys %may) {
        my ($user, $role, $database) = split ' ', $case;
        is sh("cd / && runuser -u $user -- psql -U $role -d $database -Atc 'select 1'"), $may{$case}, "$user as $role in $database: " . ($may{$case} ? 'no' : 'yes') or diag said();
    }
    is sh("cd / && runuser -u pets-api -- psql -U pets_api -d pets -Atc 'select * from pets.credential'"), 1, 'the api pool cannot read password hashes';
    like said(), qr/permission denied/, '... by privilege';
};

subtest 'nothing of a secret lies about' => sub {
    for my $secret (qw(pepper refresh mfa link cursor-api cursor-auth)) {
        my $value = slurp("/etc/pets-api/credentials/$secret") =~ s/\s+\z//r;
        is sh("journalctl --boot | grep -qF -- '$value'"), 1, "$secret is not in the journal";
        is sh("grep -rlF -- '$value' /etc /var/log /run --include=* 2>/dev/null | grep -v -e ^/etc/pets-api/credentials/ -e ^/run/credentials/petsd-"), 1, '... nor in another file' or diag said();
    }
    for my $pid ($api, $auth) {
        unlike slurp("/proc/$pid/environ"), qr/PASSWORD|SECRET|PEPPER|KEY=/, 'the environment has none';
    }
};

done_testing;
