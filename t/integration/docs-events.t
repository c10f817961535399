# The manual lists every event that the program can log, and no other.
use v5.36;
use Pets::Env qw(src slurp);
use Test::More;

my %events;
for my $file (glob src() . '/src/*/*.c ' . src() . '/src/*.c') {
    my $source = slurp($file);
    # The name is what is quoted between the level and the first field.
    while ($source =~ /\blog_event\(\s*(.*?)(?:,\s*log_(?:str|int|bool|errno)\(|\);)/sg) {
        my @names = $1 =~ /"([a-z_]+)"/g;
        @names or $1 =~ /,\s*event\z/ or fail("$file: log_event without a name in sight: $1");
        $events{$_} = $file for @names;
    }
    # One function of the master is given the name.
    if ($file =~ m{/pool/}) {
        $events{$1} = $file while $source =~ /\bcomplain\(\w+, "([a-z_]+)"/g;
    }
}
cmp_ok scalar keys %events, '>', 30, 'the sources were read';

my ($section) = slurp(src() . '/docs/manual.md') =~ /^## Log\n(.*?)^## /ms;
my %manual;
for my $row (grep { /^\| `/ } split /\n/, $section) {
    my (undef, $names) = split / ?\| ?/, $row;
    for ($names =~ /`([a-z_]+)`/g) {
        ok !$manual{$_}, "$_ is listed once";
        $manual{$_} = 1;
    }
}
is_deeply [sort keys %manual], [sort keys %events], 'the manual lists them';
done_testing;
