#!/usr/bin/perl
# Runs one fuzz target for some seconds over its corpus and prints one point. What it finds new is kept
# in the test's own directory, so that the checkout stays as it is; the input of a crash is kept there too.
use v5.36;
use File::Basename qw(basename);
use File::Path qw(make_path);

my ($program, $seconds) = @ARGV;
my $name = basename($program) =~ s/^fuzz[-_]//r;
my $dir  = $ENV{PETS_TEST_DIR} // '.';
make_path("$dir/new");
my @seeds = grep { -d } "$ENV{PETS_SRC}/t/data/fuzz/$name";
my @dictionary = map { "-dict=$_" } grep { -f } "$ENV{PETS_SRC}/t/fuzz/$name.dict";
my @command = ($program, "-max_total_time=$seconds", '-timeout=5', '-rss_limit_mb=2048', '-print_final_stats=1',
    "-artifact_prefix=$dir/", @dictionary, "$dir/new", @seeds);

# LeakSanitizer cannot work where tracing is forbidden; everything else can.
open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', '-', @command or die "$program: $!\n";
my @said = <$out>;
close $out;
my $status = $?;
my ($runs) = map { /number_of_executed_units:\s*(\d+)/ ? $1 : () } @said;
my $good = $status == 0 && ($runs // 0) > 0;
print "1..1\n", $good ? '' : 'not ', "ok 1 - $name: ", $runs // 'no', " runs\n";
print STDERR map { "# $_" } @said > 60 ? @said[-60 .. -1] : @said if !$good;
exit($good ? 0 : 1);
