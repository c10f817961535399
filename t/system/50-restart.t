# Pools are started anew, and the package is upgraded, while people go on: nobody is refused, nothing is lost, and
# nobody waits. When what is installed cannot serve, what runs goes on.
use v5.36;
use Pets::Inside;
use Pets::Env qw(spew wait_until);
use MIME::Base64 ();
use POSIX ();
use Test::More;

my $packages = '/root/packages';

subtest 'petsctl restart' => sub {
    my %pid  = map { $_ => master($_) } qw(api auth);
    my $load = load();
    is sh('petsctl restart'), 0, 'succeeds' or diag said();
    isnt master($_), $pid{$_}, "$_ is another process" for qw(api auth);
    no_relief();
    all_well($load->(), 'restart', 3);
    is sh('petsctl restart nonsense'), 2, 'what is no pool is refused';
};

subtest 'a relief was left behind' => sub {
    is sh('systemctl start petsd-api-relief.service'), 0, 'somebody has killed a restart' or diag said();
    my $pid  = property('petsd-api-relief.service', 'MainPID');
    my $mark = journal_mark();
    is sh('petsctl restart api'), 0, 'the next one' or diag said();
    like join("\n", journal('petsd-api-relief', $mark)), qr/Stopped.*\n(?:.*\n)*.*Started/, '... has a relief of its own' or diag join "\n", journal('petsd-api-relief', $mark);
    no_relief();

    is sh('systemctl start petsd-api-relief.service && systemctl stop petsd-api.service'), 0, 'one that serves alone' or diag said();
    is sh('petsctl restart api'), 0, 'the pool is started' or diag said();
    is property('petsd-api.service', 'ActiveState'), 'active', '... and serves';
    no_relief();
};

subtest 'interrupted' => sub {
    my $before = master('api');
    my $load   = load(people => 2);
    my $pid    = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();
        open STDOUT, '>', "$ENV{PETS_TEST_DIR}/interrupted" or POSIX::_exit(126);
        exec 'petsctl', 'restart', 'api', 'auth' or POSIX::_exit(127);
    }
    wait_until { property('petsd-api-relief.service', 'ActiveState') ne 'inactive' } 30, 'a relief';
    is sh('flock --nonblock /run/pets-api/restart.lock true'), 1, 'no other one could begin';
    my $auth = master('auth');
    kill INT => -$pid;
    waitpid $pid, 0;
    is $? >> 8, 130, 'it says that it was interrupted';
    isnt master('api'), $before, 'the pool at hand was restarted all the same';
    is property('petsd-api.service', 'ActiveState'), 'active', '... and serves';
    is master('auth'), $auth, 'the next one was left alone';
    no_relief();
    all_well($load->(), 'interrupted', 3);
};

subtest 'a secret is changed' => sub {
    is sh('cd /etc/pets-api/credentials && CREDENTIALS_DIRECTORY=$PWD petsctl -c /etc/pets-api/auth.conf key new --reason test'), 0, 'another signing key' or diag said();
    my ($kid) = said() =~ /^([\w-]{43})$/m;
    is sh('systemctl reload petsd-api petsd-auth'), 0, '... is published' or diag said();
    my $load = load();
    is sh("cd /etc/pets-api/credentials && CREDENTIALS_DIRECTORY=\$PWD petsctl -c /etc/pets-api/auth.conf key activate --now --reason test $kid"), 0, '... is activated' or diag said();
    is sh('petsctl restart auth'), 0, 'and handed over by a restart' or diag said();
    no_relief();
    all_well($load->(), 'another key', 3);
    like person()->token, qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, 'somebody logs in';
    my ($head) = person()->token =~ /\A([\w-]+)/;
    like MIME::Base64::decode_base64url($head), qr/"kid":"\Q$kid\E"/, '... and has a token of the new key';
};

subtest 'a secret is encrypted' => sub {
    my $dir = '/etc/pets-api/credentials';
    is sh("systemd-creds encrypt --with-key=host --name=refresh $dir/refresh $dir/refresh.cred && mv $dir/refresh /root/test/refresh"), 0, 'the key of refresh tokens' or diag said();
    for my $unit (qw(petsd-auth petsd-auth-relief)) {
        sh("mkdir -p /etc/systemd/system/$unit.service.d");
        spew("/etc/systemd/system/$unit.service.d/70-site.conf", "[Service]\nLoadCredentialEncrypted=refresh:$dir/refresh.cred\n");
    }
    my $ann = person();
    is sh('systemctl daemon-reload && petsctl restart auth'), 0, 'the pool is restarted' or diag said();
    is $ann->post('/v1/auth/refresh', { refresh_token => $ann->refresh_token }, token => undef)->status, 200, 'a refresh token from before is good';
    sh("mv /root/test/refresh $dir/refresh; rm -r $dir/refresh.cred /etc/systemd/system/petsd-auth.service.d /etc/systemd/system/petsd-auth-relief.service.d");
    is sh('systemctl daemon-reload && petsctl restart auth'), 0, 'and back' or diag said();
    no_relief();
};

subtest 'upgrade' => sub {
    my %pid  = map { $_ => master($_) } qw(api auth);
    my $load = load(people => 8);
    is sh("dpkg --install $packages/new/*.deb"), 0, 'is installed' or diag said();
    like said(), qr/^auth: restarted\napi: restarted\n/m, 'both pools were restarted by it' or diag said();
    isnt master($_), $pid{$_}, "$_ is another process" for qw(api auth);
    ok runs_what_is_installed($_), '... and runs what is installed' for qw(api auth);
    no_relief();
    all_well($load->(), 'upgrade', 3);
    is sh('dpkg-query -W -f "\${Version}" pets-api'), 0, 'the version';
    unlike said(), qr/old/, '... is the new one: ' . said();
};

subtest 'an upgrade that cannot serve' => sub {
    spew('/etc/pets-api/auth.conf.d/70-site.conf', "[pool]\nworkers = many\n");
    my %pid  = map { $_ => master($_) } qw(api auth);
    my $load = load();
    is sh("dpkg --install $packages/new/pets-api_*.deb"), 0, 'the package is installed all the same' or diag said();
    like said(), qr/auth: what is installed cannot serve; the pool goes on as it was/, 'it says that the auth pool was left alone' or diag said();
    is master('auth'), $pid{auth}, '... which is true';
    isnt master('api'), $pid{api}, 'the api pool was restarted';
    no_relief();
    all_well($load->(), 'half an upgrade', 3);
    unlink '/etc/pets-api/auth.conf.d/70-site.conf';
    is sh('petsctl restart auth'), 0, 'mended, it is restarted' or diag said();
    no_relief();
};

subtest 'a policy forbids it' => sub {
    spew('/usr/sbin/policy-rc.d', "#!/bin/sh\nexit 101\n", 0755);
    my %pid = map { $_ => master($_) } qw(api auth);
    is sh("dpkg --install $packages/new/pets-api_*.deb"), 0, 'a package is installed where services may not be started' or diag said();
    is join(' ', map { master($_) } qw(api auth)), join(' ', @pid{qw(api auth)}), 'no pool was touched';
    unlink '/usr/sbin/policy-rc.d';
};

done_testing;
