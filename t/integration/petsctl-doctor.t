# petsctl doctor, over a service that runs: all is well, and then one thing at a time is broken, found, and mended. The
# program is packaging/doctor.in, filled in as the build does it, for a layout in this test's directory; what it asks of
# the machine (clock, disks) is played by programs of these names that come first in its path.
use v5.36;
use JSON::PP ();
use IO::Socket::UNIX;
use Pets::CA;
use Pets::Env qw(bin run slurp spew src test_dir sock_dir wait_until tool);
use Pets::Pool;
use Pets::Service;
use Test::More;

my $dir     = test_dir();
my $service = Pets::Service->new(database => { tls => 1 });
$service->make_secrets;
my $private = "$dir/secrets/private";
my $public  = $service->public_keys_dir;
my ($kid)   = $service->signing_key_file =~ m{/([\w-]{43})\.pem\z};
symlink "$kid.pem", "$private/signing.pem" or die $!;
$service->{signing_key} = "$private/signing.pem";
$service->{ca} = Pets::CA->new(dir => "$dir/tls", days => 300);
$service->start_database->start_pools->start_nginx;
my ($api, $auth, $nginx, $database) = ($service->api, $service->auth, $service->nginx, $service->database);
my $root = $database->dbh;

# --- the layout -----------------------------------------------------------------------------------------

