# petsctl mail send, against a real PostgreSQL, a program that stands for sendmail, and a server that speaks SMTP and
# TLS: what is delivered, in which words, once and only once; what a relay must prove before it is told anything;
# and what becomes of a message that is not taken.
use v5.36;
use Digest::SHA qw(hmac_sha256 sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Pets::CA;
use Pets::Cluster;
use Pets::Env qw(bin process_gone run slurp spawn spew test_dir wait_until);
use Pets::MailSink;
use Pets::Sql qw(uuid7);
use Test::More;

my $dir   = test_dir();
my $pg    = Pets::Cluster->new(dir => "$dir/pg")->start;
my $super = $pg->dbh;
my $ca    = Pets::CA->new(dir => "$dir/ca");
my $key   = 'the-key-that-links-are-derived-from';
spew("$dir/link.key", "$key\n", 0600);
my $said = '';    # all that petsctl has ever printed

# A configuration; mail options over the defaults, undef leaves one out.
sub config (%mail) {
    my %option = (
        from      => 'pets@example.org', from_name => 'Pets & Co', link_base => 'https://pets.example/account',
        link_key_file => "$dir/link.key", timeout_s => 30, retry_s => 1, %mail
    );
    my $text = "[pool]\nname = mail\n[database]\nhost = @{[ $pg->socket_dir ]}\nport = @{[ $pg->port ]}\nname = @{[ $pg->database ]}\nuser = pets_mail\n"
        . "password_file = @{[ $pg->password_file('pets_mail') ]}\n[log]\nfile = $dir/mail.log\n[mail]\n"
        . join '', map { "$_ = $option{$_}\n" } grep { defined $option{$_} } sort keys %option;
    return spew("$dir/mail.ini", $text, 0600);
}

sub mail_send (@flags) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', "$dir/mail.ini", 'mail', 'send', @flags], timeout => 180);
    $said .= "$out$err";
    return ($status & 127 ? "signal $status" : $status >> 8, $out, $err);
}

# One pass; what it counted, as "sent delayed failed expired", and its exit status.
sub one_pass () {
    my ($status, $out, $err) = mail_send('--json');
    my $count = eval { JSON::PP->new->decode($out) } // return "exit $status: $err";
    return join ' ', @$count{qw(sent delayed failed expired)}, "exit $status";
}

sub put (%column) {
    %column = (id => uuid7(), kind => 'password_changed', recipient => 'ann@example.org', address => '192.0.2.7', %column);
    my @names = sort keys %column;
    $super->do('insert into pets.mail_outbox (' . join(', ', @names) . ') values (' . join(', ', ('?') x @names) . ')', undef, @column{@names});
    return $column{id};
}

sub row ($id) { return $super->selectrow_hashref('select * from pets.mail_outbox where id = ?', undef, $id) }
sub due ()    { return $super->do('update pets.mail_outbox set not_before = now() where sent_at is null and failed_at is null') }
sub clear ()  { return $super->do('delete from pets.mail_outbox') }

# The headers of a message, and its text.
sub parse ($data) { return Pets::MailSink::read_message($data)->@{qw(header text)} }

# The token of a link, as the header of auth/link.h says.
sub token ($id) {
    my $prk  = hmac_sha256($key, "\0" x 32);
    my $okm  = hmac_sha256("pets-api link\x01", $prk);
    my $bytes = pack 'H*', $id =~ tr/-//dr;
    return 'pl_' . encode_base64url(hmac_sha256($bytes, $okm));
}

# A sendmail that keeps what it is given, and does as $dir/sendmail.do says.
spew("$dir/sendmail", <<~"END", 0755);
    #!/bin/sh
    printf '%s\\n' "\$@" >>$dir/sendmail.args
    env >>$dir/sendmail.env
    cat >>$dir/sendmail.in
    . $dir/sendmail.do
    END
spew("$dir/sendmail.do", "exit 0\n");

