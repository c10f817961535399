# petsctl setup on a site that runs: stopped half way it goes on where it was, refuses what would do harm, and leaves
# what others have written.
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp spew);
use Test::More;

my $etc  = '/etc/pets-api';
my $mail = '--mail-from pets@example.org --mail-links https://pets.example.com/account --mail-relay smtps://127.0.0.1:465';
my $hba  = '/etc/postgresql/15/main/pg_hba.conf';

sub sql ($database, $text) { return sh("cd / && runuser -u postgres -- psql -d $database -v ON_ERROR_STOP=1 -Atq", stdin => $text) }

# What a setting of nginx is now, so that what was changed can be changed back.
my ($nginx) = map { join ' ', map { "--nginx $_" } split /\|/ } slurp("$etc/setup.answers") =~ /^nginx=(.*)$/m;

subtest 'stopped half way' => sub {
    my %pid     = map { $_ => master($_) } qw(api auth);
    my $answers = slurp("$etc/setup.answers");
    spew("$etc/auth.conf.d/70-site.conf", "[pool]\nworkers = many\n");
    is sh("petsctl setup $mail"), 1, 'a configuration cannot be used';
    like said(), qr/70-site\.conf:2: pool\.workers/, '... and that is said' or diag said();
    is slurp("$etc/setup.answers"), $answers, 'the answers of before are kept';
    is master('auth'), $pid{auth}, 'the pool goes on';
    unlink "$etc/auth.conf.d/70-site.conf";
    is sh("petsctl setup $mail"), 0, 'mended, it goes on' or diag said();
    like said(), qr/^  - \Q$etc\E\/auth\.conf\.d\/50-setup\.conf is as it should be$/m, 'the file had been written';
    isnt master('auth'), $pid{auth}, '... and is what the pool now runs with';
    is master('api'), $pid{api}, 'the other pool was left alone';
    like slurp("$etc/setup.answers"), qr/^mail_from=/m, 'the answers are kept now';
};

subtest 'a job that cannot do its work' => sub {
    spew("$etc/mail.conf.d/70-site.conf", "[mail]\nrelay = nonsense\n");
    is sh('petsctl setup --mail-links https://pets.example.com/other'), 1, 'the sender of mail has a bad configuration';
    like said(), qr/this failed: systemctl start petsd-mail\.service/, '... which is found' or diag said();
    unlink "$etc/mail.conf.d/70-site.conf";
    is sh('systemctl reset-failed petsd-mail.service; petsctl setup'), 0, 'mended' or diag said();
    like said(), qr/^  \$ systemctl start petsd-mail\.service$/m, '... it is tried again';
    is sh('petsctl setup --no-mail'), 0, 'no mail' or diag said();
};

