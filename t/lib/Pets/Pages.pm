package Pets::Pages;

=head1 NAME

Pets::Pages - the pages of /docs for tests: made when first needed

=head1 WHY

Making them installs swagger-ui from npm. A machine that cannot do that can still run every other test, so F<t/run> builds
without them, and the first test that wants them makes them (C<make docs-pages>); others wait. When that fails the test
fails, and says why.

    my $dir = Pets::Pages::made();      # the folder that nginx serves, and that a Pets::Service serves anyway

=cut

use v5.36;
use Fcntl qw(:flock);
use File::Path qw(make_path);
use Pets::Env qw(build run slurp spew var);

sub made() {
    state $dir = make();
    return $dir;
}

sub make() {
    my $build = build();
    my $cache = var() . '/npm';
    make_path("$cache/tmp");
    open my $lock, '>>', "$build/pages.lock" or die "$build/pages.lock: $!\n";
    flock $lock, LOCK_EX or die "$build/pages.lock: $!\n";

    # Who has waited while it failed need not see it fail again.
    my $failed = "$build/pages.failed";
    die slurp($failed) if -e $failed && (stat _)[9] > $^T;
    my ($status, $out, $err) = run(['make', '-C', $build, 'docs-pages'], timeout => 300,
        env => { TMPDIR => "$cache/tmp", npm_config_cache => "$cache/cache", MAKEFLAGS => undef });
    die slurp(spew($failed, "the pages of /docs could not be made:\n$out$err\n")) if $status;
    return "$build/pages";
}

1;
