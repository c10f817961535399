package Pets::Secrets;

=head1 NAME

Pets::Secrets - what a test has used that no log may hold, and the search for it

=head1 WHY

"No secret in any log" is worth something only if it holds for every test, also for those that are about something
else. So the library notes each secret that it sends or receives, in F<secrets.used> of the test's directory, and the
guard of F<t/lib/runner.pl> searches all logs of the test for them before the directory goes. What has a form of its
own (tokens, keys, hashes, e-mail addresses) is found whether it was noted or not.

    use Pets::Secrets qw(note_secret note_secrets_in);
    note_secret(password => $password);       # kind, and any number of values
    note_secrets_in($data);                   # what a body, as data, holds by the names of its members

    my @finds = Pets::Secrets::search($dir, $name);     # "FILE:LINE: a secret (password): ... <password> ..."

Logs are the files F<*.log>, F<*.err> and F<*.stderr> below the directory, and the output of the test itself but for
its TAP: what a test says of itself is no log. C<commands.err>, from C<Pets::Env::run>, has what programs such as
petsctl said on standard error. What a file of secrets holds (below a directory F<secrets>, and every private key) is
searched for as well. Values of fewer than eight bytes, such as six digits, say nothing where they are found, and are
not searched for.

=cut

use v5.36;
use Exporter qw(import);
use Fcntl ();
use File::Find ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

our @EXPORT_OK = qw(note_secret note_secrets_in note_command);

use constant LEAST => 8;

# What may be in a log all the same: [name of the test, file, kind, text, why]; the first four are patterns.
my @exceptions = (
    [qr/\Aharness-quickstart\z/, qr{/out\d+\.log\z}, qr/./, qr/./, 'what quickstart shows on the terminal of whoever tries it: the people and tokens of its tour'],
    [qr/\Asql-/, qr{/postgres\.log\z}, qr/\Ae-mail address\z/, qr/ STATEMENT:  /, 'SQL that a test has written out, and that was refused; those of the program have parameters in that place'],
);

# --- noting ---------------------------------------------------------------------------------------------

# Members of bodies, and what they are.
my %kind_of = (
    (map { $_ => 'password' } qw(password current_password new_password)),
    (map { $_ => 'token' } qw(token access_token refresh_token mfa_token key)),
    (map { $_ => 'recovery code' } qw(recovery_code recovery_codes)),
    (map { $_ => 'secret of one-time codes' } qw(secret uri)),
    email => 'e-mail address',
);

# Only what the runner has started is searched.
sub used_file () { return defined $ENV{PETS_TEST_DIR} ? "$ENV{PETS_TEST_DIR}/secrets.used" : undef }

sub note_secret ($kind, @values) {
    state %noted;
    my $file = used_file() // return;
    my $new  = '';
    for my $value (@values) {
        next if !defined $value || ref $value;
        utf8::encode($value) if utf8::is_utf8($value);
        next if length $value < LEAST || $noted{$kind}{$value}++;
        $new .= "$kind\t" . unpack('H*', $value) . "\n";
    }
    return if !length $new;
    # One write: children of the test append, too.
    sysopen my $out, $file, Fcntl::O_WRONLY | Fcntl::O_CREAT | Fcntl::O_APPEND, 0600 or die "$file: $!\n";
    syswrite $out, $new;
    close $out;
    return;
}

