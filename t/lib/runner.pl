#!/usr/bin/perl
# Runs tests in parallel and counts their points; started by ./t/run, which has built everything.
#
# Every test is run by a guard: a process of its own that adopts whatever the test leaves running (it is
# the "subreaper" of its descendants), gives it a directory and a temporary directory, bounds its time, and
# afterwards looks for what no test may leave behind: processes, files in the temporary directory, reports of
# the sanitizers in any log, and secrets in any log. Such a find fails the test, whatever its points say.
use v5.36;
use Cwd ();
use Fcntl qw(:flock);
use File::Basename qw(basename dirname);
use File::Find ();
use File::Path qw(make_path remove_tree);
use File::Temp ();
use FindBin ();
use Getopt::Long qw(GetOptions);
use IO::Select;
use JSON::PP ();
use POSIX qw(WNOHANG);
use TAP::Parser;
use Time::HiRes qw(sleep time);
use lib $FindBin::RealBin;
use Pets::Secrets ();

use constant { PR_SET_PDEATHSIG => 1, PR_SET_CHILD_SUBREAPER => 36 };

my $src   = $ENV{PETS_SRC}   // Cwd::realpath(dirname(__FILE__) . '/../..');
my $var   = $ENV{PETS_VAR}   // "$src/var";
my $build = $ENV{PETS_BUILD} // "$var/build-test";
my $tmp   = $ENV{PETS_TMP}   // '/tmp';
my %option = (jobs => $ENV{PETS_JOBS}, fuzz_seconds => $ENV{PETS_FUZZ_SECONDS} // 5, timeout => $ENV{PETS_TEST_TIMEOUT} // 600);
GetOptions(\%option, 'jobs=i', 'verbose|v', 'list', 'fuzz_seconds|fuzz-seconds=i', 'timeout=i', 'tries=i') or exit 2;
$option{jobs} //= 1 + (qx(nproc) || 1);
$option{tries} //= @ARGV ? 1 : 2;

my $colour = -t STDOUT && ($ENV{TERM} // 'dumb') ne 'dumb' && !length($ENV{NO_COLOR} // '');
my ($red, $green, $dim, $plain) = $colour ? ("\e[31m", "\e[32m", "\e[2m", "\e[0m") : ('') x 4;
$| = 1;

exit main(@ARGV);

sub main (@names) {
    my @tests = select_tests([find_tests()], @names);
    if ($option{list}) {
        printf "%-12s %s\n", $_->{kind}, $_->{name} for @tests;
        return 0;
    }
    chdir $src or die "$src: $!\n";
    my %before = map { $_ => 1 } ours_in_tmp();
    my @results = run_all(@tests);
    return report(\@results, grep { !$before{$_} } ours_in_tmp());
}

# What lies in /tmp and looks as if it were made by a test: all that is nobody's (who does nothing else), or
# what has our name. Tests have a temporary directory of their own, where their guard looks; this is for
# programs that do not care for TMPDIR. The directories of other checkouts, which may run tests or the
# quickstart at the same time, are named after a process that is alive, and are theirs.
sub ours_in_tmp() {
    my $all = (getpwuid $>)[0] eq 'nobody';
    opendir my $dir, $tmp or return;
    return grep { !/\A\.\.?\z/ && ($all || /\Apets/) && !is_of_others($_) && ((lstat "$tmp/$_")[4] // -1) == $> } readdir $dir;
}

sub is_of_others ($name) {
    return $name =~ /\Apets-(\d+)-\w{6}\z/ && $1 != $$ && -d "/proc/$1";
}

# --- which tests there are ------------------------------------------------------------------------------

sub find_tests() {
    my @tests;
    for my $program (sort split ' ', makefile_words('TESTS')) {
        my $name = basename($program);
        push @tests, { kind => 'unit', name => $name, path => "$build/$program", command => [$^X, "$src/t/lib/tap-unit.pl", "$build/$program"] };
    }
    for my $file (sort glob "$src/t/integration/*.t") {
        push @tests, { kind => 'integration', name => basename($file, '.t'), path => $file, command => [$^X, '-w', $file], alone => alone($file) };
    }
    my $fuzz = $ENV{PETS_BUILD_FUZZ} // "$var/build-fuzz";
    for my $program (sort grep { -x && -f && !/\.\w+\z/ } glob "$fuzz/t/fuzz/*") {
        push @tests,
            {
            kind    => 'fuzz',
            name    => basename($program),
            path    => $program,
            command => [$^X, "$src/t/lib/tap-fuzz.pl", $program, $option{fuzz_seconds}],
            };
    }
    return @tests;
}

# What a variable of the built Makefile holds.
sub makefile_words ($variable) {
    -e "$build/Makefile" or return '';
    open my $make, '-|', 'sh', '-c', 'cd "$1" && printf "include Makefile\npets-print: ; @echo \$($2)\n" "" | make -s -f - pets-print 2>/dev/null', '-',
        $build, $variable
        or return '';
    my $words = <$make> // '';
    $words =~ s/\$\(EXEEXT\)//g;
    return $words;
}

# A test whose first lines say "harness: alone" shares the machine with no other test.
sub alone ($file) {
    open my $in, '<', $file or return 0;
    for (1 .. 15) {
        return 1 if (<$in> // last) =~ /^#\s*harness:\s*alone\b/;
    }
    return 0;
}

# A name is that of a test or of its file, a kind (unit, integration, fuzz), or a beginning with a star.
sub select_tests ($tests, @names) {
    return @$tests if !@names;
    my @selected;
    for my $name (@names) {
        my @found = grep { matches($_, $name) } @$tests;
        if (!@found) {
            print STDERR "no test is called '$name'; ./t/run --list shows all\n";
            exit 2;
        }
        push @selected, @found;
    }
    my %seen;
    return grep { !$seen{ $_->{name} }++ } @selected;
}

sub matches ($test, $name) {
    return 1 if grep { $name eq $_ } $test->{name}, $test->{kind};
    return 1 if basename($name) =~ /\A\Q$test->{name}\E(?:\.\w+)?\z/;
    return $name =~ /\A(.*)\*\z/ && index($test->{name}, $1) == 0;
}

# --- running them ---------------------------------------------------------------------------------------

my %running;    # pid of a guard => its test

sub run_all (@tests) {
    my $times = read_times();
    my @queue = sort { ($times->{ $b->{name} } // 5) <=> ($times->{ $a->{name} } // 5) } grep { !$_->{alone} } @tests;
    my @alone = grep { $_->{alone} } @tests;
    my @results;
    local @SIG{qw(INT TERM HUP)} = (\&interrupted) x 3;
    make_path("$var/test");
    my $width = (sort { $b <=> $a } map { length $_->{name} } @tests)[0] // 0;

    while (@queue || @alone || %running) {
        while (@queue && keys %running < $option{jobs}) {
            start(shift @queue);
        }
        if (!@queue && !%running && @alone) {
            start(shift @alone);
        }
        my $test = finished() // next;
        show($test, $width);
        $times->{ $test->{name} } = $test->{seconds};
        push @results, $test;
    }
    write_times($times);
    try_again($width, @results);
    return @results;
}

# The next test that has ended, judged.
sub finished() {
    my $pid = waitpid -1, 0;
    my $test = delete $running{$pid} // return undef;
    $test->{seconds} = time - $test->{started};
    $test->{status}  = $?;
    judge($test);
    return $test;
}

# In a run of everything a test or two may fail because the machine was busy elsewhere. Such a test gets a second
# try, with the machine for itself, and is named as unsteady in the end even when it passes. What the guard has
# found (a crash, a leak, something left behind) is never forgiven, and when many fail nothing is tried again.
sub try_again ($width, @results) {
    my @failed = grep { $_->{failed} } @results;
    return if $option{tries} < 2 || @failed > 3 || grep { $_->{found} } @failed;
    for my $test (@failed) {
        rename "$test->{dir}.log", "$test->{dir}.first.log";
        start($test);
        1 until finished();
        $test->{unsteady} = !$test->{failed};
        show($test, $width);
    }
    return;
}

sub start ($test) {
    $test->{dir}     = "$var/test/$test->{name}";
    $test->{started} = time;
    remove_tree($test->{dir});
    unlink map { "$test->{dir}.$_" } qw(tap log problems);
    my $parent = $$;
    my $pid    = fork // die "fork: $!\n";
    if (!$pid) {
        my $status = eval { guard($test, $parent) } // do { problem($test, "the guard: $@"); 1 };
        POSIX::_exit($status);
    }
    $running{$pid} = $test;
    return;
}

# Everything that still runs is asked to end, and the guards see to it.
sub interrupted ($signal) {
    local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
    kill TERM => keys %running;
    while (%running) {
        my $pid = waitpid -1, 0;
        last if $pid < 0;
        delete $running{$pid};
    }
    print "\ninterrupted\n";
    exit 130;
}

sub read_times() {
    open my $in, '<', "$var/test/times.json" or return {};
    local $/ = undef;
    return eval { JSON::PP->new->decode(scalar <$in>) } // {};
}

sub write_times ($times) {
    open my $out, '>', "$var/test/times.json" or return;
    print $out JSON::PP->new->canonical->encode({ map { $_ => 0 + sprintf '%.2f', $times->{$_} } keys %$times });
    close $out;
    return;
}

# --- the guard ------------------------------------------------------------------------------------------

sub prctl ($what, $value) {
    my %number = (x86_64 => 157, aarch64 => 167);
    my $machine = (POSIX::uname())[4];
    return exists $number{$machine} ? syscall($number{$machine}, $what, $value, 0, 0, 0) : -1;
}

sub problem ($test, $text) {
    open my $out, '>>', "$test->{dir}.problems" or die "$test->{dir}.problems: $!\n";
    print $out $text =~ s/\n*\z/\n/r;
    close $out;
    return;
}

# In a process of its own: runs the test, writes NAME.tap (its standard output) and NAME.log (both its
# outputs in order), and returns 0 when nothing is to be said about its behaviour.
sub guard ($test, $parent) {
    %running = ();
    my $ask = 0;
    local @SIG{qw(INT TERM HUP)} = (sub { $ask = 1 }) x 3;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG,       15);
    getppid() == $parent or return 1;

    make_path($test->{dir});
    my $place = File::Temp::tempdir("pets-$parent-XXXXXX", DIR => $tmp);
    chmod 0755, $place;
    my %env = (
        PETS_SRC        => $src,
        PETS_VAR        => $var,
        PETS_BUILD      => $build,
        PETS_TEST_DIR   => $test->{dir},
        PERL5LIB        => "$src/t/lib",
        TMPDIR          => $place,
        HOME            => $test->{dir},
        TERM            => 'dumb',
        ASAN_OPTIONS    => 'detect_stack_use_after_return=1:strict_string_checks=1',
        UBSAN_OPTIONS   => 'print_stacktrace=1:halt_on_error=1',
        LSAN_OPTIONS    => "suppressions=$src/t/lib/lsan.supp:print_suppressions=0",
    );
    delete @ENV{ grep { /^(?:LISTEN_|NOTIFY_SOCKET|WATCHDOG_|CREDENTIALS_DIRECTORY|JOURNAL_STREAM)/ } keys %ENV };

    pipe my $out_r, my $out_w or die "pipe: $!\n";
    pipe my $err_r, my $err_w or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        local @SIG{qw(INT TERM HUP)} = ('DEFAULT') x 3;
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>&', $out_w;
        open STDERR, '>&', $err_w;
        @ENV{ keys %env } = values %env;
        exec { $test->{command}[0] } @{ $test->{command} } or POSIX::_exit(127);
    }
    close $out_w;
    close $err_w;
    my $status = follow($test, $pid, $out_r, $err_r, \$ask);

    my $problems = 0;
    $problems += look_for_processes($test);
    $problems += look_for_files($test, $place);
    $problems += look_for_reports($test);
    $problems += look_for_secrets($test);
    if (POSIX::WIFSIGNALED($status)) {
        problem($test, 'ended by signal ' . POSIX::WTERMSIG($status));
        $problems++;
    }
    return $problems ? 99 : POSIX::WEXITSTATUS($status);
}

# Copies what the test prints until it has ended, and ends it when its time is up.
sub follow ($test, $pid, $out_r, $err_r, $ask) {
    open my $tap, '>', "$test->{dir}.tap" or die "$test->{dir}.tap: $!\n";
    open my $log, '>', "$test->{dir}.log" or die "$test->{dir}.log: $!\n";
    $_->autoflush(1) for $tap, $log;
    my $select = IO::Select->new($out_r, $err_r);
    my $end    = time + $option{timeout};
    my ($status, $asked, $drain) = (undef, 0, 0);

    while (1) {
        for my $handle ($select->can_read(0.05)) {
            if (sysread $handle, my $bytes, 65_536) {
                print $tap $bytes if $handle == $out_r;
                print $log $bytes;
            }
            else {
                $select->remove($handle);
            }
        }
        # Orphans are children of the guard, which must not leave them as zombies: a test may wait for their end.
        while (!defined $status && (my $ended = waitpid -1, WNOHANG) > 0) {
            next if $ended != $pid;
            $status = $?;
            $drain  = time + 0.2;    # what it has left running may hold the pipes open
        }
        # What has been printed is read, however late we are.
        last if defined $status && (!$select->count || (time > $drain && (!$select->can_read(0) || time > $drain + 5)));
        if (!$asked && ($$ask || time > $end)) {
            problem($test, "timed out after $option{timeout} s") if !$$ask;
            kill TERM => $pid;
            $asked = time;
        }
        if ($asked && time > $asked + 20) {
            kill KILL => $pid;
        }
        sleep 0.01 if !$select->count;
    }
    return $status;
}

# All descendants of the test that are left are children of the guard now. Those that are on their way out
# get a moment.
sub look_for_processes ($test) {
    my $end = time + 5;
    my @left;
    while (1) {
        1 while waitpid(-1, WNOHANG) > 0;
        @left = my_children();
        last if !@left || time > $end;
        sleep 0.02;
    }
    return 0 if !@left;
    my %command = map { $_ => command_of($_) } @left;
    kill TERM => @left;
    for (1 .. 100) {
        1 while waitpid(-1, WNOHANG) > 0;
        last if !my_children();
        sleep 0.02;
    }
    for (1 .. 20) {
        my @stubborn = my_children() or last;
        kill KILL => @stubborn;
        sleep 0.05;
        1 while waitpid(-1, WNOHANG) > 0;
    }
    problem($test, "left running: $_ $command{$_}") for @left;
    return scalar @left;
}

sub my_children() {
    open my $in, '<', "/proc/$$/task/$$/children" or return;
    return split ' ', scalar(<$in>) // '';
}

sub command_of ($pid) {
    open my $in, '<', "/proc/$pid/cmdline" or return '?';
    my $line = <$in> // '';
    $line =~ tr/\0/ /;
    return substr $line, 0, 120;
}

sub look_for_files ($test, $place) {
    my @left;
    File::Find::find({ no_chdir => 1, wanted => sub { push @left, substr $_, length $place if $_ ne $place } }, $place);
    remove_tree($place);
    problem($test, 'left in the temporary directory: ' . join ' ', sort @left) if @left;
    return @left ? 1 : 0;
}

# A sanitizer's report may be in the log of any process that the test has started.
sub look_for_reports ($test) {
    my $found = 0;
    my @files = ("$test->{dir}.log");
    File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if -f && /\.(?:log|err|stderr)\z/ } }, $test->{dir}) if -d $test->{dir};
    for my $file (@files) {
        open my $in, '<', $file or next;
        while (my $line = <$in>) {
            next if $line !~ /(?:ERROR|WARNING): (?:\w+)Sanitizer|: runtime error: /;
            problem($test, substr($file, length "$var/") . ": $line");
            $found++;
            last;
        }
    }
    return $found;
}

# What the test has used must be in no log: no password, token, key or address; see Pets::Secrets.
sub look_for_secrets ($test) {
    my @finds = Pets::Secrets::search($test->{dir}, $test->{name}, "$test->{dir}.log");
    problem($test, s{^\Q$var\E/}{}r) for @finds;
    return scalar @finds;
}

# --- counting -------------------------------------------------------------------------------------------

# Reads the points of a test that has ended. A file that dies, has no plan or has not kept to it fails,
# with one point for that and one for each point that is missing.
sub judge ($test) {
    open my $in, '<', "$test->{dir}.tap" or die "$test->{dir}.tap: $!\n";
    my $tap = do { local $/ = undef; scalar(<$in>) // '' };
    $tap = "# nothing\n" if !length $tap;    # the parser cannot tell what an empty string is
    my $parser = TAP::Parser->new({ tap => $tap });
    $parser->run;
    my @failed = $parser->failed;
    $test->{skipped} = () = $parser->skipped;
    $test->{passed}  = ($parser->passed) - $test->{skipped};
    $test->{failed}  = @failed;
    $test->{why}     = [];

    my $missing = ($parser->tests_planned // 0) - ($parser->tests_run // 0);
    if ($missing > 0) {
        push @{ $test->{why} }, "$missing planned points are missing";
        $test->{failed} += $missing;
    }
    my @errors = grep { !/^Bad plan/ || $missing <= 0 } $parser->parse_errors;
    push @{ $test->{why} }, @errors;
    my $exit = POSIX::WIFEXITED($test->{status}) ? POSIX::WEXITSTATUS($test->{status}) : -1;
    push @{ $test->{why} }, "exit status $exit" if $exit && $exit != 99 && !@failed;
    if (open my $problems, '<', "$test->{dir}.problems") {
        chomp(my @problems = <$problems>);
        $test->{found} = @problems;
        push @{ $test->{why} }, @problems;
    }
    $test->{failed}++ if @{ $test->{why} } && !@failed && $missing <= 0;
    return;
}

sub show ($test, $width) {
    my $total  = $test->{passed} + $test->{failed};
    my $points = $test->{failed} ? "$test->{failed} of $total failed" : $total == 1 ? '1 passed' : "$total passed";
    $points .= ", $test->{skipped} skipped" if $test->{skipped};
    printf "  %s %-*s  %-26s %s%5.1f s%s\n", $test->{failed} ? "${red}FAIL${plain}" : "${green}ok${plain}  ", $width, $test->{name}, $points,
        $dim, $test->{seconds}, $plain;
    if ($test->{failed}) {
        show_log($test);
    }
    else {
        show_log($test) if $option{verbose};
        remove_tree($test->{dir});
        unlink "$test->{dir}.problems";
    }
    return;
}

# The log of a failed test: the failing points with what was said about them, and the end.
sub show_log ($test) {
    print "       | $_\n" for @{ $test->{why} };
    open my $in, '<', "$test->{dir}.log" or return;
    chomp(my @lines = <$in>);
    if (!$option{verbose}) {
        my @keep = grep { !/^\s*(?:ok \d+|1\.\.\d+$|# Subtest: )/ } @lines;
        my $most = 60;
        if (@keep > $most) {
            @keep = (@keep[0 .. 19], '[...]', @keep[-($most - 20) .. -1]);
        }
        @lines = @keep;
    }
    print "       | $_\n" for @lines;
    print "       | the whole: ", ($test->{dir} =~ s{^\Q$src\E/}{}r), ".log", (-d $test->{dir} ? " and its directory" : ''), "\n" if $test->{failed};
    return;
}

sub report ($results, @left) {
    my %sum = (passed => 0, failed => 0, skipped => 0);
    for my $test (@$results) {
        $sum{$_} += $test->{$_} for keys %sum;
    }
    my @bad      = grep { $_->{failed} } @$results;
    my @unsteady = grep { $_->{unsteady} } @$results;
    if (@left) {
        print "\n  left behind in $tmp: @left\n";
        push @bad, { name => 'harness' };
        $sum{failed}++;
    }
    if (@bad) {
        print "\n  failed: ", join(' ', sort map { $_->{name} } @bad), "\n";
    }
    if (@unsteady) {
        print "\n  unsteady, passed at the second try: ", join(' ', sort map { $_->{name} } @unsteady), "\n";
    }
    print "\n$sum{passed} passed, $sum{failed} failed", $sum{skipped} ? ", $sum{skipped} skipped" : '', "\n";
    return @bad || !@$results ? 1 : 0;
}
