# petsctl doctor and status over what petsctl setup has made, as root and as somebody else: nothing is wrong, what is
# broken here (units, credentials, ports, disks) is found.
use v5.36;
use JSON::PP ();
use Pets::Env qw(spawn spew wait_until);
use Pets::Inside;
use Test::More;

sub doctor ($arguments = '', $as = '') {
    my $exit = sh("${as}petsctl doctor --json $arguments");
    my $said = eval { JSON::PP->new->utf8->decode(said()) } // { findings => [] };
    return { %$said, exit => $exit, lines => join "\n", map { "$_->{result} $_->{check}: $_->{found}" } $said->{findings}->@* };
}

subtest 'what setup has made' => sub {
    my $said = doctor();
    is join("\n", $said->{lines} =~ /^error .*/mg), '', 'no error' or diag said();
    is $said->{exit}, 1, 'warnings are left';
    is join(' ', sort { $a cmp $b } map { /^warning (\w+)/ } split /\n/, $said->{lines}), join(' ', grep { $said->{lines} =~ /^warning $_/m } qw(backups certificate clock)), '... of backups, the self-signed certificate, perhaps the clock' or diag said();
    like $said->{lines}, qr/^warning certificate: .* do not trust/m, 'the certificate is self-signed';
    like $said->{lines}, $_, $_ for qr/^ok units: all units run, and start at boot$/m, qr/^ok units: the exposure of petsd-auth is [01]\.\d$/m, qr/^ok sockets: petsd listens nowhere else$/m,
        qr/^ok privileges: every privilege/m, qr/^ok schema: the schema is that/m, qr/^ok secrets: \d+ secrets/m, qr/^ok database: the way to the database is a Unix socket/m,
        qr/^ok pools: pool auth leaves no core file$/m, qr/^ok tls: nginx refuses TLS 1\.1$/m, qr/^ok keys: the signing key/m, qr/^ok clock: the clocks of this machine and of the database agree/m;
    unlike $said->{lines}, qr/^skipped (?!clock)/m, 'nothing is left out' or diag said();
    is sh('petsctl status --json'), 0, 'both pools serve';
    is join(' ', map { $_->{pool} } JSON::PP->new->decode(said())->{pools}->@*), 'api auth', '... by their standard places';
};

subtest 'somebody else' => sub {
    my $said = doctor('', 'env TMPDIR=/tmp runuser -u nobody -- ');
    is join("\n", $said->{lines} =~ /^error .*/mg), '', 'finds no error' or diag said();
    like $said->{lines}, $_, $_ for qr/^skipped secrets: .*credentials.*ermission denied|^skipped secrets: .* is closed to nobody/m, qr/^skipped pools: pool api does not answer: .*Permission denied/m,
        qr/^skipped database: .*Peer authentication failed/m, qr/^skipped configuration: /m;
    is sh('runuser -u nobody -- petsctl status --once --interval 0'), 4, 'and sees no pool';
    like said(), qr/Permission denied/, '... as is said';
};

my $drop_in = '/run/systemd/system/petsd-api.service.d/10-weak.conf';
for my $case (
    ['a sandbox with holes', 'units', sub { sh("mkdir -p ${\ ($drop_in =~ s{/[^/]*\z}{}r)}"); spew($drop_in, "[Service]\nProtectSystem=no\nPrivateUsers=no\nSystemCallFilter=\nRestrictNamespaces=no\nIPAddressDeny=\nCapabilityBoundingSet=CAP_SYS_ADMIN\n"); sh('systemctl daemon-reload') },
        qr/^error units: the exposure of petsd-api is [2-9]\.\d, and is to be 1\.5 at most/m, sub { unlink $drop_in; sh('systemctl daemon-reload') }],
    ['a timer that is off', 'units', sub { sh('systemctl disable --now petsd-prune.timer') }, qr/^error units: petsd-prune\.timer is inactive, and disabled at boot/m, sub { sh('systemctl enable --now petsd-prune.timer') }],
    ['a credential for everybody', 'files', sub { chmod 0644, '/etc/pets-api/credentials/pepper' }, qr/^error secrets: \S+pepper has mode 644/m, sub { chmod 0600, '/etc/pets-api/credentials/pepper' }],
    ['credentials in an open directory', 'files', sub { chmod 0755, '/etc/pets-api/credentials' }, qr{^error secrets: /etc/pets-api/credentials has mode 755}m, sub { chmod 0700, '/etc/pets-api/credentials' }],
    ['a configuration of somebody', 'files', sub { sh('chown nobody: /etc/pets-api/api.conf.d/50-setup.conf') }, qr/^error configuration: \S+50-setup\.conf belongs to nobody/m, sub { sh('chown root: /etc/pets-api/api.conf.d/50-setup.conf') }],
    ['a full disk', 'disk', sub { sh('mount -t tmpfs -o size=1m tmpfs /var/log/nginx; head -c 990k /dev/zero >/var/log/nginx/fill; mkdir -p /tmp/full; mount --bind /var/log/nginx /tmp/full') },
        qr/^error disk: \S+full: (?:9[7-9]|100)% of its space/m, sub { sh('umount /tmp/full /var/log/nginx') }, '--backups /tmp/full'],
) {
    my ($name, $only, $break, $found, $mend, @more) = @$case;
    $break->();
    my $said = doctor("--only $only @more");
    like $said->{lines}, $found, $name or diag said();
    is $said->{exit}, 2, '... is an error';
    $mend->();
    is doctor("--only $only")->{exit}, 0, '... and mended, it is well' or diag said();
}

