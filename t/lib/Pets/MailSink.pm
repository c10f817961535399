package Pets::MailSink;

=head1 NAME

Pets::MailSink - a mail server that keeps what it is given, and misbehaves as it is told

=head1 WHY

What a sender of mail must not do (talk before TLS, trust any certificate, give up too early or too late, send
twice) shows only against a server that really speaks SMTP and TLS, and that can be made to fail at a given step.

    my $sink = Pets::MailSink->new(dir => "$dir/sink", ca => $ca)->start;     # STARTTLS on a free port
    say $sink->url;                                # smtp://localhost:PORT
    my @messages = $sink->messages;                # { from, to, data, tls, user } each
    my @said     = $sink->said;                    # "plain EHLO x", "tls MAIL FROM:<...>" ... as it came in
    $sink->behave('550 No', 'bob@');               # what it answers to a RCPT with this in it
    $sink->behave('hang');                         # it takes MAIL and then says nothing more

Options of new: dir, ca (a Pets::CA); implicit (TLS from the first byte, smtps), starttls (0: not offered), cert
and key (files, instead of the authority's server certificate), user and password (asked for before MAIL), port.

=cut

use v5.36;
use File::Path qw(make_path);
use IO::Socket::SSL;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use MIME::QuotedPrint qw(decode_qp);
use Pets::Env qw(free_port slurp spawn spew src wait_until);

sub new ($class, %option) {
    my $ca   = delete $option{ca};
    my $self = bless {
        starttls => 1,
        port     => free_port(),
        cert     => $ca ? $ca->cert_file : undef,
        key      => $ca ? $ca->key_file  : undef,
        %option,
    }, $class;
    make_path("$self->{dir}/messages");
    return $self;
}

sub url ($self) { return ($self->{implicit} ? 'smtps' : 'smtp') . "://localhost:$self->{port}" }

sub start ($self) {
    spew("$self->{dir}/options.json", JSON::PP->new->encode({ map { $_ => $self->{$_} } grep { !ref $self->{$_} } keys %$self }));
    $self->{process} = spawn(
        name   => 'mail sink',
        cmd    => [$^X, '-I' . src() . '/t/lib', '-MPets::MailSink', '-e', 'Pets::MailSink::serve(@ARGV)', $self->{dir}],
        stderr => "$self->{dir}/log",
        group  => 1,
    );
    wait_until { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) } 10, 'the mail sink';
    return $self;
}

sub stop ($self) {
    my $process = delete $self->{process} // return;
    kill KILL => -$process->pid;
    $process->wait(5);
    return;
}

# From now on: an answer to every RCPT that has this text in it, '' for all; or hang. Without arguments: good again.
sub behave ($self, $answer = '', $recipient = '') {
    spew("$self->{dir}/behaviour.new", "$answer\n$recipient\n");
    rename "$self->{dir}/behaviour.new", "$self->{dir}/behaviour" or die "behaviour: $!\n";
    return $self;
}

sub messages ($self) {
    return map { JSON::PP->new->decode(slurp($_)) } sort glob "$self->{dir}/messages/*.json";
}

# A message as a person sees it: its headers (by lower-case name), its text, and the token of the link in it.
sub read_message ($data) {
    my ($head, $body) = split /\n\n/, $data =~ s/\r\n/\n/gr, 2;
    my %header = map { my ($name, $value) = split /: ?/, $_, 2; (lc $name => $value) } split /\n/, $head =~ s/\n[ \t]+/ /gr;
    my $text = decode_qp($body);
    my ($token) = $text =~ /#(pl_[\w-]+)$/m;
    return { header => \%header, text => $text, subject => $header{subject}, token => $token };
}

sub said ($self) {
    return split /\n/, -e "$self->{dir}/said" ? slurp("$self->{dir}/said") : '';
}

# Forgets what it has.
sub forget ($self) {
    unlink glob("$self->{dir}/messages/*.json"), "$self->{dir}/said";
    return $self;
}

# --- the server -----------------------------------------------------------------------------------------

sub serve ($dir) {
    my $option = JSON::PP->new->decode(slurp("$dir/options.json"));
    local $SIG{CHLD} = 'IGNORE';
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $option->{port}, Listen => 20, ReuseAddr => 1) or die "listen: $!\n";
    while (1) {
        my $client = $listen->accept or next;
        next if fork;
        close $listen;
        eval { talk($dir, $option, $client); 1 } or print STDERR $@;
        exit 0;
    }
}

