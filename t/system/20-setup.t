# petsctl setup makes a running service: it explains, does nothing when that was asked for, can be run again, and says
# what is wrong in words that help.
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp spew);
use Test::More;

spew('/etc/hosts', slurp('/etc/hosts') . '127.0.0.1 ' . SITE . "\n");

sub setup ($arguments, $stdin = '') { return sh("petsctl setup $arguments", stdin => $stdin) }

# Limits of one address are for strangers; the load of these tests all comes from here. Who helps out in a restart has
# gone after twice the time for which a connection to a pool is kept.
my $site = '--site ' . SITE . ' --admin ' . ADMIN . ' --self-signed --nginx AUTH_RATE=1000r/s --nginx AUTH_BURST=1000'
    . ' --nginx LIMIT_RATE=10000r/s --nginx LIMIT_BURST=10000 --nginx UPSTREAM_KEEP=2s';

subtest 'what is wrong is said' => sub {
    my %wrong = (
        '--what'                                                  => qr/what is '--what'/,
        ''                                                        => qr/--site is missing/,
        '--site Api.Example --admin a@example.org --self-signed'  => qr/--site is a name in lower case/,
        '--site api.example.com --self-signed'                    => qr/--admin is missing/,
        '--site api.example.com --admin nobody --self-signed'     => qr/--admin is an e-mail address/,
        '--site api.example.com --admin a@example.org'            => qr/--certificate and --certificate-key are missing/,
        "$site --database-name 'a;b'"                             => qr/--database-name has lower case letters/,
        "$site --site 'a\$(id)'"                                  => qr/has a character that has no place there/,
        "$site --database-host db.example"                        => qr/--database-host needs --database-ca and --database-admin/,
        "$site --mail-from a\@example.org"                        => qr/belong together/,
        "$site --mail-from a\@example.org --mail-links https://pets.example.com/a --mail-relay smtps://127.0.0.1:465 --mail-user a" => qr/--mail-user needs --mail-password/,
        "$site --database-network here"                           => qr/--database-network is like/,
        "$site --nginx limit=1"                                   => qr/--nginx wants NAME=VALUE/,
    );
    for my $arguments (sort keys %wrong) {
        is setup($arguments), 2, "'$arguments' is refused";
        like said(), $wrong{$arguments}, '... with the reason';
    }
    is sh('runuser -u nobody -- petsctl setup ' . $site), 1, 'it is for root';
    like said(), qr/this is for root/, '... and says so';
    is setup('--help'), 0, 'it has help';
};

my $watched = qr{^/etc/(?:pets-api/credentials|.*-$)};
subtest 'a dry run' => sub {
    my $before = files_of($watched, qw(/etc /var/lib/pets-api /run/pets-api));
    is setup("--dry-run $site"), 0, 'succeeds' or diag said();
    like said(), qr/^  \$ petsctl pepper new /m, 'it says what would be run';
    like said(), qr/^  - write \/etc\/pets-api\/auth.conf.d\/50-setup.conf\n      #/m, '... and what would be written, with its content';
    like said(), qr/^Nothing was done\.$/m, '... and that nothing was done';
    is setup("--dry-run $site --nginx HTTPS_LISTEN=192.0.2.9:443"), 0, 'with nginx at an address of its own';
    like said(), qr{petsd-doctor\.service\.d/50-setup\.conf\n(?:      .*\n)*?      IPAddressAllow=192\.0\.2\.9\n}, '... the job that looks whether it serves may go there' or diag said();
    is_deeply files_of($watched, qw(/etc /var/lib/pets-api /run/pets-api)), $before, 'which is true of files';
    sh("runuser -u postgres -- psql -Atc 'select datname from pg_database' postgres");
    unlike said(), qr/^pets$/m, '... and of the database';
};

subtest 'setup' => sub {
    is setup($site, "short\n"), 1, 'a password that will not do';
    like said(), qr/the password is refused \(too_short\)/, '... is refused with the reason' or diag said();
    is setup($site, PASSWORD . "\n"), 0, 'it goes on from there' or diag said();
    like said(), qr/^  \|   \+ roles \.+ ok$|it is up to date/m, 'the schema is there';
    my @steps = said() =~ /^([A-Z][a-zA-Z ]+\??)\n  [A-Z]/mg;
    cmp_ok scalar @steps, '>=', 9, 'each step has a heading and a reason: ' . join ', ', @steps;
    like said(), qr/^It is running\. https:\/\/\Q@{[SITE]}\E$/m, 'it says where it is';
    unlike said(), qr/\Q@{[PASSWORD]}\E/, 'no password is printed';
    for my $secret (qw(pepper refresh mfa link cursor-api cursor-auth)) {
        my $value = slurp("/etc/pets-api/credentials/$secret") =~ s/\s+\z//r;
        ok index(said(), $value) < 0, "$secret is not printed";
        is sprintf('%o', (stat "/etc/pets-api/credentials/$secret")[2] & 07777), '600', '... and private';
    }
};

subtest 'again' => sub {
    my $before = files_of($watched, qw(/etc));
    my $pids   = join ' ', master('api'), master('auth');
    is setup(''), 0, 'without a word: answers were kept' or diag said();
    unlike said(), qr/^  - write /m, 'nothing is written' or diag said();
    is_deeply files_of($watched, qw(/etc)), $before, '... in fact';
    is join(' ', master('api'), master('auth')), $pids, 'nothing was restarted';
    is sh('petsctl -c /etc/pets-api/ops.conf user list --role ADMIN --json | grep -o \'"id"\' | wc -l'), 0, 'administrators';
    is said(), "1\n", 'are one';
};

subtest 'with another answer' => sub {
    my $pids = join ' ', master('api'), master('auth');
    is setup('--nginx LIMIT_CONNECTIONS=500'), 0, 'one more setting of nginx' or diag said();
    like slurp('/etc/nginx/pets-api/server.conf'), qr/limit_conn pets_connections 500;/, 'is taken';
    is join(' ', master('api'), master('auth')), $pids, '... and the pools go on';
    is setup($site), 0, 'and back again' or diag said();
};

subtest 'first login, and pets' => sub {
    my $admin = administrator();
    is $admin->get('/v1/users')->status, 200, 'the administrator has logged in with a second factor, and sees people';
    my $ann = person();
    my $pet = $ann->post('/v1/pets', { name => 'Rex', species => 'dog' });
    is $pet->status, 201, 'somebody has registered, and enters a pet';
    my $id = $pet->json->{id};
    is $ann->get("/v1/pets/$id")->json->{name}, 'Rex', 'reads it';
    is $ann->patch("/v1/pets/$id", { name => 'Max' }, if_match => '"1"')->status, 200, 'changes it';
    is $ann->patch("/v1/pets/$id", { name => 'Rex' }, if_match => '"1"')->status, 412, '... once';
    is person()->get("/v1/pets/$id")->status, 404, 'for others it is not there';
    is $ann->delete("/v1/pets/$id", if_match => '"2"')->status, 204, 'and it is gone';
    is client()->get('/openapi.json')->status, 200, 'nginx serves the contract';
    is client()->get($_)->status, 200, "... and the page $_" for qw(/docs /docs/guide /docs/errors /docs/swagger-ui.js);
    is sh('curl -sf http://127.0.0.1:9180/api/ready http://127.0.0.1:9180/auth/ready'), 0, 'the ops address says that both are ready' or diag said();
};

done_testing;
