# A database on another machine: by TLS, with passwords that setup makes, and no way to anywhere else. Here the other
# machine is another name and address of this one.
use v5.36;
use Pets::CA;
use Pets::Env qw(slurp spew wait_until);
use Pets::Inside;
use Test::More;

use constant HOST => 'db.example.com';

my $dir = $ENV{PETS_TEST_DIR};
my $ca  = Pets::CA->new(dir => "$dir/database-tls");
my ($cert, $key) = $ca->issue(HOST);
spew('/etc/hosts', slurp('/etc/hosts') . '127.0.0.5 ' . HOST . "\n");
spew("$dir/owner", "owner word\n", 0600);

sub sql ($database, $text) { return sh("cd / && runuser -u postgres -- psql -d $database -v ON_ERROR_STOP=1 -Atq", stdin => $text) }

is sh("install -d /var/lib/postgresql/tls && cp $cert /var/lib/postgresql/tls/server.pem && cp $key /var/lib/postgresql/tls/server.key"
    . ' && chown -R postgres: /var/lib/postgresql/tls && chmod 600 /var/lib/postgresql/tls/server.key'), 0, 'a certificate' or diag said();
is sql('postgres', <<~'SQL'), 0, 'PostgreSQL listens with it, and has an owner for us' or diag said();
    alter system set listen_addresses = '127.0.0.5, 127.0.0.1';
    alter system set ssl_cert_file = '/var/lib/postgresql/tls/server.pem';
    alter system set ssl_key_file = '/var/lib/postgresql/tls/server.key';
    alter system set log_statement = 'all';
    create role site_owner login createrole password 'owner word';
    create database far owner site_owner;
    SQL
is sh(q{sed -i '1i hostssl far all 127.0.0.0/8 scram-sha-256\nhost far all all reject' /etc/postgresql/15/main/pg_hba.conf && systemctl restart postgresql}), 0, 'by TLS only' or diag said();

my $remote = '--database-host ' . HOST . " --database-name far --database-ca @{[ $ca->ca_file ]} --database-admin site_owner --database-admin-password $dir/owner";

subtest 'what is wrong is said' => sub {
    isnt sh("petsctl setup @{[ $remote =~ s/db\.example\.com/api.example.com/r ]}"), 0, 'another name than the certificate has';
    like said(), qr/cannot be reached: .*does not match host name/s, '... is refused' or diag said();
    spew("$dir/wrong", "wrong word\n", 0600);
    isnt sh("petsctl setup @{[ $remote =~ s{/owner\z}{/wrong}r ]}"), 0, 'a wrong password';
    like said(), qr/password authentication failed/, '... is told' or diag said();
};

subtest 'setup' => sub {
    is sh("petsctl setup $remote", stdin => PASSWORD . "\n"), 0, 'succeeds' or diag said();
    unlike said(), qr/owner word/, 'no password is shown';
    rename "$dir/admin.totp", "$dir/admin.totp.local" or die $!;
    is administrator()->get('/v1/users')->status, 200, 'the administrator is there';
    my $ann = person();
    is $ann->post('/v1/pets', { name => 'Rex', species => 'dog' })->status, 201, 'somebody enters a pet';
    sql('postgres', q{select distinct a.datname, a.usename, s.ssl, a.client_addr from pg_stat_activity a join pg_stat_ssl s using (pid) where a.usename in ('pets_api', 'pets_auth') order by 2});
    is said(), "far|pets_api|t|127.0.0.1\nfar|pets_auth|t|127.0.0.1\n", 'both pools are there, by TLS' or diag said();
    sql('postgres', q{select count(*) from pg_authid where rolname in ('pets_api', 'pets_auth', 'pets_ops', 'pets_mail', 'pets_prune', 'pets_watch') and rolpassword like 'SCRAM-SHA-256$%'});
    is said(), "6\n", 'each role has a password';
    for my $role (qw(api auth ops mail prune watch)) {
        my $password = slurp("/etc/pets-api/credentials/database-$role") =~ s/\s+\z//r;
        is sh("grep -rqF -- '$password' /var/log/postgresql"), 1, "that of pets_$role is not in PostgreSQL's log";
    }
};

subtest 'another machine' => sub {
    my $dir       = '/etc/pets-api/credentials';
    my $verifiers = sub { sql('postgres', q{select string_agg(rolpassword, ' ' order by rolname) from pg_authid where rolname ~ '^pets_'}); return said() };
    my $before    = $verifiers->();
    my $again     = "petsctl setup --database-admin-password $ENV{PETS_TEST_DIR}/owner";
    is sh("mkdir /root/away && mv $dir/database-* /root/away && $again"), 1, 'without the passwords of the first one';
    like said(), qr/database-api is missing, and the database has accounts.*copy/s, '... setup is refused' or diag said();
    is sh("cp -a /root/away/* $dir && petsctl secret new $dir/other && mv $dir/other $dir/database-auth && $again"), 1, 'with another one';
    like said(), qr/pets_auth cannot log in with \S+database-auth: .*password authentication failed/, '... too' or diag said();
    is $verifiers->(), $before, 'nobody was locked out';

    my %pid = map { $_ => master($_) } qw(api auth);
    is sh("$again --new-passwords --database-network 192.0.2.0/24"), 0, 'a new password, as somebody insists' or diag said();
    like said(), qr/- pets_api has it\n\s+- pets_auth gets it\n/, '... is for who had another' or diag said();
    isnt master('auth'), $pid{auth}, '... who is restarted';
    isnt $verifiers->(), $before, 'PostgreSQL knows it';
    like slurp('/etc/systemd/system/petsd-api.service.d/50-setup.conf'), qr{^IPAddressAllow=127\.0\.0\.5\n(?:.*\n)*IPAddressAllow=192\.0\.2\.0/24$}m, 'addresses of another day are let through';
    is person()->get('/v1/pets')->status, 200, 'it serves';
    my $after = $verifiers->();
    is sh($again), 0, 'with the same passwords' or diag said();
    is $verifiers->(), $after, '... nothing is changed';
    sh('rm -r /root/away');
};

