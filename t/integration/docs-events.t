# The manual lists every event that the program can log, and no other, and the same of what it records.
use v5.36;
use Pets::Env qw(src slurp);
use Test::More;

my %events;
for my $file (glob src() . '/src/*/*.c ' . src() . '/src/*.c') {
    my $source = slurp($file);
    # The name is what is quoted between the level and the first field.
    while ($source =~ /\blog_event\(\s*(.*?)(?:,\s*log_(?:str|int|bool|errno|request)\(|\);)/sg) {
        my @names = $1 =~ /"([a-z_]+)"/g;
        @names or $1 =~ /,\s*event\z/ or fail("$file: log_event without a name in sight: $1");
        $events{$_} = $file for @names;
    }
    # One function of the master is given the name.
    if ($file =~ m{/pool/}) {
        $events{$1} = $file while $source =~ /\bcomplain\(\w+, "([a-z_]+)"/g;
    }
    # As is one of what an administrator does.
    $events{$1} = $file while $source =~ /\blog_user\(\w+, "([a-z_]+)"/g;
}
cmp_ok scalar keys %events, '>', 30, 'the sources were read';

# What is recorded: the words behind "into pets.audit_event", and those that petsctl puts there itself.
my %actions;
for my $file (glob src() . '/sql/statements/*.sql ' . src() . '/sql/schema/deploy/*.sql') {
    my $text = slurp($file) =~ s/^--.*$//mgr;
    while ($text =~ /insert into pets\.audit_event(.*?)(?:;|\n\)|\z)/sg) {
        my @words = $1 =~ /'((?:authn|authz|session|user|sensitive|pet)_[a-z_]+)'/g;
        @words or $1 =~ /values \(\$1::text/ or fail("$file: an audit event without an action in sight");
        $actions{$_} = $file for grep { !/_(?:list|read)\z/ } @words;
    }
}
for my $file (glob src() . '/src/ctl/*.c') {
    my $source = slurp($file);
    $actions{$1} = $file while $source =~ /(?:\.action = |\brecord\(ctl, |\bchange\(ctl, \w+, (?:\w+|"\w+"), )"([a-z_]+)"/g;
}
cmp_ok scalar keys %actions, '>', 15, 'the statements were read';

sub section ($name) {
    my ($section) = slurp(src() . '/docs/manual.md') =~ /^## \Q$name\E\n(.*?)^## /ms;
    return map { [split / ?\| ?/] } grep { /^\| `/ } split /\n/, $section;
}

my (%logged, %recorded);
for my $row (section('Log')) {
    $logged{$_}++ for $row->[1] =~ /`([a-z_]+)`/g;
}
for my $row (section('Security events')) {
    for my $name ($row->[1] =~ /`([a-z_]+)`/g) {
        $logged{$name}++   if $row->[2] =~ /\blog\b/;
        $recorded{$name}++ if $row->[2] =~ /\brecord\b/;
    }
}
is $logged{$_},   1, "$_ is listed once"             for sort keys %logged;
is $recorded{$_}, 1, "$_ is listed once as recorded" for sort keys %recorded;
is_deeply [sort keys %logged],   [sort keys %events],  'the manual lists what is logged';
is_deeply [sort keys %recorded], [sort keys %actions], 'and what is recorded';
done_testing;
