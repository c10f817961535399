#!/usr/bin/perl
# Runs one unit test program and prints its points as TAP. The check library writes TAP itself, to the
# file that it is told; a program that does not use it counts as one point, its exit status.
use v5.36;
use File::Basename qw(basename);

my ($program, @arguments) = @ARGV;
my $file = ($ENV{PETS_TEST_DIR} // '.') . '/check.tap';
unlink $file;
$ENV{CK_TAP_LOG_FILE_NAME} = $file;
$ENV{CK_VERBOSITY}         = 'silent';
$ENV{CK_DEFAULT_TIMEOUT}   = 120;    # the library's own, 4 s, is a guess at how busy a machine may be
$ENV{srcdir} //= $ENV{PETS_SRC};
chdir $ENV{PETS_BUILD} or die "$ENV{PETS_BUILD}: $!\n" if defined $ENV{PETS_BUILD};

open my $out, '-|', $program, @arguments or die "$program: $!\n";
my @said = <$out>;
close $out;
my $status = $?;
if (open my $in, '<', $file) {
    print <$in>;
    print STDERR map { "# $_" } @said if $status;
}
else {
    print STDERR map { "# $_" } @said;
    print "1..1\n", $status ? 'not ' : '', 'ok 1 - ', basename($program), "\n";
}
exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
