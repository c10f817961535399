# The package is installed, and nothing else has happened: nothing runs, listens or is known by a secret.
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp spew);
use Test::More;

my $packages = '/root/packages';

# This machine has no sshd, whose log fail2ban wants to see; where it is tested it is told what to look at.
sh('systemctl disable --now fail2ban; systemctl reset-failed fail2ban');

# What is there before, for the purge at the end.
spew("$ENV{PETS_TEST_DIR}/before.json", JSON::PP->new->utf8->canonical->encode(everything()));
is sh('systemctl is-active nginx postgresql'), 0, 'nginx and PostgreSQL run, as Debian starts them' or diag said();

subtest 'what it needs' => sub {
    is sh("dpkg-deb --field $packages/new/pets-api_*.deb Pre-Depends Depends"), 0, 'it says so';
    my @needs = said() =~ /(?:^|[ ,])([a-z0-9.+-]+)(?= |,|$)/mg;
    is join(' ', grep { /perl|python|node|ruby|gcc|psql|postgresql|sqitch|nginx/ } @needs), '', 'libraries, and no interpreter, compiler or server';
    is sh("apt-get install --simulate --no-install-recommends $packages/new/pets-api_*.deb"), 0, 'all of that is here';
    unlike said(), qr/^Inst (?!pets-api )/m, '... already' or diag said();
};

is sh("dpkg --install $packages/old/*.deb"), 0, 'it is installed' or diag said();

subtest 'nothing has happened' => sub {
    is sh('ss -lntx | grep -c pets-api'), 1, 'nothing listens' or diag said();
    is sh('pgrep -c pets'), 1, 'nothing runs';
    for my $unit (qw(petsd-api.service petsd-auth.service petsd-api.socket petsd-auth.socket petsd-api-ops.socket petsd-auth-ops.socket petsd-mail.timer petsd-prune.timer petsd-watch.timer petsd-doctor.timer)) {
        sh("systemctl is-enabled $unit");
        like said(), qr/^disabled$/m, "$unit is not enabled";
        is property($unit, 'ActiveState'), 'inactive', '... nor active';
    }
    is sh('find /etc/pets-api/credentials /etc/pets-api/public-keys -mindepth 1 | grep .'), 1, 'there is no secret and no key' or diag said();
    is sh("runuser -u postgres -- psql -Atc \"select count(*) from pg_roles where rolname like 'pets%'\" postgres"), 0, 'PostgreSQL answers';
    is said(), "0\n", 'and knows no role of ours';
    is sh('test -e /etc/nginx/pets-api || test -e /etc/nginx/conf.d/pets-api.conf'), 1, 'nginx has nothing of ours';
    isnt sh('systemctl start petsd-api.service'), 0, 'it cannot be started by accident';
    sh('systemctl reset-failed; systemctl stop petsd-api.socket petsd-api-ops.socket');
};

subtest 'files' => sub {
    my %mode = (
        '/etc/pets-api'             => '755 root:root', '/etc/pets-api/credentials' => '700 root:root',
        '/etc/pets-api/public-keys' => '755 root:root', '/etc/pets-api/api.conf'    => '644 root:root',
        '/etc/pets-api/auth.conf'   => '644 root:root', '/run/pets-api'             => '755 root:root',
    );
    for my $path (sort keys %mode) {
        sh("stat -c '%a %U:%G' $path");
        is said(), "$mode{$path}\n", $path;
    }
    is sh('dpkg-query -W -f "\${Conffiles}\n" pets-api'), 0, 'conffiles';
    my @conffiles = said() =~ m{(/etc/\S+)}g;
    is "@{[ sort @conffiles ]}", join(' ', '/etc/fail2ban/filter.d/pets-api.conf', '/etc/fail2ban/jail.d/pets-api.conf', '/etc/logrotate.d/pets-api', map { "/etc/pets-api/$_.conf" } qw(api auth mail ops prune watch)), 'are the configurations';
    is sh('dpkg --verify pets-api pets-api-doc pets-api-monitoring'), 0, 'all files are as they were packed' or diag said();
    for my $user (qw(pets-api pets-auth pets-mail pets-prune pets-watch)) {
        sh("getent passwd $user");
        like said(), qr{^\Q$user\E:[^:]*:\d+:\d+:[^:]*:/:/usr/sbin/nologin$}, "$user is a system user who cannot log in" or diag said();
    }
    is sh('MANPATH=/usr/share/man man -w petsd petsctl petsd.conf 2>/dev/null || ls /usr/share/man/man8/petsd.8.gz'), 0, 'there are man pages';
    is sh("bash -c '. /usr/share/bash-completion/completions/petsctl; complete -p petsctl'"), 0, 'bash completes petsctl' or diag said();
    is sh('logrotate --debug /etc/logrotate.d/pets-api'), 0, 'logrotate takes its part' or diag said();
};

subtest 'installed again, and removed' => sub {
    is sh("dpkg --install $packages/old/pets-api_*.deb"), 0, 'again' or diag said();
    is sh('dpkg --remove pets-api'), 0, 'removed' or diag said();
    is sh("dpkg --install $packages/old/pets-api_*.deb"), 0, 'and installed once more' or diag said();
    is sh('systemctl is-enabled petsd-api.service petsd-auth.service | sort -u'), 0, 'its units are there';
    is said(), "disabled\n", '... and still do not start';
};

done_testing;