subtest 'sendmail' => sub {
    config(sendmail_path => "$dir/sendmail");
    is one_pass(), '0 0 0 0 exit 0', 'nothing to do';
    is_deeply [mail_send()], [0, '', ''], 'and nothing to say';
    my $link = uuid7();
    my $id   = put(kind => 'reset_password', link_id => $link, recipient => '-oQ/tmp@example.org', expires_at => '2999-01-02 03:04:05+00');
    is one_pass(), '1 0 0 0 exit 0', 'one message';
    is slurp("$dir/sendmail.args"), "-i\n-f\npets\@example.org\n--\n-oQ/tmp\@example.org\n", 'the arguments; an address is no option';
    my $data = slurp("$dir/sendmail.in");
    unlike $data, qr/\r/, 'line ends are those of Unix';
    my ($header, $text) = parse($data);
    is $header->{from}, '"Pets & Co" <pets@example.org>', 'From';
    is $header->{to}, '<-oQ/tmp@example.org>', 'To';
    is $header->{subject}, 'Choose a new password', 'Subject';
    is $header->{'message-id'}, "<$id\@example.org>", 'Message-ID';
    is $header->{'auto-submitted'}, 'auto-generated', 'Auto-Submitted';
    like $header->{date}, qr/\A\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d \+0000\z/, 'Date';
    my $token = token($link);
    like $text, qr{^https://pets\.example/account/reset-password#\Q$token\E$}m, 'the link, whose token is derived' or diag $text;
    like $text, qr/before 2999-01-02 03:04 UTC/, 'and how long it is good';
    like slurp("$dir/sendmail.env"), qr/\A(?:(?:PATH|LC_ALL|PWD|_|OLDPWD|SHLVL)=.*\n)+\z/, 'the environment is not passed on';
    my $row = row($id);
    ok defined $row->{sent_at}, 'it is marked';
    is join(' ', map { $_ // '-' } @$row{qw(recipient link_id address failed_at last_error)}), '- - - - -', 'and empty';
    clear();

    for my $case (['exit 75', 'delayed'], ['exit 1', 'delayed'], ['exit 67', 'failed'], ['exit 65', 'failed'], ['kill -9 $$', 'delayed']) {
        my ($do, $outcome) = @$case;
        spew("$dir/sendmail.do", "$do\n");
        my @ids = (put(), put(kind => 'new_sign_in'));
        is one_pass(), $outcome eq 'failed' ? '0 0 2 0 exit 1' : '0 2 0 0 exit 1', "$do: both $outcome";
        is defined row($ids[0])->{failed_at}, $outcome eq 'failed', "$do: for good or not";
        like row($ids[0])->{last_error}, qr/\Asendmail: /, "$do: it is written down";
        clear();
    }
    spew("$dir/sendmail.do", "echo \$\$ >>$dir/sendmail.pid; sleep 60 & echo \$! >>$dir/sendmail.pid; wait\n");
    config(sendmail_path => "$dir/sendmail", timeout_s => 3);
    my $hung = put();
    put();
    is one_pass(), '0 1 0 0 exit 1', 'one that hangs: it ends the pass';
    like row($hung)->{last_error}, qr/timeout_s/, 'and says so';
    my @pids = split ' ', slurp("$dir/sendmail.pid");
    is scalar @pids, 2, 'it had started another';
    wait_until { !grep { !process_gone($_) } @pids } 30, 'both to be gone';
    config(sendmail_path => "$dir/none");
    due();
    is one_pass(), '0 1 0 0 exit 1', 'one that is not there: it ends the pass';
    spew("$dir/sendmail.do", "exit 0\n");
    config(sendmail_path => "$dir/sendmail");
    due();
    is one_pass(), '2 0 0 0 exit 0', 'when it works again both go';
    clear();
};

my $sink = Pets::MailSink->new(dir => "$dir/sink", ca => $ca, user => 'pets', password => 'the telling password')->start;
spew("$dir/relay.password", "the telling password\n", 0600);
my @relay = (relay => $sink->url, relay_ca_file => $ca->ca_file, relay_user => 'pets', relay_password_file => "$dir/relay.password");

subtest 'a relay with STARTTLS' => sub {
    config(@relay);
    put(recipient => 'ann@example.org');
    put(recipient => 'ben@example.org', kind => 'second_factor_changed');
    is one_pass(), '2 0 0 0 exit 0', 'two messages';
    my @messages = $sink->messages;
    is_deeply [map { [@$_{qw(from to tls user)}] } @messages], [map { ['pets@example.org', [$_], 1, 'pets'] } qw(ann@example.org ben@example.org)], 'to whom, from whom, over TLS, logged in';
    like $messages[0]{data}, qr/\r\n\r\n/, 'with the line ends of the wire';
    my ($header, $text) = parse($messages[0]{data});
    is $header->{subject}, 'Your password was changed', 'what they say';
    like $text, qr/changed on \d{4}-\d\d-\d\d \d\d:\d\d UTC,\nfrom the address 192\.0\.2\.7\./, 'with when and from where';
    my @plain = grep { /\Aplain/ } $sink->said;
    is scalar(grep { !/\Aplain (?:EHLO \S+|STARTTLS)\z/ } @plain), 0, 'before TLS there is nothing but EHLO and STARTTLS' or diag join "\n", @plain;
    is scalar(grep { /STARTTLS/ } @plain), 1, 'one connection serves both';
    $sink->forget;
    clear();
};

subtest 'a relay that cannot be trusted' => sub {
    my $other = Pets::CA->new(dir => "$dir/other");
    my ($cert, $cert_key) = $ca->issue('elsewhere', names => ['DNS:mail.elsewhere.example']);
    my %relay = (
        'no STARTTLS'             => [starttls => 0],
        'another authority'       => [cert => $other->cert_file, key => $other->key_file],
        'another name'            => [cert => $cert, key => $cert_key],
        'smtps, another authority' => [implicit => 1, cert => $other->cert_file, key => $other->key_file],
        'smtps, another name'     => [implicit => 1, cert => $cert, key => $cert_key],
    );
    my $count = 0;
    for my $name (sort keys %relay) {
        my $bad = Pets::MailSink->new(dir => "$dir/bad" . ++$count, ca => $ca, user => 'pets', password => 'the telling password', $relay{$name}->@*)->start;
        config(@relay, relay => $bad->url);
        my $id = put();
        is one_pass(), '0 1 0 0 exit 1', "$name: nothing is sent";
        is_deeply [grep { !/\Aplain (?:EHLO|STARTTLS|QUIT)/ } $bad->said], [], "$name: nothing is said" or diag join "\n", $bad->said;
        is scalar $bad->messages, 0, "$name: no message";
        is row($id)->{recipient}, 'ann@example.org', "$name: it is kept for later";
        note row($id)->{last_error};
        $bad->stop;
        clear();
    }
    config(@relay, relay_ca_file => undef);
    put();
    is one_pass(), '0 1 0 0 exit 1', 'an authority that the system does not know';
    clear();
    my $good = Pets::MailSink->new(dir => "$dir/smtps", ca => $ca, implicit => 1)->start;
    config(relay => $good->url, relay_ca_file => $ca->ca_file);
    put();
    is one_pass(), '1 0 0 0 exit 0', 'smtps that can be trusted';
    is_deeply [map { $_->{tls} } $good->messages], [1], 'is used';
    $good->stop;
    clear();
};

subtest 'what is not taken' => sub {
    config(@relay);
    $sink->forget->behave('451 Busy', 'ben@');
    my %id = map { $_ => put(recipient => "$_\@example.org") } qw(ann ben cat);
    is one_pass(), '2 1 0 0 exit 1', '4xx: this one later, the others now';
    unlike row($id{ben})->{last_error}, qr/example/, 'the reason does not name anybody';
    like row($id{ben})->{last_error}, qr/451/, 'but says which code';
    $sink->behave('550 No', 'ben@');
    due();
    is one_pass(), '0 0 1 0 exit 1', '5xx: never';
    is row($id{ben})->{recipient}, undef, 'and forgotten';
    is_deeply [map { $_->{to}[0] } $sink->messages], [qw(ann@example.org cat@example.org)], 'the others came';
    clear();

    $sink->forget->behave('hang');
    config(@relay, timeout_s => 1);
    my @ids = map { put() } 1 .. 3;
    is one_pass(), '0 1 0 0 exit 1', 'a relay that hangs ends the pass';
    is_deeply [map { row($_)->{attempts} } @ids], [1, 0, 0], 'and costs the others no attempt';
    $sink->behave;
    config(@relay, retry_s => 600);    # longer than the passes that follow may take
    due();
    is one_pass(), '3 0 0 0 exit 0', 'when it is well again all go';
    clear();

    $sink->forget->stop;
    @ids = map { put() } 1 .. 3;
    is one_pass(), '0 1 0 0 exit 1', 'a relay that is down ends the pass';
    is one_pass(), '0 1 0 0 exit 1', 'the next tries the next';
    $sink->start;
    is one_pass(), '1 0 0 0 exit 0', 'one that waits its turn is not taken before its time';
    due();
    is one_pass(), '2 0 0 0 exit 0', 'it is then';
    is scalar $sink->messages, 3, 'all came, once';
    clear();

    spew("$dir/wrong.password", "something else\n", 0600);
    config(@relay, relay_password_file => "$dir/wrong.password");
    my $id = put();
    is one_pass(), '0 1 0 0 exit 1', 'a login that is refused';
    is row($id)->{failed_at}, undef, 'is not held against the message';
    clear();

    config(@relay, attempts_max => 2);
    $sink->forget->behave('451 Busy');
    $id = put();
    is one_pass(), '0 1 0 0 exit 1', 'the first of two attempts';
    due();
    is one_pass(), '0 0 1 0 exit 1', 'the second is the last';
    $sink->behave;
    due();
    is one_pass(), '0 0 0 0 exit 0', 'it is given up';
    like slurp("$dir/mail.log"), qr/"event":"mail_failed".*"message_id":"$id"/, 'and the log says so';
    put(kind => 'reset_password', link_id => uuid7(), expires_at => '2026-01-01');
    is one_pass(), '0 0 0 1 exit 0', 'one that comes too late is not sent at all';
    is scalar $sink->messages, 0, 'nothing came';
    clear();
};

subtest 'injection' => sub {
    config(@relay);
    $sink->forget;
    my @bad = ("a\@example.org\r\nBcc: b\@example.org", "a\@example.org>\r\nRCPT TO:<b\@example.org", 'a@example.org, b@example.org', "a\@example.org\n", '<a@example.org>', 'a b');
    put(recipient => $_) for @bad;
    put(kind => 'reset_password');
    is one_pass(), '0 0 ' . (@bad + 1) . ' 0 exit 1', 'an address that is none, or a message that cannot be written, is given up';
    is_deeply [$sink->said], [], 'before anything is said';
    clear();
    for my $case ([from => 'pets'], [from => 'pets@example.org> x'], [from_name => ''], [link_base => 'http://pets.example'], [link_base => 'https://pets.example/'], [link_base => 'https://pets.example/#x'],
        [relay => 'localhost'], [relay => 'http://localhost'], [relay => 'smtp://user@localhost'], [relay => 'smtp://localhost/x'], [relay => 'smtp://localhost:99999999'], [relay_user => ''], [link_key_file => ''], [link_key_file => "$dir/none"]) {
        config(@relay, @$case);
        my ($status, $out, $err) = mail_send();
        is $status, 1, "@$case: refused";
        like $err, qr/\Apetsctl: .*(?:\Q$case->[0]\E|\Q$dir\E\/none)/, "@$case: named" or diag $err;
    }
};

subtest 'two senders at the same time' => sub {
    config(@relay);
    $sink->forget;
    my @ids = map { put(recipient => "person$_\@example.org") } 1 .. 60;
    my @senders = map {
        spawn(name => 'petsctl', cmd => [bin('petsctl'), '-c', "$dir/mail.ini", 'mail', 'send', '--json'], stdout => "$dir/sender$_", stderr => "$dir/sender$_.err")
    } 1 .. 3;
    is $_->wait(60), 0, 'a sender is done' for @senders;
    my %got;
    $got{ $_->{to}[0] }++ for $sink->messages;
    is scalar keys %got, 60, 'everybody gets his message';
    is_deeply [grep { $got{$_} != 1 } sort keys %got], [], 'once';
    my @sent = map { JSON::PP->new->decode(slurp("$dir/sender$_"))->{sent} } 1 .. 3;
    is $sent[0] + $sent[1] + $sent[2], 60, "they say so, too: @sent";
    cmp_ok scalar(grep { $_ > 0 } @sent), '>', 1, 'and more than one had something to do';
    clear();
};

subtest 'who may' => sub {
    spew("$dir/ops.ini", slurp("$dir/mail.ini") =~ s/name = mail/name = ops/r, 0600);
    my ($status, undef, $err) = run([bin('petsctl'), '-c', "$dir/ops.ini", 'mail', 'send']);
    is $status >> 8, 1, 'not with the configuration of something else';
    like $err, qr/pool\.name must be mail/, 'which is said';
    ($status, undef, $err) = run([bin('petsctl'), 'mail', 'send']);
    is $status >> 8, 2, 'nor without any';
    ($status, my $out) = run(['ldd', bin('petsd')]);
    unlike $out, qr/libcurl/, 'the daemon has nothing to do with it';
};

subtest 'nothing is given away' => sub {
    my $log = slurp("$dir/mail.log");
    like $log, qr/"event":"mail_delayed"/, 'there is a log';
    for my $word ('@example.org', 'pl_', 'telling') {
        ok index($log, $word) < 0, "the log does not say $word";
        ok index($said =~ s/^petsctl: .*mail\.\w+: .*$//mgr, $word) < 0, "petsctl does not say $word" or diag $said;
    }
};

done_testing;