mkdir "$dir/$_" or die "$_: $!" for qw(bin share backups);
symlink bin($_), "$dir/bin/$_" or die $! for qw(petsd petsctl);
symlink src() . "/$_->[0]", "$dir/share/$_->[1]" or die $! for ['sql/schema', 'schema'], ['sql/privileges.sql', 'privileges.sql'], ['t/data/privileges.golden', 'privileges.golden'];
my $doctor = spew("$dir/doctor", slurp(src() . '/packaging/doctor.in') =~ s{\@(?:s?bindir|pkgdatadir|sysconfdir)\@}{$dir . { bindir => '/bin', sbindir => '/bin', pkgdatadir => '/share', sysconfdir => '/etc' }->{ $& =~ tr/@//dr }}ger, 0755);

sub program ($name, $text) { return spew("$dir/bin/$name", "#!/bin/sh\n$text\n", 0755) }
sub clock ($word) { return program('timedatectl', "echo $word") }
sub disk ($space, $inodes = 10) { return program('df', qq{[ "\$1" = -Pi ] && used=$inodes || used=$space; printf 'Filesystem x\\n/dev/sda1 1 1 1 %s%% /here\\n' "\$used"}) }
sub backup ($hours) { my $file = spew("$dir/backups/pets.dump", 'dump'); utime time - 3600 * $hours, time - 3600 * $hours, $file; return }
clock('yes');
disk(40);
backup(3);
run(['prlimit', '--core=0:', '--pid', $_->master]) for $api, $auth;

my @given = map { ('-c', $_) } $api->file, $auth->file, $service->ops_config, $service->prune_config, $service->watch_config;
my @all   = (@given, '--nginx', "$dir/nginx/pets-api", '--backups', "$dir/backups");

# Runs it; { exit, status, findings, of => { check => [findings] }, out, err }.
sub look (@arguments) {
    my ($status, $out, $err) = run([$doctor, @arguments, '--json'], env => { SSL_CERT_FILE => $service->ca_file, CREDENTIALS_DIRECTORY => undef });
    my $said = eval { JSON::PP->new->utf8->decode($out) } // { findings => [], error => $@ };
    push $said->{of}{ $_->{check} }->@*, $_ for $said->{findings}->@*;
    return { %$said, exit => $status >> 8, out => $out, err => $err };
}

sub in_words ($said, @but) {
    my %but = map { $_ => 1 } @but;
    return join "\n", map { "$_->{result} $_->{check}: $_->{found}" . (defined $_->{advice} ? " -> $_->{advice}" : '') } grep { !$but{ $_->{result} } } $said->{findings}->@*;
}

my %result = (warning => 1, error => 2);

# Something is broken: then there is a finding, what else is found is as well as before; mended, all is well.
sub broken ($name, $only, $break, $check, $result, $found, $mend) {
    subtest $name => sub {
        my @mine = ref $only ? @$only : (@all, '--only', $only);
        $break->();
        my $said = look(@mine);
        my @hit = grep { $_->{check} eq $check && $_->{result} eq $result && $_->{found} =~ $found } $said->{findings}->@*;
        is scalar @hit, 1, "$check: $result" or diag in_words($said), $said->{err};
        ok length($hit[0]{advice} // ''), 'with what to do' if $result ne 'skipped';
        cmp_ok $said->{exit}, '>=', $result{$result} // 0, "exit status $said->{exit}";
        is $said->{err}, '', 'no complaints of the shell';
        $mend->();
        $said = look(@all, @mine[-2, -1]);
        is in_words($said, 'ok', 'skipped'), '', 'mended, it is well again';
    };
    return;
}

# --- all is well ----------------------------------------------------------------------------------------

subtest 'all is well' => sub {
    my $said = look(@all);
    is "$said->{exit} $said->{status}", '0 ok', 'ok' or diag in_words($said, 'ok'), $said->{out}, $said->{err};
    is $said->{err}, '', 'no complaints of the shell';
    my %well = map { $_->{check} => 1 } grep { $_->{result} eq 'ok' } $said->{findings}->@*;
    is join(' ', sort keys %well), 'backups certificate clock configuration database disk keys nginx pools privileges schema secrets sockets tls', 'each check has found something good';
    is join(' ', sort { $a cmp $b } map { $_->{check} } grep { $_->{result} eq 'skipped' } $said->{findings}->@*), 'sockets units', 'what could not be looked at is said';
    like in_words($said, 'ok'), qr/skipped sockets: which process listens on which port is not seen by \w+ -> run it as root/, '... and why';
    my $lines = in_words($said);
    for my $wanted (
        qr/ok certificate: the certificate of localhost is good for (?:299|300) days/, qr/ok tls: nginx refuses TLS 1\.1/, qr/ok tls: nginx takes TLS 1\.2/,
        qr/ok tls: nginx takes TLS 1\.3/, qr/ok tls: nginx has browsers use TLS for 730 days/, qr/ok nginx: nginx hands requests to pool api/,
        qr/ok schema: the schema is that of this program \(\w+\)/, qr/ok schema: pool auth: the database prepares every statement/,
        qr/ok privileges: every privilege, role and policy is as it should be \(\d{3} lines\)/, qr/ok keys: the signing key \Q$kid\E is 0 days old/,
        qr/ok database: the database answers the role pets_watch/, qr/ok pools: pool auth serves, in version [\d.]+/, qr/ok pools: pool api leaves no core file/, qr/ok clock: the clocks of this machine and of the database agree \(0\.\d s\)/,
    ) {
        like $lines, $wanted, "... $wanted";
    }
    for my $role (qw(api auth ops prune watch)) {
        my $password = $database->password("pets_$role");
        ok index($said->{out}, $password) < 0, "the password of pets_$role is not printed";
    }
    for my $file ($api->file, $auth->file, $service->ops_config, $service->prune_config, $service->watch_config) {
        like $lines, qr/ok configuration: \Q$file\E is good/, "$file is good";
    }
};

subtest 'for people, and for monitoring' => sub {
    my $say = sub (@arguments) { my ($status, $out, $err) = run([$doctor, @all, @arguments], env => { SSL_CERT_FILE => $service->ca_file }); return ($status >> 8, $out, $err) };
    my ($status, $out, $err) = $say->('--only', 'backups', '--only', 'disk');
    is "$status $err", '0 ', 'ok';
    like $out, qr/\Apets-api: ok: 0 errors, 0 warnings, \d+ ok, 0 skipped\n/, 'the first line is for monitoring';
    like $out, qr/^ok       backups       the newest backup, \S+, is 3 hours old$/m, 'a line each';
    unlike $out, qr/^\w+ +keys/m, '--only is heeded';
    disk(93);
    ($status, $out) = $say->('--only', 'disk', '--problems');
    is $status, 1, 'a warning is 1';
    like $out, qr/\Apets-api: warning: 0 errors, 1 warnings, /, '... which the first line says';
    like $out, qr/^warning  disk          \/here: 93% of its space in use\n {22} -> make room$/m, '... and what to do';
    unlike $out, qr/^ok/m, '--problems leaves the rest out';
    unlike $out, qr/\e/,   'no colours in a pipe';
    my (undef, $typed) = run([tool('script'), '-qefc', "$doctor @all --only disk", "$dir/typescript"], env => { TERM => 'xterm', NO_COLOR => undef });
    like $typed, qr/\e\[33mwarning \e\[0m disk/, 'colours on a terminal';
    (undef, $typed) = run([tool('script'), '-qefc', "$doctor @all --only disk", "$dir/typescript"], env => { TERM => 'xterm', NO_COLOR => 1 });
    unlike $typed, qr/\e/, 'but with NO_COLOR';
    disk(40);
    for my $wrong (['--what'], ['-c'], ['-c', 'relative.ini'], ['-c', '/a b'], ['--only', 'everything'], ['--only'], ['--nginx']) {
        ($status, $out, $err) = run([$doctor, @$wrong]);
        is $status >> 8, 3, "@$wrong: 3, unknown";
        like $err, qr/^petsctl doctor: .*\nTry: petsctl doctor --help$/m, '... and why';
    }
    ($status, $out) = run([$doctor, '--help']);
    like "$status $out", qr/^0 usage: petsctl doctor /, 'help';
    my $hidden = spew("$dir/hidden.ini", slurp($api->file), 0000);
    my $said = look('-c', $hidden, '--only', 'units');
    is "$said->{exit} $said->{status}", '3 unknown', 'who can look at nothing knows nothing' or diag in_words($said);
    like in_words($said), qr/^skipped configuration: .*ermission denied -> run it as root$/m, '... and says so';
};

# The layout of a package: the configurations that are there by their names, that of mail where mail is sent.
subtest 'the layout of a package' => sub {
    my $etc = "$dir/etc/pets-api";
    mkdir $_ or die "$_: $!" for "$dir/etc", $etc, "$etc/credentials";
    chmod 0700, "$etc/credentials";
    my %file = (api => $api->file, auth => $auth->file, ops => $service->ops_config, prune => $service->prune_config, watch => $service->watch_config);
    spew("$etc/$_.conf", slurp($file{$_}), 0600) for keys %file;
    my $mail = slurp($service->prune_config) =~ s/prune/mail/gr =~ s/^\[retention\].*//msr;
    spew("$etc/mail.conf", "$mail\[mail]\nfrom = a\@example.org\nlink_base = https://pets.test\nlink_key_file = " . $service->link_key_file . "\n", 0600);
    my $said = look('--only', 'units');
    is in_words($said), join("\n", (map { "ok configuration: $etc/$_.conf is good" } qw(api auth ops watch prune)), 'skipped units: systemd does not run here'), 'five configurations'
        if !-d '/run/systemd/system';
    spew("$etc/auth.conf", slurp($auth->file) =~ s/^\[mail\]\n|\z/[mail]\nmode = on\nlink_key_file = @{[ $service->link_key_file ]}\n/mr, 0600);
    like in_words(look('--only', 'units')), qr{^ok configuration: \Q$etc\E/mail\.conf is good$}m, 'and a sixth, where mail is sent';
    spew("$etc/credentials/open", 'x', 0644);
    like in_words(look('--only', 'files')), qr{^error secrets: \Q$etc\E/credentials/open has mode 644}m, 'whatever lies among the credentials is a secret';
};

# --- one thing at a time --------------------------------------------------------------------------------

my $nothing = sub { };
sub mode ($file, $mode) { return sub { chmod $mode, $file or die "$file: $!" } }
sub sql ($text) { return sub { $root->do($text) } }
sub away ($file) { return (sub { rename $file, "$file.away" or die "$file: $!" }, sub { rename "$file.away", $file or die "$file: $!" }) }
sub aged ($file, $days) { return sub { utime time - 86400 * $days, time - 86400 * $days, $file or die "$file: $!" } }

# A configuration with something changed, in the place of the one.
sub changed ($pool, $from, $to) {
    my $file = spew("$dir/changed.ini", slurp($pool->file) =~ s/$from/$to/mr, 0600);
    return [map { $_ eq $pool->file ? $file : $_ } @all];
}
my $bad = changed($api, qr/^workers = .*/m, 'workers = many');
broken('a configuration', [@$bad, '--only', 'disk'], $nothing, 'configuration', 'error', qr/changed\.ini:\d+: pool\.workers: "many"/, $nothing);
broken('a configuration that others may change', 'files', mode($api->file, 0666), 'configuration', 'error', qr/api\.ini has mode 666/, mode($api->file, 0600));
broken('a secret that others may read', 'files', mode($service->pepper_file, 0644), 'secrets', 'error', qr/pepper has mode 644/, mode($service->pepper_file, 0600));
broken('... which the configuration says, too', 'files', mode($service->pepper_file, 0644), 'configuration', 'error', qr/auth\.ini: .*mode must be 0600/, mode($service->pepper_file, 0600));
broken('a secret that is gone', 'files', (away($service->mfa_key_file))[0], 'secrets', 'error', qr/mfa.*No such file/, (away($service->mfa_key_file))[1]);
broken('a password of the database', 'files', mode($database->password_file('pets_prune'), 0640), 'secrets', 'error', qr/pets_prune has mode 640/, mode($database->password_file('pets_prune'), 0600));
broken('a directory of secrets that others may write', 'files', mode("$dir/secrets", 0777), 'secrets', 'error', qr/secrets, which leads to .*pepper, lets others replace/, mode("$dir/secrets", 0700));
broken('a public key that others may write', 'files', mode("$public/$kid.pub.pem", 0666), 'keys', 'error', qr/pub\.pem has mode 666/, mode("$public/$kid.pub.pem", 0644));

my $worker;
broken('a worker that hangs', 'pools', sub {
    $worker = (grep { $_->{kind} eq 'pool' } $api->status(full => 1)->{processes}->@*)[0]{pid};
    kill STOP => $worker;
    wait_until { $api->status->{health} eq 'degraded' } 20, 'the pool to see it';
}, 'pools', 'warning', qr/pool api: Worker \d+ is stuck/, sub { kill CONT => $worker; wait_until { $api->status->{health} eq 'ok' } 20, 'it to go on' });
broken('another version', 'pools', sub {
    unlink "$dir/bin/petsd";
    program('petsd', "[ \"\$1\" != --version ] || { echo pets-api 99.0; exit; }\nexec @{[ bin('petsd') ]} \"\$@\"");
}, 'pools', 'warning', qr/pool api runs version \S+, 99\.0 is installed/, sub { unlink "$dir/bin/petsd"; symlink bin('petsd'), "$dir/bin/petsd" });
SKIP: {
    my ($status, $hard) = run(['prlimit', '--core', '--noheadings', '--output', 'HARD', '--pid', $api->master]);
    skip 'no core file may be allowed here', 1 if $hard !~ /unlimited/;
    broken('core files', 'pools', sub { run(['prlimit', '--core=4096:', '--pid', $api->master]) }, 'pools', 'warning', qr/pool api may leave core files/, sub { run(['prlimit', '--core=0:', '--pid', $api->master]) });
}

broken('a socket for everybody', 'sockets', mode($api->socket_path, 0666), 'sockets', 'error', qr/api\.sock has mode 666/, mode($api->socket_path, 0660));
broken('a socket that is gone', 'sockets', (away($auth->ops_path))[0], 'sockets', 'error', qr/there is no socket .*auth-ops\.sock/, (away($auth->ops_path))[1]);
my $dead = sock_dir() . '/dead.sock';
IO::Socket::UNIX->new(Local => $dead, Listen => 1)->close;
chmod 0660, $dead or die $!;
broken('a socket where nobody listens', [@{ changed($auth, qr/^listen = .*/m, "listen = $dead") }, '--only', 'sockets'], $nothing, 'sockets', 'error', qr/pool auth: nobody listens at \Q$dead\E/, $nothing);
broken('a port for everybody', [@{ changed($api, qr/^listen = .*/m, 'listen = 0.0.0.0:9999') }, '--only', 'sockets'], $nothing, 'sockets', 'error', qr/pool api listens on 0\.0\.0\.0:9999/, $nothing);

# --- nginx ---

my $ca = $service->{ca};
sub certificate (%option) {
    my ($certificate, $key) = ($option{ca} // $ca)->issue('other', names => ['DNS:localhost'], %option);
    return sub { $nginx->render(CERTIFICATE => $certificate, CERTIFICATE_KEY => $key); $nginx->reload };
}
my $as_it_was = sub { $nginx->render(CERTIFICATE => $ca->cert_file, CERTIFICATE_KEY => $ca->key_file); $nginx->reload };
broken('a certificate for two weeks', 'nginx', certificate(days => 15), 'certificate', 'warning', qr/expires in 1[45] days/, $as_it_was);
broken('a certificate for three days', 'nginx', certificate(days => 4), 'certificate', 'error', qr/expires in [34] days/, $as_it_was);
broken('a certificate that has expired', 'nginx', certificate(days => -1), 'certificate', 'error', qr/has expired, \d+ days ago/, $as_it_was);
broken('a certificate for somebody else', 'nginx', certificate(days => 300, names => ['DNS:else.test']), 'certificate', 'error', qr/not for localhost/, $as_it_was);
broken('a certificate that nobody trusts', 'nginx', certificate(days => 300, ca => Pets::CA->new(dir => "$dir/strangers")), 'certificate', 'warning', qr/do not trust the certificate: \d+/, $as_it_was);
my $served = slurp($ca->cert_file);
broken('a certificate that nginx has not read', 'nginx', sub { my ($other) = $ca->issue('other', days => 300); spew($ca->cert_file, slurp($other), 0600) }, 'certificate', 'warning', qr/nginx serves another certificate than/, sub { spew($ca->cert_file, $served, 0600) });
broken('the key of the certificate', 'nginx', mode($ca->key_file, 0644), 'certificate', 'error', qr/server\.key has mode 644/, mode($ca->key_file, 0600));

# nginx's part with something changed by hand.
sub edited ($file, $from, $to, $reload = 1) {
    my $path = "$dir/nginx/pets-api/$file";
    my $text = slurp($path);
    return (sub { spew($path, $text =~ s/$from/$to/r); $nginx->reload if $reload }, sub { spew($path, $text); $nginx->reload if $reload });
}
my ($do, $undo) = edited('tls.conf', qr/ssl_protocols [^;]*;\s*ssl_ciphers [^;]*;|ssl_protocols [^;]*;/, "ssl_protocols TLSv1.1 TLSv1.2;\nssl_conf_command CipherString ALL:\@SECLEVEL=0;");
broken('old TLS', 'nginx', $do, 'tls', 'error', qr/nginx takes TLS 1\.1/, $undo);
($do, $undo) = edited('tls.conf', qr/ssl_protocols [^;]*;/, 'ssl_protocols TLSv1.2;');
broken('no new TLS', 'nginx', $do, 'tls', 'error', qr/nginx does not take TLS 1\.3/, $undo);
($do, $undo) = edited('http.conf', qr/max-age=63072000/, 'max-age=60');
broken('HSTS for a minute', 'nginx', $do, 'tls', 'error', qr/nginx does not have browsers use TLS \(Strict-Transport-Security: 60\)/, $undo);
($do, $undo) = edited('ops.conf', qr/listen 127\.0\.0\.1:/, 'listen 0.0.0.0:', 0);
broken('an ops address for everybody', 'nginx', $do, 'nginx', 'error', qr/status and metrics are at 0\.0\.0\.0:\d+, for others, too/, $undo);

# --- the database ---

broken('a privilege more', 'database', sql('grant select (email) on pets.account to pets_api'), 'privileges', 'error', qr/more is allowed than should be, in 1 lines: table account pets_api: select \(email\)/, sql('revoke select (email) on pets.account from pets_api'));
broken('a privilege less', 'database', sql('revoke delete on pets.pet from pets_api'), 'privileges', 'error', qr/less is allowed than should be, in 1 lines: .*table pet pets_api/, sql('grant delete on pets.pet to pets_api'));
broken('a role that may do more', 'database', sql('alter role pets_api bypassrls'), 'privileges', 'error', qr/more is allowed than should be, in 1 lines: role pets_api: login noinherit BYPASSRLS/, sql('alter role pets_api nobypassrls'));
broken('row-level security that is off', 'database', sql('alter table pets.pet no force row level security'), 'privileges', 'error', qr/more is allowed than should be.*security pet: on, NOT FORCED/, sql('alter table pets.pet force row level security'));
broken('a statement that is not to be prepared', 'database', sql('alter table pets.pet rename column species to kind'), 'schema', 'error', qr/pool api: .*species/, sql('alter table pets.pet rename column kind to species'));
my ($last) = slurp(src() . '/sql/schema/sqitch.plan') =~ /^(\w+) [^\n]*\n\z/m;
my $change = $root->selectrow_hashref('select * from sqitch.changes where change = ?', undef, $last);
broken('an older schema', 'database', sub { $root->do('delete from sqitch.changes where change = ?', undef, $last) }, 'schema', 'error', qr/the schema is older than this program: it lacks \Q$last\E/,
    sub { $root->do("insert into sqitch.changes (@{[ join ', ', sort keys %$change ]}) values (@{[ join ', ', ('?') x keys %$change ]})", undef, map { $change->{$_} } sort keys %$change) });
broken('a newer schema', 'database', sub {
    unlink "$dir/share/schema";
    mkdir "$dir/share/schema" or die $!;
    spew("$dir/share/schema/sqitch.plan", slurp(src() . '/sql/schema/sqitch.plan') =~ s/^\Q$last\E [^\n]*\n\z//mr);
}, 'schema', 'warning', qr/the schema is newer than this program, .*: it has \Q$last\E/, sub { unlink "$dir/share/schema/sqitch.plan"; rmdir "$dir/share/schema"; symlink src() . '/sql/schema', "$dir/share/schema" });

# By TCP, with TLS that proves the name; and a name that it cannot prove.
my $watch = slurp($service->watch_config) =~ s/^host = .*/"host = localhost\nsslrootcert = " . $database->root_cert/mer;
my $by_tcp = [(map { $_ eq $service->watch_config ? spew("$dir/tcp.ini", $watch, 0600) : $_ } @all), '--only', 'database'];
subtest 'a database that is reached by TCP' => sub {
    my $said = look(@$by_tcp);
    is $said->{exit}, 0, 'is well' or diag in_words($said);
    like in_words($said), qr/^ok database: the way to the database at localhost is TLSv1\.[23]; verify-full$/m, '... by TLS that proves the name';
};
broken('a database that cannot prove its name', $by_tcp, sub { spew("$dir/tcp.ini", $watch =~ s/^sslrootcert = .*/"sslrootcert = " . $ca->ca_file/mer, 0600) }, 'database', 'error', qr/certificate verify failed/, $nothing);

program('psql', "case \"\$*\" in *pg_stat_ssl*) ;; *) exec @{[ tool('psql') ]} \"\$@\" ;; esac");
spew("$dir/tcp.ini", $watch, 0600);
broken('a way to the database without TLS', $by_tcp, $nothing, 'database', 'error', qr/the way to the database at localhost is not secured/, sub { unlink "$dir/bin/psql" });

# --- clocks, keys, disks, backups ---

broken('a clock that nobody keeps right', 'clock', sub { clock('no') }, 'clock', 'warning', qr/nobody keeps the clock right/, sub { clock('yes') });
sub off ($seconds) {
    return sub { program('date', qq{[ "\$1" = +%s.%N ] || exec @{[ tool('date') ]} "\$@"\necho \$((\$(@{[ tool('date') ]} +%s) + $seconds))}) };
}
my $right = sub { unlink "$dir/bin/date" };
broken('clocks that differ', 'clock', off(3), 'clock', 'warning', qr/differs by [23]\.\d s/, $right);
broken('clocks that differ much', 'clock', off(-90), 'clock', 'error', qr/differs by 9\d\.\d s/, $right);

broken('an old signing key', 'keys', aged("$public/$kid.pub.pem", 400), 'keys', 'warning', qr/the signing key \Q$kid\E is 400 days old/, aged("$public/$kid.pub.pem", 0));
my $next;
subtest 'a key that is published' => sub {
    (undef, $next) = run([bin('petsctl'), '-c', $auth->file, 'key', 'new']);
    chomp $next;
    like in_words(look(@all, '--only', 'keys')), qr/^ok keys: the key \Q$next\E is published, and does not sign yet$/m, 'is in order';
};
broken('a key that was published, and forgotten', 'keys', aged("$public/$next.pub.pem", 8), 'keys', 'warning', qr/the key \Q$next\E was published 8 days ago, and does not sign/, aged("$public/$next.pub.pem", 0));
broken('a key that was activated, and no reload', 'keys', sub { run([bin('petsctl'), '-c', $auth->file, 'key', 'activate', '--now', '--reason', 'a test', $next]) }, 'keys', 'warning', qr/\Q$next\E is to sign, and no worker signs with it/, sub { $auth->reload(gone => 1) });
like in_words(look(@all, '--only', 'keys')), qr/^ok keys: the key \Q$kid\E is retired, and verifies for \d+ s yet$/m, 'the one before it verifies still';
broken('a key that is due', 'keys', sub { $root->do(q{update pets.signing_key set signed_at = now() - interval '1 day'}); aged("$private/$kid.stopped", 1)->() }, 'keys', 'warning', qr/the key \Q$kid\E is retired, and its last token has expired/,
    sub { run([bin('petsctl'), '-c', $auth->file, 'key', 'retire', '--now', '--reason', 'a test', $kid]); $_->reload(gone => 1) for $api, $auth });

broken('a disk that is nearly full', 'disk', sub { disk(98) }, 'disk', 'error', qr{/here: 98% of its space}, sub { disk(40) });
broken('a disk without inodes', 'disk', sub { disk(40, 92) }, 'disk', 'warning', qr{/here: 92% of its inodes}, sub { disk(40) });

broken('no backup is configured', [@given, '--only', 'backups'], $nothing, 'backups', 'warning', qr/no backup is configured/, $nothing);
broken('a backup of yesterday', 'backups', sub { backup(27) }, 'backups', 'warning', qr/is 27 hours old/, sub { backup(1) });
broken('a backup of last week', 'backups', sub { backup(170) }, 'backups', 'error', qr/is 170 hours old/, sub { backup(1) });
broken('an empty backup', 'backups', sub { spew("$dir/backups/pets.dump", '') }, 'backups', 'error', qr/there is no backup in/, sub { backup(1) });
broken('no directory of backups', 'backups', (away("$dir/backups"))[0], 'backups', 'error', qr/No such file/, (away("$dir/backups"))[1]);

# --- parts that are away --------------------------------------------------------------------------------

broken('a pool that is stopped', 'pools', sub { $api->stop }, 'pools', 'error', qr/pool api does not answer: .*(?:No such file|refused)/, sub { $api->start; run(['prlimit', '--core=0:', '--pid', $api->master]) });
broken('... which nginx sees', 'nginx', sub { $api->stop }, 'nginx', 'error', qr{without a token is to be 401, and is: HTTP/2 502}, sub { $api->start; run(['prlimit', '--core=0:', '--pid', $api->master]) });
subtest 'PostgreSQL is stopped' => sub {
    $root->disconnect;
    $database->stop;
    wait_until { ($api->status->{health} eq 'down') && ($auth->status->{health} eq 'down') } 60, 'the pools to see it';
    my $said = look(@all);
    is $said->{exit}, 2, 'an error' or diag in_words($said);
    my $lines = in_words($said, 'ok');
    like $lines, $_, $_ for qr/^error database: /m, qr/^error pools: pool api: No connection to the database\./m, qr/^skipped privileges: the database cannot be asked/m, qr/^skipped schema: the database cannot be asked/m;
    $database->start;
    wait_until { ($api->status->{health} eq 'ok') && ($auth->status->{health} eq 'ok') } 60, 'the pools to be well';
};
subtest 'nginx is stopped' => sub {
    $nginx->stop;
    my $said = look(@all, '--only', 'nginx');
    is $said->{exit}, 2, 'an error';
    like in_words($said, 'ok'), qr/^error nginx: nginx makes no TLS connection as localhost at 127\.0\.0\.1:\d+/m, 'and why';
    $said = look(@given, '--nginx', "$dir/none", '--only', 'nginx');
    is $said->{exit}, 0, 'none is wanted';
    like in_words($said), qr/^skipped nginx: there is no \S+\/none\/site\.example\.conf/m, '... and it is said';
};

$_->stop for $api, $auth;
done_testing;
