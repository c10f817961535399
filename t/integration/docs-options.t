# The manual and petsd.conf(5) have every option of petsd -T, with its default, range and whether a reload changes it,
# and no other; the man pages are clean, and say what the programs take.
use v5.36;
use Pets::Env qw(src bin run slurp spew test_dir find_program);
use Test::More;

my $src  = src();
my $file = test_dir() . '/api.ini';
spew($file, "[pool]\nname = api\nlisten = /tmp/x.sock\n[token]\nissuer = x\npublic_keys_dir = /tmp\n[http]\ncursor_key_file = /tmp/cursor\n", 0600);
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
    my ($bad, $out) = run([$mandoc, '-Tlint', '-Wstyle', glob "$src/docs/man/*.[578]"]);
    is join('', grep { !/outdated|referenced manual not found/ } split /^/, $out), '', 'the man pages are clean';
}

# What the usage lines offer, the pages explain, and they explain nothing else.
my (undef, $petsd)   = run([bin('petsd'),   '--help']);
my (undef, $petsctl) = run([bin('petsctl'), '--help']);
my $petsd8   = slurp("$src/docs/man/petsd.8");
my $petsctl8 = slurp("$src/docs/man/petsctl.8");
for my $option (sort { $a cmp $b } keys %{ { map { $_ => 1 } $petsd =~ /(?<=[ \[])-(-?\w+)/g } }) {
    like $petsd8, qr/^\.It Fl \Q$option\E\b/m, "petsd.8: -$option";
}

# A line of arguments and options as { arguments in order, options in any }: "EMAIL [TEXT] | --reason TEXT [--json]".
sub shape_of (@items) {
    return join ' | ', join(' ', grep { !/^\[?-/ } @items), join(' ', sort grep { /^\[?-/ } @items);
}

# From --help: "--reason TEXT [--limit N] [DIR]".
sub usage_items ($text) { return $text =~ /(\[[^\]]+\]|--[\w-]+(?: (?!\[|--)[A-Z]+)?|[A-Z]+)/g }

# From a line of mdoc: "Oo Fl -limit Ar n Oc Fl -reason Ar text Ar user role".
sub page_items ($text) {
    my ($optional, $macro, @items) = (0, '');
    for my $word (split ' ', $text) {
        if    ($word eq 'Oo' || $word eq 'Op') { $optional = 1; $macro = '' }
        elsif ($word eq 'Oc')                  { $optional = 0; $macro = '' }
        elsif ($word eq 'Fl' || $word eq 'Ar') { $macro    = $macro eq 'value' && $word eq 'Ar' ? 'value' : $word }
        elsif ($macro eq 'Fl')                 { push @items, [$optional, "-$word"]; $macro = 'value' }
        elsif ($macro eq 'value')              { $items[-1][1] .= ' ' . uc $word; $macro = '' }
        elsif ($macro eq 'Ar')                 { push @items, [$optional, uc $word] }
        else                                   { die "what is \"$word\" in \"$text\"?" }
    }
    return map { $_->[0] ? "[$_->[1]]" : $_->[1] } @items;
}

sub part ($from, $to) { return ($petsctl =~ /^$from\n(.*?)^$to/ms)[0] // die "petsctl --help has no $from" }

my %verbs = map { /^  ([a-z]+ [a-z-]+)(.*)$/ ? ($1 => shape_of(usage_items($2))) : () } split /\n/, part('Verbs:', '\n');
my %pages = map { ($_->[0] => shape_of(page_items($_->[1]))) } map { [/^([a-z]+ [a-z-]+)(.*)$/] } $petsctl8 =~ /^\.It Cm (.*)$/mg;
cmp_ok scalar keys %verbs, '>', 15, 'petsctl has verbs';
is_deeply \%pages, \%verbs, 'petsctl.8 has all of them, with their arguments and options';

like $petsctl8, qr/^\.It Ic $_\b/m, "petsctl.8: $_" for part('More verbs, each with its own --help:', '\n') =~ /^  (\w+) /mg;

my %options = map { /^  (--[a-z-]+) +([A-Z]+)? / ? ($1 => $2 // '') : die "an option? $_" } split /\n/, part('Options of verbs:', '\n');
my %flags   = map { /^  (-.*?)  / ? ($1 => 1) : die "an option? $_" } split /\n/, part('Options:', '\n');
my ($list, $flags) = $petsctl8 =~ /^Options stand.*?^\.Bl.*?\n(.*?)^\.El.*?^Before a verb.*?^\.Bl.*?\n(.*?)^\.El/ms;
is_deeply { map { /^Fl (-\S+)(?: Ar (\w+))?$/ ? ("-$1" => uc($2 // '')) : die "an option? $_" } $list =~ /^\.It (.*)$/mg }, \%options, 'and all options of verbs';
is_deeply { map { (s/ Ar (\w+)/" " . uc $1/er =~ s/Fl /-/gr =~ s/ ,/,/r => 1) } $flags =~ /^\.It (.*)$/mg }, \%flags, 'and those before them';
for my $value ($petsctl =~ /^[A-Z]+ is one of: (.*)\.$/mg) {
    like $petsctl8, qr/^\.Cm $_\b/m, "petsctl.8: $_" for split ' ', $value;
}

# No verb does without an option that is in use, and the other way round.
my %used = map { $_ => 1 } map { /(--[a-z-]+)/g } values %verbs;
is_deeply [sort keys %options], [sort keys %used], 'every option belongs to a verb';

done_testing;
