# harness: alone
# The runner must not be fooled: a test that dies, has no plan, leaves a process or a file behind, whose programs
# were reported by a sanitizer, or with a secret in one of its logs fails; a clean one passes; and the counts are true.
use v5.36;
use Test::More;
use File::Path qw(make_path remove_tree);
use Pets::Env qw(src run slurp spawn spew test_dir);
use POSIX ();

my $tree = test_dir() . '/tree';
make_path(map { "$tree/$_" } qw(t/integration var build tmp));

my %tests = (
    good    => q{print "1..2\nok 1 - a\nok 2 - b\n"},
    skips   => q{print "1..2\nok 1 - a\nok 2 # SKIP no need\n"},
    bad     => q{print "1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c\n"; print STDERR "# why\n"; exit 1},
    dies    => q{print "1..5\nok 1 - a\nok 2 - b\n"; die "gone"},
    noplan  => q{print "ok 1 - a\n"},
    silent  => q{},
    exits   => q{print "1..1\nok 1 - a\n"; exit 3},
    killed  => q{$| = 1; print "1..1\nok 1 - a\n"; kill KILL => $$},
    process => q{print "1..1\nok 1 - a\n"; if (!fork) { open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null'; setpgrp; exec 'sleep', '123' }},
    file    => q{print "1..1\nok 1 - a\n"; open my $f, '>', "$ENV{TMPDIR}/left"},
    report  => q{print "1..1\nok 1 - a\n"; open my $f, '>', "$ENV{PETS_TEST_DIR}/petsd.log"; print $f "==1==ERROR: AddressSanitizer: x\n"},
    slow    => q{$| = 1; print "1..1\n"; sleep 100},
);
spew("$tree/t/integration/$_.t", "use v5.36;\n$tests{$_};\n") for keys %tests;

sub runner (@arguments) {
    return run(
        [$^X, src() . '/t/lib/runner.pl', '--timeout=5', @arguments],
        env => { PETS_SRC => $tree, PETS_VAR => "$tree/var", PETS_BUILD => "$tree/build", PETS_BUILD_FUZZ => "$tree/build", PETS_TMP => "$tree/tmp" },
    );
}

my %expect = (
    good    => ['2 passed, 0 failed',            undef],
    skips   => ['1 passed, 0 failed, 1 skipped', undef],
    bad     => ['2 passed, 1 failed',            qr/(?=.*not ok 2 - b\n).*# why/s],
    dies    => ['2 passed, 3 failed',            qr/3 planned points are missing.*gone at/s],
    noplan  => ['1 passed, 1 failed',            qr/No plan/],
    silent  => ['0 passed, 1 failed',            qr/No plan/],
    exits   => ['1 passed, 1 failed',            qr/exit status 3/],
    killed  => ['1 passed, 1 failed',            qr/ended by signal 9/],
    process => ['1 passed, 1 failed',            qr/left running: \d+ sleep 123/],
    file    => ['1 passed, 1 failed',            qr{left in the temporary directory: /left}],
    report  => ['1 passed, 1 failed',            qr/petsd\.log: ==1==ERROR: AddressSanitizer/],
    slow    => ['0 passed, 1 failed',            qr/timed out after 5 s/],
);
for my $name (sort keys %expect) {
    my ($line, $says) = @{ $expect{$name} };
    my ($status, $out, $err) = runner($name);
    like $out, qr/^\Q$line\E$/m, "$name: $line" or diag $out, $err;
    is $status >> 8, ($line =~ / 0 failed/ ? 0 : 1), "$name: exit status";
    like $out, $says, "$name: says why" if $says;
}

my ($status, $out) = runner('--jobs=6');
my ($passed, $failed) = $out =~ /^(\d+) passed, (\d+) failed, 1 skipped$/m;
is "$passed $failed", '13 12', 'all together: the sums' or diag $out;
is $status >> 8, 1, 'all together: fails';
like $out, qr/^  failed: bad dies exits file killed noplan process report silent slow$/m, 'names those that failed';
ok !-e "$tree/var/test/good", 'the directory of a test that passed is gone';
ok -d "$tree/var/test/report", 'that of one that failed is kept';
unlink "$tree/var/test/report/petsd.log";    # or the real runner finds it here

# --- secrets in logs ---

# Each notes or keeps a secret, and writes a line to a log: [the code, what is found; undef: nothing].
my $lib   = src() . '/t/lib';
my $jwt   = join '.', 'eyJhbGciOiJFUzI1NiJ9', 'eyJzdWIiOiJhbm4ifQ', 'c2lnbmF0dXJl';
my $code  = 'abcde-fghjk-mnpqr-stuvw';
my %plant = (
    password  => [q{note_secret(password => 'opensesame!'); put('api.log', 'she said opensesame!')},                   qr{/api\.log:1: a secret \(password\): she said <password>}],
    escaped   => [q{note_secret(password => 'open "sesame"'); put('a/b/access.log', 'x=open%20%22sesame%22')},          qr{/a/b/access\.log:1: a secret \(password\)}],
    quoted    => [q{note_secret(password => 'open "sesame"'); put('api.log', '{"a":"open \"sesame\""}')},               qr{/api\.log:1: a secret \(password\)}],
    encoded   => [q{note_secret(password => 'open the sesame!'); put('api.log', 'Basic b3BlbiB0aGUgc2VzYW1lIQ')},       qr{/api\.log:1: a secret \(password\)}],
    body      => [q{note_secrets_in('{"a":{"refresh_token":"not by its form"}}'); put('api.log', 'not by its form')},    qr{/api\.log:1: a secret \(token\)}],
    list      => [qq{note_secrets_in({ recovery_codes => ['x' x 9, '$code'] }); put('x.stderr', '$code')},              qr{/x\.stderr:1: a secret \(recovery code\)}],
    command   => [q{note_command(['petsctl', 'user', 'add', 'x'], "opensesame!\n", ''); put('x.err', 'opensesame!')},  qr{/x\.err:1: a secret \(password\)}],
    jwt       => [qq{put('error.log', 'Bearer $jwt')},                                                                  qr{/error\.log:1: a secret \(token\): Bearer <token>(?m:$)}],
    key       => [q{put('error.log', "a\nb\npk_" . 'A' x 86)},                                                          qr{/error\.log:3: a secret \(token\): <token>(?m:$)}],
    refresh   => [q{put('error.log', 'pr_' . 'A' x 60)},                                                                qr{/error\.log:1: a secret \(token\): <token>(?m:$)}],
    address   => [q{put('postgres.log', 'Key (email)=(Ann.Lee+x@example.org) exists')},                                 qr{/postgres\.log:1: a secret \(e-mail address\): Key \(email\)=\(<e-mail address>\) exists}],
    uri       => [q{put('access.log', 'GET /?q=ann%40example.org HTTP/1.1')},                                           qr{/access\.log:1: a secret \(e-mail address\)}],
    hash      => [q{put('postgres.log', '$2b$12$' . 'x' x 53)},                                                         qr{/postgres\.log:1: a secret \(hash of a password\)}],
    pem       => [q{put('api.log', '-----BEGIN PRIVATE KEY-----')},                                                     qr{/api\.log:1: a secret \(private key\)}],
    pepper    => [q{put('secrets/pepper', 'cGVwcGVyIQ'); put('auth.log', 'it is cGVwcGVyIQ.')},                         qr{/auth\.log:1: a secret \(secret of a file\): it is <secret of a file>\.}],
    keyfile   => [q{put('k.pem', "-----BEGIN PRIVATE KEY-----\n" . 'M' x 64 . "\n-----END PRIVATE KEY-----"); put('auth.log', 'M' x 64)}, qr{/auth\.log:1: a secret \(private key\)}],
    output    => [qq{print STDERR "$jwt\\n"},                                                                           qr{/output\.log:\d+: a secret \(token\): <token>(?m:$)}],
    several   => [q{put('api.log', 'a@example.org'); put('auth.log', 'b@example.org')},                                 qr{/api\.log:1: .*\n.*/auth\.log:1: }],
    public    => [q{put('k.pem', "-----BEGIN PUBLIC KEY-----\n" . 'M' x 64 . "\n-----END PUBLIC KEY-----"); put('auth.log', 'M' x 64)}],
    elsewhere => [qq{note_secret(password => 'opensesame!'); put('body.json', 'opensesame! $jwt a\@example.org')}],
    spoken    => [qq{note_secret(password => 'opensesame!'); print "# opensesame! $jwt\\nok 2 - of a\\\@example.org\\n"}],
    brief     => [q{note_secret(code => '123456'); put('api.log', 'pid 123456')}],
);
my $helpers = qq{use lib '$lib';\nuse Pets::Secrets qw(note_secret note_secrets_in note_command);\nuse File::Path qw(make_path);\nuse File::Basename qw(dirname);\n}
    . q{sub put ($file, $text) { my $path = "$ENV{PETS_TEST_DIR}/$file"; make_path(dirname $path); open my $out, '>', $path or die "$path: $!"; print $out "$text\n" }};
for my $name (sort keys %plant) {
    my ($deed, $found) = $plant{$name}->@*;
    my $points = $name eq 'spoken' ? 2 : 1;
    spew("$tree/t/integration/$name.t", "use v5.36;\n$helpers\n\$| = 1; print qq{1..$points\\nok 1 - a\\n};\n$deed;\n");
    my ($status, $out, $err) = runner('--tries=2', $name);
    is $status >> 8, $found ? 1 : 0, "a secret: $name" or diag $out, $err;
    like $out, $found ? qr/^       \| .*$found/m : qr/^$points passed, 0 failed$/m, $found ? '... is found' : '... is none';
    unlike $out, qr/opensesame|\Q$jwt\E|\@example\.org|cGVwcGVyIQ/, '... and is not told' if $found && $name ne 'output';
    like $out, qr/^1 passed, 1 failed$/m, '... once, as it is not forgiven' if $found;
    unlink "$tree/t/integration/$name.t";
}
remove_tree("$tree/var/test");    # or the real runner finds them here

# --- what lies in /tmp ---

# A test that leaves something there while it runs.
sub leaves ($name) {
    spew("$tree/t/integration/leaver.t", qq{use v5.36;\nprint "1..1\\nok 1 - a\\n"; mkdir "$tree/tmp/$name" or die;\n});
    my ($status, $out) = runner('leaver');
    my $is_there = rmdir "$tree/tmp/$name";
    return ($status >> 8, $out, $is_there);
}

my $gone = fork // die "fork: $!";
POSIX::_exit(0) if !$gone;
waitpid $gone, 0;
for my $case (['pets-left', 1], ["pets-$gone-abcdef", 1], ["pets-$$-abcde", 1], ["pets-$$-abcdef", 0]) {
    my ($name, $ours) = @$case;
    my ($status, $out, $is_there) = leaves($name);
    ok $is_there, "$name is there";
    is $status, $ours, $name . ($ours ? ': what nobody has any more is found' : ': what belongs to the run of another checkout is not ours');
    is $out =~ /^  left behind in \Q$tree\E\/tmp: \Q$name\E$/m ? 1 : 0, $ours, '... and named' if $ours;
    like $out, $ours ? qr/^1 passed, 1 failed$/m : qr/^1 passed, 0 failed$/m, '... and counted';
}

# Two runs at once, of one user: neither finds what the other needs.
spew("$tree/t/integration/leaver.t", qq{use v5.36;\nprint "1..1\\nok 1 - a\\n"; open my \$f, '>', "$tree/\$\$.up"; sleep 0.01 until 2 == (() = glob "$tree/*.up");\nsleep 0.3;\n} =~ s/;\n/;\nuse Time::HiRes qw(sleep);\n/r);
my @both = map {
    spawn(
        name   => "run $_",
        cmd    => [$^X, src() . '/t/lib/runner.pl', 'leaver'],
        stdout => "$tree/out$_",
        stderr => "$tree/out$_",
        env    => { PETS_SRC => $tree, PETS_VAR => "$tree/var$_", PETS_BUILD => "$tree/build", PETS_BUILD_FUZZ => "$tree/build", PETS_TMP => "$tree/tmp" },
    )
} 1, 2;
is $_->wait(60), 0, $_->name . ' beside another one' for @both;
like slurp("$tree/out$_"), qr/^1 passed, 0 failed$/m, "run $_: passes" for 1, 2;
unlink "$tree/t/integration/leaver.t";

# --- a second try ---

my $mark = test_dir() . '/tried';
spew("$tree/t/integration/unsteady.t", qq{use v5.36;\nprint "1..1\\n"; exit !print "ok 1\\n" if -e '$mark';\nopen my \$f, '>', '$mark'; print "not ok 1\\n"; exit 1;\n});
($status, $out) = runner('--tries=2', 'unsteady');
is $status >> 8, 0, 'who passes at the second try passes';
like $out, qr/^  FAIL unsteady .*^  ok   unsteady .*^  unsteady, passed at the second try: unsteady\n\n1 passed, 0 failed$/ms, 'and is named';
unlink $mark;
($status, $out) = runner('unsteady');
is $status >> 8, 1, 'a test that is named has one try';
unlink $mark;
($status, $out) = runner('--tries=2', 'unsteady', 'report');
is $status >> 8, 1, 'beside a find of the guard nothing is tried again';
like $out, qr/^1 passed, 2 failed$/m, 'and both have failed';
unlink $mark, "$tree/var/test/report/petsd.log";
($status, $out) = runner('--tries=2', qw(unsteady bad dies exits));
like $out, qr/^  failed: bad dies exits unsteady$/m, 'nor when many have failed';
unlink $mark;
($status, $out) = runner('--tries=2', 'bad');
is $status >> 8, 1, 'who fails twice has failed';
like $out, qr/^2 passed, 1 failed$/m, 'and is counted once';
unlink "$tree/t/integration/unsteady.t";

($status, $out, my $err) = runner('nonesuch');
is $status >> 8, 2, 'an unknown name is an error';
like $err, qr/no test is called 'nonesuch'/, 'and is named';
($status, $out) = runner('--list', 's*');
is $out =~ s/ +/ /gr, "integration silent\nintegration skips\nintegration slow\n", '--list, and names with a star';

done_testing;