sub talk ($dir, $option, $client) {
    my %state = (dir => $dir, option => $option, client => $client, tls => 0);
    begin_tls(\%state) or return if $option->{implicit};
    answer(\%state, '220 sink ESMTP');
    while (defined(my $line = readline $state{client})) {
        $line =~ s/\r\n\z// or die "a line without CR LF\n";
        note_said(\%state, $line);
        my ($verb, $rest) = $line =~ /\A(\w+) ?(.*)\z/ or return;
        return answer(\%state, '221 Bye') if uc $verb eq 'QUIT';
        my $handler = __PACKAGE__->can('on_' . lc $verb);
        $handler ? ($handler->(\%state, $rest) or return) : answer(\%state, '502 What?');
    }
    return;
}

sub answer ($state, @lines) {
    my $client = $state->{client};
    print $client map { "$_\r\n" } @lines;
    return 1;
}

sub note_said ($state, $line) {
    open my $out, '>>', "$state->{dir}/said" or die "said: $!\n";
    syswrite $out, ($state->{tls} ? 'tls' : 'plain') . " $line\n";
    return;
}

sub begin_tls ($state) {
    my $option = $state->{option};
    $state->{client} = IO::Socket::SSL->start_SSL($state->{client}, SSL_server => 1, SSL_cert_file => $option->{cert}, SSL_key_file => $option->{key}) or return 0;
    $state->{tls} = 1;
    return 1;
}

sub on_ehlo ($state, $rest) {
    my $option = $state->{option};
    my @can = (!$state->{tls} && $option->{starttls} ? 'STARTTLS' : (), defined $option->{user} && $state->{tls} ? 'AUTH PLAIN' : ());
    my @lines = ('sink', @can, '8BITMIME');
    return answer($state, map { "250-$lines[$_]" } 0 .. $#lines - 1) && answer($state, "250 $lines[-1]");
}

sub on_starttls ($state, $rest) {
    answer($state, '220 Go ahead');
    return begin_tls($state);
}

sub on_auth ($state, $rest) {
    my ($initial) = $rest =~ /\APLAIN (\S+)\z/;
    if (!defined $initial) {
        answer($state, '334 ');
        $initial = readline($state->{client}) =~ s/\r\n\z//r;
        note_said($state, $initial);
    }
    my (undef, $user, $password) = split /\0/, decode_base64($initial);
    return answer($state, '535 Wrong') if $user ne $state->{option}{user} || $password ne $state->{option}{password};
    $state->{user} = $user;
    return answer($state, '235 Welcome');
}

sub on_mail ($state, $rest) {
    return answer($state, '530 Must use TLS') if !$state->{tls};
    return answer($state, '530 Log in first') if defined $state->{option}{user} && !defined $state->{user};
    ($state->{from}) = $rest =~ /\AFROM:<([^>]*)>/i;
    $state->{to} = [];
    return answer($state, '250 OK');
}

sub on_rcpt ($state, $rest) {
    my ($answer, $recipient) = split /\n/, -e "$state->{dir}/behaviour" ? slurp("$state->{dir}/behaviour") : '';
    sleep 600 if ($answer // '') eq 'hang';
    if (length($answer // '') && index($rest, $recipient // '') >= 0) {
        return answer($state, "$answer $rest");
    }
    push $state->{to}->@*, $rest =~ /\ATO:<([^>]*)>/i;
    return answer($state, '250 OK');
}

sub on_data ($state, $rest) {
    answer($state, '354 Go on');
    my $data = '';
    while (1) {
        my $line = readline($state->{client}) // return 0;
        last if $line eq ".\r\n";
        $data .= $line =~ s/\A\.//r;
    }
    my %message = (from => $state->{from}, to => $state->{to}, data => $data, tls => $state->{tls}, user => $state->{user});
    state $count = 0;
    my $file = sprintf '%s/messages/%d-%03d', $state->{dir}, $$, ++$count;
    spew("$file.new", JSON::PP->new->canonical->encode(\%message));
    rename "$file.new", "$file.json" or die "$file: $!\n";
    return answer($state, '250 OK');
}

sub on_rset ($state, $rest) { return answer($state, '250 OK') }
sub on_noop ($state, $rest) { return answer($state, '250 OK') }
sub on_vrfy ($state, $rest) { return answer($state, '252 Perhaps') }
sub on_helo ($state, $rest) { return answer($state, '250 sink') }

1;