# As behind an upgrade: there are accounts, and a role is new.
subtest 'a role that is new' => sub {
    my $schema = '/usr/share/pets-api/schema';
    is sql('pets', 'drop owned by pets_watch'), 0, 'nobody else needs it' or diag said();
    is sh("cd $schema && runuser -u postgres -- env HOME=/ sqitch revert -y --to \@HEAD^ db:pg:far"), 0, 'the schema is that of before' or diag said();
    is sql('postgres', q{select count(*) from pg_roles where rolname = 'pets_watch'}), 0, 'there is no such role';
    is said(), "0\n", '... really' or diag said();
    unlink '/etc/pets-api/credentials/database-watch';
    is sh("petsctl setup --database-admin-password $ENV{PETS_TEST_DIR}/owner"), 0, 'setup makes it, and its password' or diag said();
    like said(), qr/- pets_prune has it\n\s+- pets_watch gets it\n/, '... and leaves those of the others';
    is sh("petsctl setup --database-admin-password $ENV{PETS_TEST_DIR}/owner"), 0, 'and can be run again' or diag said();
    is sh("runuser -u postgres -- psql -d pets -q -f $schema/deploy/watch.sql"), 0, 'the other database has it again' or diag said();
};

subtest 'several hosts, of which one is away' => sub {
    spew('/etc/hosts', slurp('/etc/hosts') . "127.0.0.6 gone.example.com\n");
    is sh("petsctl setup --database-host gone.example.com,@{[ HOST ]} --database-admin-password $ENV{PETS_TEST_DIR}/owner"), 0, 'setup takes the one that answers' or diag said();
    like slurp('/etc/pets-api/api.conf.d/50-setup.conf'), qr/^host = gone\.example\.com,db\.example\.com$/m, 'the pools know both';
    like slurp('/etc/systemd/system/petsd-api.service.d/50-setup.conf'), qr{^IPAddressAllow=127\.0\.0\.5\nIPAddressAllow=127\.0\.0\.6$}m, '... and may reach both';
    is person()->get('/v1/pets')->status, 200, 'it serves';
    is sh('systemctl start petsd-doctor.service'), 0, 'the job that looks for what is wrong gets there, too' or diag join "\n", journal('petsd-doctor');
    like join("\n", journal('petsd-doctor')), qr/^pets-api: warning: 0 errors/m, '... and finds no error';
};

subtest 'the way there, and no other' => sub {
    my $tried = probe('petsd-api.service', '/src/t/system/connect.pl', arguments => [qw(127.0.0.5:5432 127.0.0.1:443 127.0.0.1:5432 127.0.0.1:80)]);
    is $tried->{'127.0.0.5:5432'}, '', 'PostgreSQL is reached';
    isnt $tried->{$_}, '', "$_ is not: $tried->{$_}" for qw(127.0.0.1:443 127.0.0.1:5432 127.0.0.1:80);
    for my $unit (qw(petsd-api.service petsd-auth.service)) {
        sh("systemd-analyze security --no-pager $unit");
        my ($exposure) = said() =~ /Overall exposure level for \S+: ([\d.]+)/;
        cmp_ok $exposure, '<=', 1.5, "the exposure of $unit is $exposure";
    }
};

subtest 'restart' => sub {
    my $load = load(people => 3);
    is sh('petsctl restart'), 0, 'the pools are restarted' or diag said();
    my $tally = $load->();
    is join(' ', grep { !/ 20[01]\z/ } keys $tally->{answers}->%*), '', 'and nobody is refused';
};

subtest 'back to this machine' => sub {
    is sh('petsctl setup --local-database'), 0, 'setup' or diag said();
    rename "$dir/admin.totp.local", "$dir/admin.totp" or die $!;
    is person()->get('/v1/pets')->status, 200, 'it serves';
    sql('postgres', q{select distinct datname from pg_stat_activity where usename = 'pets_api'});
    like said(), qr/^pets$/m, 'from the first database';
    is sh('ls -d /etc/systemd/system/petsd-*.d'), 2, 'nothing is left in the units' or diag said();
};

is sh(q{sed -i '/^host\(ssl\)\? far all/d' /etc/postgresql/15/main/pg_hba.conf && rm -r /var/lib/postgresql/tls}), 0, 'and nothing of this test';
is sql('postgres', "alter system reset all;"), 0, '... in PostgreSQL';
is sh('systemctl restart postgresql'), 0, '... either' or diag said();
done_testing;