# From a body: data, or the JSON of some.
sub note_secrets_in ($data) {
    if (!ref $data) {
        return if !defined $data || $data !~ /\A\s*[\{\[]/;
        my $parsed = eval { JSON::PP->new->utf8->decode($data) } // eval { JSON::PP->new->decode($data) } // return;
        $data = $parsed;
    }
    if (ref $data eq 'HASH') {
        for my $name (keys %$data) {
            my $value = $data->{$name};
            if (my $kind = $kind_of{$name}) { note_secret($kind, ref $value eq 'ARRAY' ? @$value : $value) }
            note_secrets_in($value) if ref $value;
        }
    }
    elsif (ref $data eq 'ARRAY') {
        note_secrets_in($_) for grep { ref } @$data;
    }
    return;
}

# From a command: the password that "user add" reads, addresses, and tokens that were asked for.
sub note_command ($words, $stdin, $out) {
    my ($first) = split /\n/, $stdin // '';
    note_secret(password => $first) if grep { $words->[$_] eq 'user' && $words->[$_ + 1] eq 'add' } 0 .. $#$words - 1;
    note_secret('e-mail address' => grep { /\A[^\s@]+@[^\s@]+\z/ } @$words);
    note_secret(token => $out =~ /\b(p[a-z]_[\w-]{40,})/g);
    return;
}

# --- searching ------------------------------------------------------------------------------------------

# What is recognised wherever it comes from.
my @patterns = (
    ['token'          => qr/\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/],
    ['token'          => qr/\bp[klmr]_[\w-]{40,}/],
    ['e-mail address' => qr/[\w.+-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b/],
    ['private key'    => qr/-----BEGIN [A-Z ]*PRIVATE KEY-----/],
    ['hash of a password' => qr/\$2[aby]\$\d\d\$[.\/A-Za-z0-9]{53}|SCRAM-SHA-256\$\d+:/],
    ['secret of one-time codes' => qr/\botpauth:/],
);

# All logs of a test: what is found, a line each. $output is the file of what the test itself has printed.
sub search ($dir, $name, $output = undef) {
    my ($logs, $held) = files($dir);
    my %secrets = ((map { held($_) } @$held), used($dir));
    my $known   = pattern(\%secrets);
    my @finds;
    for my $log (@$logs, defined $output && -e $output ? $output : ()) {
        push @finds, search_file($log, $name, \%secrets, $known, defined $output && $log eq $output);
    }
    return @finds;
}

# Its logs, and the files that hold secrets.
sub files ($dir) {
    my (@logs, @held);
    return (\@logs, \@held) if !-d $dir;
    File::Find::find(
        {
            no_chdir => 1,
            wanted   => sub {
                return if !-f || -l;
                push @logs, $_ if /\.(?:log|err|stderr)\z/;
                push @held, $_ if m{/secrets/} || /\.pem\z/;
            },
        },
        $dir
    );
    return ([sort @logs], \@held);
}

# The secrets that were noted: value => kind.
sub used ($dir) {
    open my $in, '<', "$dir/secrets.used" or return;
    return map { chomp; my ($kind, $hex) = split /\t/; (pack('H*', $hex) => $kind) } <$in>;
}

# Those of a file. Of a key each long line is one, and of anything else what it holds, if that is text.
sub held ($file) {
    return if -s $file > 65_536;
    open my $in, '<:raw', $file or return;
    my $text = do { local $/ = undef; scalar(<$in>) // '' };
    if ($text =~ /-----BEGIN/) {
        return if $text !~ /PRIVATE KEY/;
        return map { ($_ => 'private key') } grep { length >= 40 } split /\n/, $text =~ s/-----BEGIN (?![A-Z ]*PRIVATE)[A-Z ]+-----.*?-----END [A-Z ]+-----//sgr;
    }
    return if $text =~ /[^\x20-\x7e\n]/ || $text =~ /^[ \t]*\[/m;
    return map { ($_ => 'secret of a file') } grep { length >= LEAST } split /\n/, $text;
}

# One pattern for all of them, also as they look in an address, in JSON, and in base64.
sub pattern ($secrets) {
    my %forms;
    for my $value (keys %$secrets) {
        my @forms = ($value, $value =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger, $value =~ s/(["\\])/\\$1/gr);
        push @forms, encode_base64($value, '') =~ s/=+\z//r if length $value >= 2 * LEAST;
        $forms{$_} //= $secrets->{$value} for @forms;
    }
    $secrets->%* = (%forms, %$secrets);
    my $any = join '|', map { quotemeta } sort { length $b <=> length $a } keys %forms;
    return length $any ? qr/($any)/ : undef;
}

sub search_file ($file, $name, $secrets, $known, $is_output) {
    open my $in, '<:raw', $file or return;
    my @finds;
    while (my $line = <$in>) {
        next if $is_output && $line =~ /^\s*(?:(?:not )?ok\b|#|\d+\.\.\d+)/;
        my @found = find_in($line, $secrets, $known);
        next if !@found || allowed($name, $file, $line, @found);
        my $number = $.;
        my ($kind) = map { $_->[0] } @found;
        $line =~ s/\Q$_->[1]\E/<$_->[0]>/g for @found;
        push @finds, "$file:$number: a secret ($kind): " . substr($line =~ s/\s+\z//r, 0, 300);
        return @finds if @finds >= 5;
    }
    return @finds;
}

# What of it is in this line: [kind, text] each.
sub find_in ($line, $secrets, $known) {
    my @found;
    if ($known) {
        push @found, [$secrets->{$1}, $1] while $line =~ /$known/g;
    }
    for my $pattern (@patterns) {
        my ($kind, $form) = @$pattern;
        push @found, [$kind, $1] while $line =~ /($form)/g;
    }
    return @found;
}

sub allowed ($name, $file, $line, @found) {
    for my $exception (@exceptions) {
        my ($test, $where, $kind, $text) = @$exception;
        return 1 if $name =~ $test && $file =~ $where && !grep { $_->[0] !~ $kind } @found and $line =~ $text;
    }
    return 0;
}

1;