subtest 'the backups that petsd-watch looks at' => sub {
    my $watch = '/run/systemd/system/petsd-watch.service.d';
    sh("mkdir -p $watch /var/backups/pets");
    spew("$watch/10-backup.conf", "[Service]\nEnvironment=\"WATCH_BACKUP=/var/backups/pets/*.dump\"\n");
    sh('systemctl daemon-reload');
    spew('/var/backups/pets/old.dump', 'dump');
    sh("touch -d '-3 days' /var/backups/pets/old.dump");
    my $said = doctor('--only backups');
    is $said->{exit}, 2, 'one of three days ago is too old' or diag said();
    like $said->{lines}, qr{^error backups: the newest backup, /var/backups/pets/old\.dump, is 72 hours old$}m, '... as is said';
    spew('/var/backups/pets/new.dump', 'dump');
    is doctor('--only backups')->{exit}, 0, 'one of today is not' or diag said();
    sh("rm -r $watch /var/backups/pets && systemctl daemon-reload");
};

subtest 'the timer' => sub {
    is property('petsd-doctor.timer', 'ActiveState'), 'active', 'runs';
    my $mark = journal_mark();
    is sh('systemctl start petsd-doctor.service'), 0, 'warnings alone do not fail the job' or diag join "\n", journal('petsd-doctor', $mark);
    is property('petsd-doctor.service', 'User'), 'pets-watch', '... which has its own user';
    my $said = join "\n", journal('petsd-doctor', $mark);
    like $said, qr/^pets-api: warning: 0 errors, [1-3] warnings, \d+ ok, \d+ skipped$/m, 'it says how all is' or diag $said;
    like $said, qr/^skipped  $_ [^\n]*\n +-> run it as root$/m, "... and that it cannot look at $_" for qw(configuration pools secrets keys);
    unlike $said, qr/^skipped  (?!configuration|pools|secrets|keys|sockets|certificate|clock|schema)/m, '... but at all else';
    unlike $said, qr/^skipped  sockets(?! +which process)/m, '... also at sockets';
    is sh('runuser -u pets-watch -- psql -U pets_watch -d pets -Atqc "select count(*) from pets.pet"'), 1, 'it cannot read a pet' or diag said();
    like said(), qr/permission denied for schema pets/, '... as PostgreSQL sees to';

    is sh('runuser -u postgres -- psql -d pets -c "grant select on pets.credential to pets_api"'), 0, 'somebody grants too much' or diag said();
    $mark = journal_mark();
    is sh('systemctl start petsd-doctor.service'), 1, 'then it fails';
    like join("\n", journal('petsd-doctor', $mark)), qr/^error    privileges    more is allowed than should be, .*credential pets_api/m, '... and says why';
    is sh('runuser -u postgres -- psql -d pets -c "revoke select on pets.credential from pets_api"'), 0, 'and takes it back' or diag said();
    is sh('systemctl start petsd-doctor.service'), 0, 'then all is well';
};

subtest 'a petsd that listens' => sub {
    is sh('cp /usr/bin/perl /root/test/petsd'), 0, 'a program of that name';
    my $process = spawn(name => 'petsd', cmd => ['/root/test/petsd', '-MIO::Socket::INET', '-e', 'my $s = IO::Socket::INET->new(LocalAddr => "0.0.0.0:4711", Listen => 1) or die; sleep 300']);
    wait_until { sh('ss -Hlnt | grep -q :4711') == 0 } 20, 'it to listen';
    my $said = doctor('--only sockets');
    like $said->{lines}, qr/^error sockets: petsd listens on 0\.0\.0\.0:4711, which no configuration says/m, 'is found' or diag said();
    $process->stop;
    unlink '/root/test/petsd';
    is doctor('--only sockets')->{exit}, 0, 'and gone';
};

subtest 'a pool that is away' => sub {
    sh('systemctl stop petsd-api.socket petsd-api-ops.socket petsd-api.service');
    my $said = doctor();
    is $said->{exit}, 2, 'is an error';
    like $said->{lines}, $_, $_ for qr/^error pools: pool api does not answer/m, qr/^error units: petsd-api\.service is inactive/m, qr{^error sockets: pool api: nobody listens at /run/pets-api/api\.sock}m, qr/^error nginx: .* is to be 401, and is: .*502/m;
    is sh('petsctl status --json --interval 0'), 4, 'status says so, too';
    sh('systemctl start petsd-api.socket petsd-api-ops.socket petsd-api.service');
    wait_until { sh('petsctl status --json --interval 0') == 0 } 60, 'it to be back';
    is doctor()->{exit}, 1, 'and all is as before' or diag said();
};

done_testing;
