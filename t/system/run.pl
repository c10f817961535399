#!/usr/bin/perl
# Runs the tests of this folder, in the order of their names, in one machine that is made for them: see t/system/run,
# which has built the packages. For root.
use v5.36;
use File::Basename qw(basename);
use File::Path qw(make_path remove_tree);
use Getopt::Long qw(GetOptions);
use Pets::Machine;
use TAP::Parser;
use Time::HiRes qw(time);

my %option = (cache => '/var/cache/pets-api-tests');
GetOptions(\%option, 'cache=s', 'packages=s', 'old=s', 'next=s', 'logs=s', 'keep', 'verbose', 'until=s') or exit 2;
my $src = $ENV{PETS_SRC} // die "run ./t/run system\n";
$| = 1;

my @needed = map { /^machine\s+(\S+)/ ? $1 : () } split /^/, Pets::Machine::slurp("$src/t/packages");
my $machine;
local @SIG{qw(INT TERM HUP)} = (sub { exit 130 }) x 3;
END {
    if ($machine) {
        local $?;
        $machine->remove;
    }
}

make_path($option{logs});
step('machine', sub {
    $machine = Pets::Machine->new(cache => $option{cache}, packages => \@needed, bind => { '/src' => $src }, log => "$option{logs}/console.log");
    $machine->put($option{packages}, '/root/packages/new');
    $machine->put($option{old},      '/root/packages/old');
    $machine->put($option{next},     '/root/packages/next');
    make_path("$machine->{root}/root/test");
    $machine->boot;
});

my ($passed, $failed) = (0, 0);
my @bad;
for my $file (sort glob "$src/t/system/*.t") {
    my $name = basename($file, '.t');
    # A test whose name begins with an 8 follows another boot.
    if ($name =~ /^8/) {
        step('reboot', sub { $machine->halt; $machine->boot });
    }
    my $begun = time;
    my ($out, $err) = map { "$option{logs}/$name.$_" } qw(tap log);
    my $status = $machine->run(['perl', '-I/src/t/lib', "/src/t/system/$name.t"], out => $out, err => $err, timeout => 900,
        env => { PETS_SRC => '/src', PETS_BUILD => '/usr/sbin', PETS_TEST_DIR => '/root/test', TMPDIR => '/root/test', PERL5LIB => '/src/t/lib' });
    my $parser = TAP::Parser->new({ tap => Pets::Machine::slurp($out) || "# nothing\n" });
    my %points = (passed => 0, failed => 0);
    while (my $result = $parser->next) {
        $points{ $result->is_ok ? 'passed' : 'failed' }++ if $result->is_test;
    }
    $points{failed}++ if ($status || $parser->parse_errors) && !$points{failed};
    $passed += $points{passed};
    $failed += $points{failed};
    printf "  %s %-12s  %d passed%s  %.1f s\n", $points{failed} ? 'FAIL' : 'ok  ', $name, $points{passed}, $points{failed} ? ", $points{failed} failed" : '', time - $begun;
    if ($points{failed}) {
        push @bad, $name;
        print map { "       | $_" } grep { !/^\s*ok / } split /^/, Pets::Machine::slurp($out) . Pets::Machine::slurp($err);
    }
    elsif ($option{verbose}) {
        print map { "       | $_" } split /^/, Pets::Machine::slurp($out);
    }
    last if ($option{until} // '') eq $name;
}
if ($option{keep} && @bad + defined $option{until}) {
    print "\n  The machine is kept until this is ended. Inside: ", join(' ', $machine->enter), " bash\n";
    sleep 1 while 1;
}
print "\n  failed: @bad\n" if @bad;
print "\n$passed passed, $failed failed\n";
exit($failed ? 1 : 0);

sub step ($name, $do) {
    my $begun = time;
    printf '  %-12s ', $name;
    $do->();
    printf "%.1f s\n", time - $begun;
    return;
}
