# petsctl without a database: the files it makes, what it refuses, and what its exit status says (0 done, 1 failed,
# 2 the command line is wrong, 3 what was named is not there). With a database it is tried where accounts are.
use v5.36;
use Pets::Env qw(bin built run slurp spew test_dir);
use Test::More;

my $dir     = test_dir();
my $petsctl = bin('petsctl');

sub petsctl ($arguments, %option) {
    my ($status, @said) = run([$petsctl, @$arguments], timeout => 120, %option);
    return ($status & 127 ? "signal $status" : $status >> 8, @said);
}

sub mode ($file) {
    return sprintf '%04o', (stat $file)[2] & 07777;
}

subtest 'the command line' => sub {
    my ($status, $out, $err) = petsctl(['--help']);
    is $status, 0, '--help';
    like $out, qr/^  key new \[DIR\]/m, 'names the verbs';
    ($status, $out) = petsctl(['--version']);
    is $status, 0, '--version';
    like $out, qr/\Apetsctl \(pets-api\) \d+\.\d+\.\d+\n\z/, 'is one line';
    my @wrong = (
        [], ['key'], ['key', 'old'], ['key', 'new'], ['key', 'new', 'a', 'b'], ['pepper', 'new'], ['--what'], ['-c'],
        ['user', 'add', 'a@example.org'],
        map { ['-c', '/nonexistent', 'user', 'add', @$_] } [], ['--what', 'a@example.org'], ['--name'], ['not an address'],
        ['a@example.org', 'b@example.org'], ['--name', '', 'a@example.org'], ['--name', 'x' x 81, 'a@example.org'],
        ['--name', "a\nb", 'a@example.org'], ['--name', "\xff", 'a@example.org'],
        ['--reason', '', 'a@example.org'], ['--reason', "a\nb", 'a@example.org'], ['--reason', 'x' x 501, 'a@example.org'],
        ['a@example.org', '--reason'], ['a@example.org', '--json', '--json'], ['--email', 'b@example.org', 'a@example.org'],
    );
    for my $arguments (@wrong) {
        my ($code, $said, $complaint) = petsctl($arguments);
        my $name = join(' ', @$arguments) =~ s/[^ -~]/?/gr;
        is $code, 2, "'$name' is refused";
        is $said, '', "'$name': nothing on standard output";
        like $complaint, qr/\Apetsctl: .+\nTry: petsctl --help\n\z/, "'$name': one complaint";
    }
};

subtest 'key new' => sub {
    mkdir "$dir/keys" or die $!;
    my ($status, $kid, $err) = petsctl(['key', 'new', "$dir/keys"]);
    is $status, 0, 'done' or diag $err;
    chomp $kid;
    like $kid, qr/\A[\w-]{43}\z/, 'prints the kid';
    is mode("$dir/keys/$kid.pem"), '0600', 'the private key is private';
    is mode("$dir/keys/$kid.pub.pem"), '0644', 'the public key is public';
    like slurp("$dir/keys/$kid.pem"), qr/\A-----BEGIN PRIVATE KEY-----\n/, 'PKCS #8';
    like slurp("$dir/keys/$kid.pub.pem"), qr/\A-----BEGIN PUBLIC KEY-----\n/, 'SubjectPublicKeyInfo';
    my (undef, $second) = petsctl(['key', 'new', "$dir/keys"]);
    isnt $second, "$kid\n", 'another key each time';
    opendir my $handle, "$dir/keys" or die $!;
    is scalar(grep { !/\A\.\.?\z/ } readdir $handle), 4, 'no file is left beside';
    ($status, my $out, $err) = petsctl(['key', 'new', "$dir/none"]);
    is $status, 1, 'a directory that is not there';
    is $out, '', 'no kid then';
    like $err, qr/No such file/, 'and why';
};

for my $object (qw(pepper secret)) {
    subtest "$object new" => sub {
        my ($status, $out, $err) = petsctl([$object, 'new', "$dir/$object"]);
        is $status, 0, 'done' or diag $err;
        is $out, '', 'prints nothing';
        my $secret = slurp("$dir/$object");
        like $secret, qr/\A[\w-]{43}\n\z/, '32 bytes in base64url, one line';
        is mode("$dir/$object"), '0600', 'private';
        ($status, undef, $err) = petsctl([$object, 'new', "$dir/$object"]);
        is $status, 1, 'is not made again';
        like $err, qr/File exists/, 'and why';
        is slurp("$dir/$object"), $secret, 'the old one stays';
    };
}

subtest 'user add, before the database' => sub {
    my $good = "[pool]\nname = ops\n[database]\nhost = $dir/none\nname = pets\nuser = pets_ops\n"
        . "[password]\nbcrypt_cost = 10\npepper_file = $dir/pepper\ncommon_list_file = " . built('common-passwords') . "\n";
    spew("$dir/ops.ini", $good, 0600);
    my $add = sub ($stdin, %option) {
        return petsctl(['-c', "$dir/ops.ini", 'user', 'add', 'a@example.org'], stdin => $stdin, %option);
    };
    my %refused = (
        'too short'                  => ["14 characters.\n", qr/\(too_short\)/],
        'short in characters'        => ["\xc3\xa4" x 14 . "\n", qr/\(too_short\)/],
        'nothing'                    => ['', qr/\(too_short\)/],
        'too long'                   => ['x' x 1025, qr/\(too_long\)/],
        'far too long'               => ['x' x 100_000 . "\n", qr/\(too_long\)/],
        'not UTF-8'                  => ["a telling\xff password\n", qr/not UTF-8/],
        'a second line is not asked' => ["short\nlong enough but second\n", qr/\(too_short\)/],
        'a common one'               => ["PasswordPassword\n", qr/\(common_password\)/],
        'the address in it'          => ["telling A\@Example.org\n", qr/\(contains_identity\)/],
        'good, but no database'      => ["a telling password\n", qr/\bdatabase: .*No such file/],
        'good, without newline'      => ['a telling password', qr/\bdatabase: .*No such file/],
        'good, of 1024 bytes'        => [join('', map { chr 33 + $_ * $_ / 7 % 90 } 1 .. 1024) . "\n", qr/\bdatabase: .*No such file/],
    );
    for my $name (sort keys %refused) {
        my ($stdin, $why) = $refused{$name}->@*;
        my ($status, $out, $err) = $add->($stdin);
        is $status, 1, "$name: failed";
        is $out, '', "$name: no id";
        like $err, $why, "$name: and why";
        unlike $err, qr/telling/, "$name: the password is not repeated";
    }
    my ($status, undef, $err) = $add->("a telling password\n", env => { PGPASSWORD => 'another telling word' });
    is $status, 1, 'a secret in the environment';
    like $err, qr/PGPASSWORD/, 'is named';
    unlike $err, qr/telling/, 'and not repeated';
    ($status, undef, $err) = $add->("a telling password\n", env => { PGHOST => '/tmp', PGOPTIONS => '-c nonsense' });
    like $err, qr{\Q$dir\E/none}, 'the environment does not say where the database is';
    chmod 0644, "$dir/pepper";
    ($status, undef, $err) = $add->("a telling password\n");
    is $status, 1, 'a pepper that others may read';
    like $err, qr/0600/, 'is refused';
};

done_testing;
