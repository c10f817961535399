# harness: alone
# The runner must not be fooled: a test that dies, has no plan, leaves a process or a file behind, or whose
# programs were reported by a sanitizer fails; a clean one passes; and the counts are true.
use v5.36;
use Test::More;
use File::Path qw(make_path);
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
