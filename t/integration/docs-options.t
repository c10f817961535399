# The manual and petsd.conf(5) have every option of petsd -T, with its default, range and whether a reload changes it,
# and no other; the man pages are clean, and say what the programs take.
use v5.36;
use Pets::Env qw(src bin run slurp spew test_dir find_program);
use Test::More;

my $src  = src();
my $file = test_dir() . '/api.ini';
spew($file, "[pool]\nname = api\nlisten = /tmp/x.sock\n[token]\nissuer = x\npublic_keys_dir = /tmp\n", 0600);
my ($status, $dump, $err) = run([bin('petsd'), '-c', $file, '-T']);
is $status, 0, 'petsd -T' or diag $err;

# section.option => "default | range | reload or restart"
my (%program, $section, $said);
for my $line (split /\n/, $dump) {
    if    ($line =~ /^\[(\w+)\]$/)                                         { $section = $1 }
    elsif ($line =~ /^; .* \((.*), default (.*), needs (reload|restart)\)$/) { $said    = "$2 | $1 | $3" }
    elsif ($line =~ /^(\w+) =/)                                            { $program{"$section.$1"} = $said }
}
cmp_ok scalar keys %program, '>', 40, 'there are options';

my %manual;
for my $line (split /\n/, slurp("$src/docs/manual.md")) {
    if    ($line =~ /^### \[(\w+)\]$/)                              { $section = $1 }
    elsif ($line =~ /^#/)                                           { $section = undef }
    elsif (defined $section && $line =~ /^\| `(\w+)` \| (.*?) \| (.*?) \| (\w+) \| \S/) { $manual{"$section.$1"} = "$2 | $3 | $4" }
}
is_deeply \%manual, \%program, 'the manual says the same';

my %page;
my $page = slurp("$src/docs/man/petsd.conf.5");
for my $part (split /^\.Ss Section /m, $page) {
    my ($name) = $part =~ /^(\w+)\n/ or next;
    for my $item (split /^\.It Ic /m, $part) {
        my ($option, $text) = $item =~ /^(\w+)\n(.*)/s or next;
        $text =~ s/^\.(?:El|Sh).*//ms;
        $text =~ s/\s+/ /g;
        my ($default, $range, $restart) = $text =~ /\bDefault: (.*?); allowed: (.*?)(; restart)?\. ?$/ or next;
        $page{"$name.$option"} = "$default | $range | " . ($restart ? 'restart' : 'reload');
    }
}
is_deeply \%page, \%program, 'petsd.conf(5) does, too';

SKIP: {
    my $mandoc = find_program('mandoc') or skip 'mandoc is not installed', 1;
    my ($bad, $out) = run([$mandoc, '-Tlint', '-Wstyle', glob "$src/docs/man/*.[58]"]);
    is join('', grep { !/outdated|referenced manual not found/ } split /^/, $out), '', 'the man pages are clean';
}

# What the usage lines offer, the pages explain.
my (undef, $petsd)   = run([bin('petsd'),   '--help']);
my (undef, $petsctl) = run([bin('petsctl'), '--help']);
my $petsd8   = slurp("$src/docs/man/petsd.8");
my $petsctl8 = slurp("$src/docs/man/petsctl.8");
for my $option (sort { $a cmp $b } keys %{ { map { $_ => 1 } $petsd =~ /(?<=[ \[])-(-?\w+)/g } }) {
    like $petsd8, qr/^\.It Fl \Q$option\E\b/m, "petsd.8: -$option";
}
for my $verb ($petsctl =~ /^  (\w+ [\w-]+) /mg) {
    like $petsctl8, qr/^\.It Cm $verb\b/m, "petsctl.8: $verb";
}

done_testing;
