# Mail, by a timer of its own: setup switches it on, messages are handed over by a user who knows no other secret, and
# it can be switched off again.
use v5.36;
use Pets::CA;
use Pets::Env qw(slurp spew wait_until);
use Pets::Inside;
use Pets::MailSink;
use Test::More;

my $dir = $ENV{PETS_TEST_DIR};
my $ca  = Pets::CA->new(dir => "$dir/mail-tls");
is sh("cp @{[ $ca->ca_file ]} /usr/local/share/ca-certificates/pets-test.crt && update-ca-certificates"), 0, 'the relay is trusted on this machine' or diag said();

# Somebody registers with mail; returns when the message is there.
sub registers ($sink, $email) {
    is client()->register($email, 'the secret words of somebody', 'Ann Person')->status, 202, "$email registers";
    my ($message) = wait_until { (grep { $_->{to}[0] eq $email } $sink->messages)[0] } 60, 'a message';
    my $link = Pets::MailSink::read_message($message->{data});
    is client()->post('/v1/auth/verify-email', { token => $link->{token} })->status, 201, '... and is verified by what has come';
    like $link->{text}, qr{https://pets\.example\.com/account/verify-email#}, 'by a link to the pages of the site';
    return $message;
}

subtest 'a relay' => sub {
    my $sink = Pets::MailSink->new(dir => "$dir/sink", ca => $ca)->start;
    is sh("petsctl setup --mail-from pets\@example.org --mail-links https://pets.example.com/account --mail-relay @{[ $sink->url ]}"), 0, 'setup' or diag said();
    is property('petsd-mail.timer', 'ActiveState'), 'active', 'the timer runs';
    registers($sink, 'mail.one@example.org');
    wait_until { property('petsd-mail.service', 'ActiveState') eq 'inactive' } 60, 'the end of the service';
    is property('petsd-mail.service', 'Result'), 'success', 'the unit has done well';
    is property('petsd-mail.service', 'User'), 'pets-mail', '... as its own user';
    is sh("runuser -u postgres -- psql -d pets -Atc \"select count(*) from pg_stat_activity where usename = 'pets_mail' and state <> 'idle'\""), 0, 'the database is asked';
};

subtest 'a relay with a password' => sub {
    my $sink = Pets::MailSink->new(dir => "$dir/sink2", ca => $ca, user => 'pets', password => 'the word for the relay')->start;
    spew("$dir/relay", "the word for the relay\n", 0600);
    is sh("petsctl setup --mail-relay @{[ $sink->url ]} --mail-user pets --mail-password $dir/relay"), 0, 'setup' or diag said();
    unlike said(), qr/the word for the relay/, 'the password is not shown';
    is sh('stat -c "%a %U" /etc/pets-api/credentials/relay'), 0, 'it is kept';
    is said(), "600 root\n", '... privately';
    is registers($sink, 'mail.two@example.org')->{user}, 'pets', 'the sender has logged in at the relay';
    is sh('petsctl setup'), 0, 'setup, once more' or diag said();
    unlike said(), qr/^  - write /m, 'changes nothing' or diag said();
};

subtest 'what the sender cannot do' => sub {
    my $tried = probe('petsd-mail.service', '/src/t/system/probe.pl', arguments => [master('auth'), 1]);
    for my $name ('read /etc/pets-api/credentials/pepper', 'read /etc/shadow', 'list /root', 'list /var/lib/postgresql', 'write /etc/x', 'write /var/x',
        'see another pool', 'connect /run/pets-api/auth.sock', 'connect /run/dbus/system_bus_socket', 'socket NETLINK', 'call ptrace', 'run /bin/sh', 'run /usr/sbin/petsd') {
        isnt $tried->{$name}, '', "$name: " . ($tried->{$name} // 'not tried');
    }
};

subtest 'no mail' => sub {
    is sh('petsctl setup --no-mail'), 0, 'setup' or diag said();
    is property('petsd-mail.timer', 'ActiveState'), 'inactive', 'the timer is off';
    is client()->register('mail.three@example.org', 'the secret words of somebody', 'Ann Person')->status, 201, 'a registration opens the account at once';
    is sh('ls /etc/systemd/system/petsd-mail.service.d'), 2, 'nothing is left in the unit' or diag said();
};

sh('rm /usr/local/share/ca-certificates/pets-test.crt && update-ca-certificates --fresh');
done_testing;
