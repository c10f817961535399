# What the layout promises, read from the sources: floors include only what is below them, each library stands
# behind one file, files and functions are small, the statements are all listed, the banned functions are not
# reached in any other way.
use v5.36;
use File::Basename qw(basename dirname);
use Pets::Env qw(src bin run slurp find_program);
use Test::More;

my $src    = src();
my @floors = qw(base pool db http auth mail api);      # from the lowest up
my %height = map { $floors[$_] => $_ } 0 .. $#floors;
$height{ctl} = $height{api};                      # the tool's verbs: beside what the daemon offers
my %text   = map { substr($_, 1 + length $src) => slurp($_) } glob "$src/src/*.[ch] $src/src/*/*.[ch]";
my @files  = sort keys %text;
my @c      = grep { /\.c\z/ } @files;

sub includes ($file) { return $text{$file} =~ /^[ \t]*#[ \t]*include[ \t]+(["<][^">]+[">])/mg }
sub floor_of ($path) { return $path =~ m{\A(?:src/)?(\w+)/[^/]+\z} && exists $height{$1} ? $1 : undef }

cmp_ok scalar @c, '>', 30, 'the sources are there';

subtest 'one fence per library' => sub {
    my %fence = (
        'fcgiapp.h'  => 'http',
        'libpq-fe.h' => 'db',
        'jansson.h'  => 'http',
        'jwt.h'      => 'auth',
        'crypt.h'    => 'auth',
        'ini.h'      => 'base',
        'oath.h'     => 'auth',
        'curl/curl.h' => 'mail',
        'spawn.h'    => 'mail',                   # no library, but nobody else starts programs
    );
    for my $header (sort keys %fence) {
        my @who = grep { grep { $_ eq "<$header>" || $_ eq qq{"$header"} } includes($_) } @files;
        is scalar @who, 1, "exactly one file includes $header" or diag "@who";
        is floor_of($who[0]), $fence{$header}, "... on the floor $fence{$header}";
    }
    # Under another name it would be the same library.
    my @other = map { my $file = $_; map { "$file $_" } grep { m{<(?:postgresql/|fastcgi/|fcgi)(?!app\.h>)} } includes($file) } @files;
    is "@other", '', 'no header of theirs is reached by another path';
    my @openssl = grep { grep { /<openssl\// } includes($_) } @files;
    is join(' ', grep { !m{\Asrc/auth/} } @openssl), '', 'OpenSSL is used by the auth floor alone';
};

subtest 'floors include only what is below' => sub {
    my @wrong;
    for my $file (@files) {
        my $own = floor_of($file);
        for my $include (grep { /^"/ } includes($file)) {
            my $path = $include =~ tr/"//dr;
            next if $path eq 'config.h' || $path eq 'statements.h' || $path eq 'templates.h';
            my $target = floor_of($path);
            push @wrong, "$file includes $path, which is on no floor" if !defined $target;
            push @wrong, "$file includes $path, which is not there"   if !exists $text{"src/$path"};
            push @wrong, "$file includes $path, which is beside it" if grep { $_ eq 'api ctl' } join ' ', sort grep { defined } $own, $target;
            push @wrong, "$file includes $path, which is above it" if defined $own && defined $target && $height{$target} > $height{$own};
        }
    }
    is join("\n", @wrong), '', 'every include points down';
    my @mains = grep { !defined floor_of($_) } @c;
    is "@mains", 'src/petsctl.c src/petsd.c', 'the two mains stand above all floors';
    my @statements = grep { grep { $_ eq '"statements.h"' } includes($_) } @files;
    is join(' ', grep { ($height{ floor_of($_) // 'api' }) < $height{db} } @statements), '', 'statements are unknown below the db floor';
};

subtest 'resources do not know each other' => sub {
    # What is shared on the api floor, and the parts of the status page, which are one resource.
    my %shared = map { $_ => 1 } qw(service.h routes.h throttle.h);
    my $family = sub ($name) { return $name =~ s/\.[ch]\z//r =~ s/_.*//r };
    my @wrong;
    for my $file (grep { m{\Asrc/api/} } @files) {
        my $name = basename($file);
        next if $name eq 'routes.c';
        for my $include (map { m{^"api/(.+)"$} ? $1 : () } includes($file)) {
            next if $shared{$include} || $family->($include) eq $family->($name);
            # The ops resource is the door to status and metrics, which render what it answers.
            next if $name =~ /\A(?:ops|metrics|status)/ && $include =~ /\A(?:status|metrics|html)/;
            next if $name =~ /\Ahtml/ || ($include eq 'html.h' && $name =~ /\Astatus/);
            push @wrong, "$file includes api/$include";
        }
    }
    is "@wrong", '', 'files of src/api/ do not include each other';
};

subtest 'small files, small functions' => sub {
    my @long = grep { (() = $text{$_} =~ /\n/g) >= 600 } @files;
    is "@long", '', 'every file has fewer than 600 lines';
    my (@lengths, @too_long);
    for my $file (@c) {
        my $line = 0;
        my $start;
        for my $text (split /\n/, $text{$file}) {
            $line++;
            $start = $line if $text eq '{' && !defined $start;
            if ($text eq '}' && defined $start) {
                push @lengths, $line - $start + 1;
                push @too_long, "$file:$start" if $line - $start + 1 > 100;
                $start = undef;
            }
        }
    }
    is "@too_long", '', 'every function has at most 100 lines';
    my $median = (sort { $a <=> $b } @lengths)[@lengths / 2];
    cmp_ok $median, '<=', 20, 'half of the ' . @lengths . " functions have no more than 20 lines ($median)";
    my $total = 0;
    $total += () = $text{$_} =~ /\n/g for @files;
    cmp_ok $total, '<', 28_000, "$total lines in all";
};

subtest 'every file opens with its idea, and comes with its header' => sub {
    my @bare = grep { $text{$_} !~ m{\A/\*\n \* \Q@{[ basename($_) ]}\E: } } @files;
    is "@bare", '', 'a paragraph that begins with the name';
    my @unguarded = grep { /\.h\z/ } grep { my $guard = uc(s{\Asrc/}{}r =~ tr{/.}{__}r); $text{$_} !~ /^#ifndef $guard\n#define $guard\n/m } @files;
    is "@unguarded", '', 'headers have guards named after them';
    my @odd = grep { defined floor_of($_) && exists $text{s/\.c\z/.h/r} && (grep { /^"/ } includes($_))[0] ne '"' . (s{\Asrc/}{}r =~ s/\.c\z/.h/r) . '"' } @c;
    is "@odd", '', 'the first header of ours that a file includes is its own';
};

subtest 'the statements' => sub {
    my @listed = sort(slurp("$src/sql/statements.mk") =~ m{(sql/statements/\w+\.sql)}g);
    my @there  = sort map { substr $_, 1 + length $src } glob "$src/sql/statements/*.sql";
    is "@listed", "@there", 'statements.mk lists every one, once';
    # SQL comes from there and from nowhere else: no call that would take text.
    my @calls = map { my $file = $_; map { "$file: $_" } $text{$file} =~ /\b(PQexec\w*|PQsendQuery|PQsendQueryParams|PQprepare)\s*\(/g } @files;
    is "@calls", '', 'no call takes SQL text at run time';
    my @prepare = map { $text{$_} =~ /\b(PQsendPrepare\s*\([^;]*;)/g } @files;
    is scalar @prepare, 1, 'statements are prepared in one place';
    like $prepare[0], qr/statement->name, statement->sql/, '... from the compiled table';
};

subtest 'banned functions' => sub {
    my ($poisoned) = join ' ', $text{'src/base/base.h'} =~ /^#pragma GCC poison (.+)$/mg;
    my @banned = split ' ', $poisoned;
    cmp_ok scalar @banned, '>=', 17, 'base.h bans them';
    my @lifted = grep { $_ ne 'src/base/base.h' && $text{$_} =~ /#\s*(?:undef\s+(?:@{[ join '|', @banned ]})\b|pragma\s+GCC\s+(?:poison|system_header))|\b(?:dlsym|dlopen|popen|execl\w*|execv\w*)\s*\(/ } @files;
    # The verbs of petsctl that are scripts, in a directory of the installation.
    is "@lifted", 'src/ctl/program.c', 'nobody lifts the ban, loads code or starts programs, but for one file of the tool';
    like $text{'src/ctl/program.c'}, qr{snprintf\(path, sizeof path, PKGLIBEXECDIR "/%s", name\)}, '... which becomes what is installed beside it';
    my @without = grep { !grep { $_ eq '"base/base.h"' } includes($_) } grep { /\.c\z/ } @files;
    my %reached;
    for my $file (@without) {
        my @open = map { tr/"//dr } grep { /^"/ } includes($file);
        while (defined(my $next = shift @open)) {
            next if $reached{$file}{$next}++ || !exists $text{"src/$next"};
            push @open, map { tr/"//dr } grep { /^"/ } includes("src/$next");
        }
    }
    is join(' ', grep { !$reached{$_}{'base/base.h'} } @without), '', 'every file stands under the ban';
    SKIP: {
        skip 'nm is not installed', 1 if !find_program('nm');
        my %called;
        for my $program (qw(petsd petsctl)) {
            my ($status, $out, $err) = run(['nm', '-D', '--undefined-only', bin($program)]);
            die $err if $status;
            $called{$1}++ while $out =~ /\bU (?:__isoc\d+_|__)?(\w+?)(?:_chk)?(?:@|$)/mg;
        }
        is join(' ', grep { $called{$_} } @banned), '', 'and the programs do not call them';
    }
};

done_testing;
