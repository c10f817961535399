# The package is removed, comes back, and is purged: what is left then is what an administrator has made, and nothing
# else.
use v5.36;
use JSON::PP ();
use Pets::Inside;
use Pets::Env qw(slurp spew);
use Test::More;

my $packages = '/root/packages';
spew('/etc/pets-api/api.conf.d/70-site.conf', "[log]\naccess = on\n");

subtest 'the same version again' => sub {
    my $mine = "# A line of an administrator's.\n" . slurp('/etc/pets-api/prune.conf');
    spew('/etc/pets-api/prune.conf', $mine);
    my $before = files_of(qr{^/etc/.*-$}, '/etc');
    my $load   = load(people => 3);
    is sh("DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 install --reinstall $packages/new/pets-api_*.deb </dev/null"), 0, 'apt asks nothing' or diag said();
    like said(), qr/^auth: restarted\napi: restarted\n/m, '... and the pools are restarted';
    no_relief();
    all_well($load->(), 'the same version', 3);
    is_deeply files_of(qr{^/etc/.*-$}, '/etc'), $before, 'configurations and secrets are as they were';
};

subtest 'removed' => sub {
    is sh('dpkg --remove pets-api'), 0, 'without complaint' or diag said();
    is sh('pgrep -c petsd'), 1, 'nothing runs';
    is sh('ss -lx | grep -c pets-api'), 1, 'nothing listens';
    is sh('nginx -t'), 0, 'nginx does not mind' or diag said();
    is client()->get('/v1/pets')->status, 502, '... and has nobody to ask';
    ok -e "/etc/pets-api/$_", "$_ is kept" for qw(api.conf credentials/pepper api.conf.d/50-setup.conf api.conf.d/70-site.conf setup.answers);
};

subtest 'installed again' => sub {
    is sh("dpkg --install $packages/new/pets-api_*.deb"), 0, 'without complaint' or diag said();
    for my $unit (qw(petsd-api.service petsd-auth.service petsd-api.socket petsd-auth.socket petsd-prune.timer)) {
        is property($unit, 'ActiveState') . ' ' . property($unit, 'UnitFileState'), 'inactive enabled', "$unit would start with the next boot";
    }
    is sh('petsctl setup'), 0, 'setup finds everything as it was' or diag said();
    is person()->post('/v1/pets', { name => 'Rex', species => 'dog' })->status, 201, 'and it serves';
    is administrator()->get('/v1/users')->status, 200, 'passwords and second factors are good';
};

my $etc = '/etc/pets-api';
subtest 'purged where nginx has something of somebody' => sub {
    is sh("cp -a $etc/credentials $etc/public-keys /root && cp $etc/setup.answers /root"), 0, 'a copy is kept';
    my $file = '/etc/nginx/pets-api/http.conf';
    spew($file, "# A line of an administrator's.\n" . slurp($file));
    my $nginx = files_of(qr{\A\z}, '/etc/nginx');
    is sh("install -d /var/log/pets-api/api && install -o pets-api /dev/null /var/log/pets-api/api/petsd.log && install -o pets-mail /dev/null /var/tmp/of-mail"), 0, 'there are logs';
    is sh("install -m 600 /dev/null $etc/credentials/pepper-previous"), 0, 'and one more secret';
    is sh('dpkg --purge pets-api'), 0, 'without complaint' or diag said();
    like said(), qr/\Q$file\E was changed, so nginx's part is left/, 'it says that nginx is left alone' or diag said();
    is_deeply files_of(qr{\A\z}, '/etc/nginx'), $nginx, '... truly';
    is sh('nginx -t && systemctl restart nginx'), 0, 'nginx can start' or diag said();
    ok !-e $_, "$_ is gone" for '/var/log/pets-api', "$etc/credentials";
    is sh('getent passwd pets-api'), 2, 'so is who owned the logs';
    like said(), qr/\A\z/, '... nothing of it is left';
    is sh('passwd --status pets-mail'), 0, 'who owns something elsewhere' or diag said();
    like said(), qr/^pets-mail L /, '... is locked, and keeps the number' or diag said();
    unlink '/var/tmp/of-mail';
};

subtest 'from a copy' => sub {
    my $site = '--site ' . SITE . ' --no-admin --self-signed';
    is sh("dpkg --install $packages/new/pets-api_*.deb && petsctl setup $site"), 1, 'without secrets, with the database';
    like said(), qr/pepper is missing, and the database has accounts/, '... setup makes none' or diag said();
    is sh("cp -a /root/credentials /root/public-keys $etc/ && cp /root/setup.answers $etc/ && rm -r /root/credentials /root/public-keys /root/setup.answers"), 0, 'they are brought back' or diag said();
    sh("cp /etc/nginx/pets-api/http.conf /root/http.conf; ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default");
    is sh('petsctl setup'), 0, 'setup' or diag said();
    is sh('cmp /root/http.conf /etc/nginx/pets-api/http.conf && rm /root/http.conf'), 0, 'an edited file is as it was' or diag said();
    is sh('mv /etc/nginx/pets-api/http.conf.setup-new /etc/nginx/pets-api/http.conf && petsctl setup'), 0, 'and ours is taken' or diag said();
    is administrator()->get('/v1/users')->status, 200, 'passwords and second factors are good';
};

subtest 'purged' => sub {
    is sh('dpkg --purge pets-api pets-api-doc pets-api-monitoring'), 0, 'without complaint' or diag said();
    like said(), qr/the database is left/, 'it says that the database is left' or diag said();
    is sh('pgrep -c petsd'), 1, 'nothing runs';
    is sh("getent passwd pets-api pets-auth pets-mail pets-prune pets-watch; getent group pets-api pets-auth pets-mail pets-prune pets-watch"), 2, 'the system users are gone' or diag said();
    ok !-e '/run/pets-api', 'the sockets are gone';
    sh('systemctl list-unit-files --no-legend "petsd*"');
    is said(), '', 'the units are gone';
    is sh('systemctl --failed --no-legend'), 0, 'nothing';
    is said(), '', '... has failed';

    my $before = JSON::PP->new->utf8->decode(slurp("$ENV{PETS_TEST_DIR}/before.json"));
    my $after  = everything();
    my %mine   = map { $_ => 1 } grep { m{^/etc/pets-api(?:/api\.conf\.d(?:/70-site\.conf)?)? } } keys %$after;
    is scalar keys %mine, 3, 'what an administrator has made is there';
    my @left    = grep { !exists $before->{$_} && !$mine{$_} } sort keys %$after;
    my @lost    = grep { !exists $after->{$_} } sort keys %$before;
    my @changed = grep { exists $before->{$_} && $before->{$_} ne $after->{$_} } sort keys %$after;
    is "@left",    '', 'nothing else is left';
    is "@lost",    '', 'nothing is lost';
    is "@changed", '', 'nothing is changed';

    is sh('nginx -t && curl -sf http://127.0.0.1/'), 0, "nginx serves Debian's example site again" or diag said();
    is sh("runuser -u postgres -- psql -d pets -Atc 'select count(*) > 0 from pets.pet'"), 0, 'the database';
    is said(), "t\n", '... is as it was';
};

done_testing;
