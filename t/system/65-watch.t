# What watches the service, with the real systemd, journal, node_exporter and fail2ban.
use v5.36;
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use Pets::Inside;
use Pets::Env qw(slurp spew wait_until);
use Test::More;

subtest 'petsd-watch' => sub {
    is sh('systemctl start petsd-prune.service'), 0, 'a job has just succeeded' or diag said();
    my $mark = journal_mark();
    is sh('systemctl enable --now petsd-watch.timer && systemctl start petsd-watch.service'), 0, 'it runs' or diag join "\n", said(), journal('petsd-watch', $mark);
    is property('petsd-watch.service', 'User'), 'pets-watch', '... as its own user';
    my $text = slurp('/var/lib/prometheus/node-exporter/pets-api.prom');
    my ($prune) = $text =~ /^pets_job_success_seconds\{task="prune"\} (\d+)$/m;
    cmp_ok time - ($prune // 0), '<', 300, 'it knows of the job' or diag $text;
    like $text, qr/^pets_job_success_seconds\{task="doctor"\} \d+$/m, '... and of the other';
    unlike $text, qr/task="mail"/, '... and that there is no mail';
    my ($expires) = $text =~ /^pets_certificate_expires_seconds\{file="\Q@{[ CA ]}\E"\} (\d+)$/m;
    cmp_ok $expires // 0, '>', time, '... and how long the certificate is good' or diag $text;
    wait_until { sh(q{curl --silent 127.0.0.1:9100/metrics | grep '^pets_watch_run_seconds'}) == 0 } 60, 'node_exporter';
    pass 'node_exporter shows it';

    my $drop_in = '/etc/systemd/system/petsd-watch.service.d';
    my $live = '/etc/letsencrypt/live';
    make_path('/var/backups/pets', $drop_in, "$live/site");
    spew('/var/backups/pets/1.dump', '');
    copy(CA, "$live/site/cert.pem") or die "copy: $!\n";
    is sh("chmod 700 $live && chown root:backup /var/backups/pets && chmod 750 /var/backups/pets"), 0, 'backups and a certificate that are closed to it' or diag said();
    my ($lines) = slurp('/src/docs/manual.md') =~ /^    # systemctl edit petsd-watch\n((?:    .*\n)+)/m;
    spew("$drop_in/70-site.conf", $lines =~ s/^    //mgr);
    is sh('systemctl daemon-reload && systemctl start petsd-watch.service'), 0, 'with a drop-in as the manual has it' or diag said();
    $text = slurp('/var/lib/prometheus/node-exporter/pets-api.prom');
    my ($backup) = $text =~ /task="backup"\} (\d+)$/m;
    is $backup, (stat '/var/backups/pets/1.dump')[9], '... it knows of the backup' or diag $text;
    like $text, qr/^pets_certificate_expires_seconds\{file="[^"]*site\.pem"\} $expires$/m, '... and of the certificate' or diag $text;
    remove_tree('/var/backups/pets', $drop_in, '/etc/letsencrypt');
    sh('systemctl daemon-reload');
};

subtest 'fail2ban' => sub {
    is client()->post('/v1/auth/login', { email => 'nobody@example.org', password => 'whatever it may be' })->status, 401, 'a guess';
    is sh(q{fail2ban-regex -o ip systemd-journal 'pets-api[mode=normal]'}), 0, 'fail2ban reads the journal' or diag said();
    like said(), qr/^127\.0\.0\.1$/m, '... and finds who it was';

    # The jail, switched on as it says; this machine has no sshd to watch, and nobody is really to be shut out.
    my $local = '/etc/fail2ban/jail.d/pets-api.local';
    spew($local, "[sshd]\nenabled = false\n[pets-api]\nenabled = true\nmaxretry = 3\nignoreself = false\naction =\n");
    is sh('systemctl restart fail2ban'), 0, 'it starts with the jail' or diag said();
    wait_until { sh('fail2ban-client status pets-api') == 0 } 30, 'the jail';
    client()->post('/v1/auth/login', { email => 'nobody@example.org', password => "whatever it may be, $_" }) for 1 .. 3;
    wait_until { sh('fail2ban-client status pets-api | grep "Banned IP list:.*127.0.0.1"') == 0 } 30, 'who guesses to be banned';
    pass 'and shuts out who guesses';
    unlink $local;
    is sh('systemctl stop fail2ban'), 0, 'off again' or diag said();
};

subtest 'a journal of thirty days' => sub {
    my $examples = '/usr/share/doc/pets-api/examples';
    copy("$examples/journald-pets-api.conf", '/etc/systemd/journald@pets-api.conf') or die "copy: $!\n";
    for my $unit (qw(petsd-api petsd-api-relief)) {
        make_path("/etc/systemd/system/$unit.service.d");
        copy("$examples/log-namespace.conf", "/etc/systemd/system/$unit.service.d/log-namespace.conf") or die "copy: $!\n";
    }
    is sh('systemctl daemon-reload && petsctl restart api'), 0, 'as the example says' or diag said();
    wait_until { sh('journalctl --namespace=pets-api --unit=petsd-api --output=cat | grep \'"event":"ready"\'') == 0 } 30, 'its lines';
    is sh('systemd-analyze cat-config systemd/journald@pets-api.conf'), 0, 'the journal has its configuration';
    like said(), qr/^MaxRetentionSec=30day$/m, '... of thirty days';
    is sh('journalctl --unit=systemd-journald@pets-api --output=cat | grep -i "unknown\|fail\|invalid"'), 1, '... and takes it' or diag said();
    unlink '/etc/systemd/journald@pets-api.conf', map { "/etc/systemd/system/$_.service.d/log-namespace.conf" } qw(petsd-api petsd-api-relief);
    rmdir "/etc/systemd/system/$_.service.d" for qw(petsd-api petsd-api-relief);
    is sh('systemctl daemon-reload && petsctl restart api'), 0, 'and back' or diag said();
    sh('systemctl stop systemd-journald@pets-api.service systemd-journald@pets-api.socket systemd-journald-varlink@pets-api.socket');
    remove_tree(glob '/var/log/journal/*.pets-api');
};

is sh('systemctl disable --now petsd-watch.timer'), 0, 'off again' or diag said();
done_testing;