subtest 'a secret is missing' => sub {
    for my $secret (qw(pepper mfa link signing.pem)) {
        my $files = $secret =~ s/signing/*/r;
        is sh("mkdir /root/away && mv $etc/credentials/$files /root/away"), 0, "$secret is not there" or diag said();
        is sh('petsctl setup'), 1, '... and is not made anew';
        like said(), qr/\Q$secret\E is missing, and the database has accounts/, '... as setup says' or diag said();
        ok !-e "$etc/credentials/$secret", '... truly';
        is sh("cp -a /root/away/. $etc/credentials/ && rm -r /root/away"), 0, 'it is back';
    }
    is sh("systemd-creds encrypt --with-key=host --name=mfa $etc/credentials/mfa $etc/credentials/mfa.cred && mv $etc/credentials/mfa /root/mfa"), 0, 'one is encrypted' or diag said();
    is sh('petsctl setup'), 1, 'setup needs it in plain';
    my ($decrypt) = said() =~ /First: (cd \S+; systemd-creds decrypt [^;]+);/;
    is sh($decrypt // 'false'), 0, 'what it says to do' or diag said();
    is sh("cmp $etc/credentials/mfa /root/mfa && chmod 600 $etc/credentials/mfa && rm $etc/credentials/mfa.cred /root/mfa"), 0, '... brings it back' or diag said();
    is sh('petsctl setup'), 0, 'all is well' or diag said();
};

subtest 'a disk is full' => sub {
    my $dir = "$etc/prune.conf.d";
    is sh("mount -t tmpfs -o size=4k tmpfs $dir && head -c 4096 /dev/zero >$dir/filler"), 0, 'there is no room' or diag said();
    is sh('petsctl setup'), 1, 'what cannot be written';
    like said(), qr/prune\.conf\.d\/50-setup\.conf cannot be written; it is as it was\n.*No space left/, '... is an error' or diag said();
    is sh("ls $dir"), 0, 'what is there';
    is said(), "filler\n", '... is no half of a file';
    is sh("umount $dir && petsctl setup"), 0, 'and with room it is well' or diag said();
};

subtest 'files of PostgreSQL' => sub {
    my $before = slurp($hba);
    is sh("sed -i '/^# pets-api: end/d' $hba"), 0, 'the end of our lines is lost';
    my $broken = slurp($hba);
    is sh('petsctl setup'), 1, 'which is refused';
    like said(), qr/has a line "# pets-api: begin" without its/, '... with the reason' or diag said();
    is slurp($hba), $broken, '... and nothing is deleted';
    is sh("sed -i '/^# pets-api: begin/,+1d' $hba && chown postgres:postgres $hba && chmod 640 $hba"), 0, 'they are taken away';
    is sh('petsctl setup'), 0, 'setup writes them' or diag said();
    is slurp($hba), $before, 'the file is whole';
    is sh("stat -c '%U:%G %a' $hba"), 0, 'it belongs';
    is said(), "postgres:postgres 640\n", '... to whom it has belonged';
    is sh('ls /etc/postgresql/15/main/*.tmp'), 2, 'nothing else is there';
};

subtest 'a database of somebody else' => sub {
    is sql('postgres', 'create database other'), 0, 'there is one' or diag said();
    is sql('other', 'create table thing (name text)'), 0, '... which is used' or diag said();
    is sh('petsctl setup --database-name other'), 1, 'it is not taken';
    like said(), qr/the database other belongs to something else/, '... and that is said' or diag said();
    unlike slurp($hba), qr/^local other/m, 'nothing was written about it';
    unlike slurp("$etc/setup.answers"), qr/other/, '... nor kept';
    is sql('postgres', 'drop database other'), 0, 'it goes';
};

subtest 'nginx does not take it' => sub {
    my $before = files_of(qr{\A\z}, '/etc/nginx');
    is sh("petsctl setup $nginx --nginx BODY_TIMEOUT=never"), 1, 'a setting that nginx does not know' or diag said();
    like said(), qr/this failed: nginx -t\n\s+What was changed in \/etc\/nginx is as it was before\./, 'is an error' or diag said();
    is_deeply files_of(qr{\A\z}, '/etc/nginx'), $before, '... and taken back';
    is sh('nginx -t && systemctl restart nginx'), 0, 'nginx could start' or diag said();

    spew('/etc/nginx/sites-enabled/default', "server { listen 8099 default_server; return 204; }\n");
    my $with = files_of(qr{\A\z}, '/etc/nginx');
    is sh("petsctl setup $nginx --nginx LIMIT_CONNECTIONS=600"), 1, 'a default site that somebody has written' or diag said();
    like said(), qr/claims to be the default server/, '... is refused' or diag said();
    is_deeply files_of(qr{\A\z}, '/etc/nginx'), $with, '... before anything is written';
    unlink '/etc/nginx/sites-enabled/default';
    is sh("petsctl setup $nginx"), 0, 'mended' or diag said();
};

subtest 'somebody has changed a file of nginx' => sub {
    my $file = '/etc/nginx/pets-api/http.conf';
    my $ours = slurp($file);
    spew($file, "# A line of an administrator's.\n$ours");
    is sh('petsctl setup'), 0, 'setup' or diag said();
    like said(), qr/^  - \Q$file\E was changed by somebody else, and is left/m, 'says that' or diag said();
    is slurp($file), "# A line of an administrator's.\n$ours", '... and it is so';
    is slurp("$file.setup-new"), $ours, 'what it would have written is beside it';
    is sh("mv $file.setup-new $file && petsctl setup"), 0, 'which can be taken' or diag said();
    unlike said(), qr/changed by somebody|^  - write /m, 'and is ours again' or diag said();
};

is person()->get('/v1/pets')->status, 200, 'it serves';
done_testing;
