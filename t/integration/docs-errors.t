# docs/errors.md has a section for every error that the program or nginx can answer, with its status and title, and for
# no other; and it explains every code that can stand in `errors`.
use v5.36;
use Pets::Env qw(src slurp);
use Test::More;

my $docs = slurp(src() . '/docs/errors.md');
my %docs;
while ($docs =~ /^### ([a-z_]+)\n\n(\d{3}) · (.+)\n\n(?=\S)/mg) {
    ok !$docs{$1}, "$1 has one section";
    $docs{$1} = "$2 $3";
}
is scalar(() = $docs =~ /^### /mg), scalar keys %docs, 'every section begins with status and title';

my %code;
my $table = slurp(src() . '/src/base/err.c');
while ($table =~ /\[ERR_\w+\]\s*=\s*\{\s*"([a-z_]+)",\s*(\d+),\s*"([^"]+)"/g) {
    $code{$1} = "$2 $3" if $1 ne 'none';
}
cmp_ok scalar keys %code, '>', 25, 'the table of the program was read';
is scalar(() = $table =~ /\[ERR_(?!COUNT\b)\w+\]\s*=/g), 1 + keys %code, 'wholly';

# nginx: the titles, and the statuses that lead to them.
my $http     = slurp(src() . '/nginx/http.conf');
my $problems = slurp(src() . '/nginx/errors.conf');
my ($titles) = $http =~ /map \$uri \$pets_problem_title \{(.*?)\n\}/s or BAIL_OUT('no titles in nginx/http.conf');
while ($titles =~ m{/\.problem/([a-z_]+) "([^"]+)"}g) {
    my ($name, $title) = ($1, $2);
    my ($from, $to) = $problems =~ m{^error_page ([\d ]+?)(?: =(\d+))? /\.problem/$name;}m or next;
    my $row = ($to // $from) . " $title";
    is $row, $code{$name}, "nginx and the program say the same of $name" if $code{$name};
    $code{$name} //= $row;
}

is_deeply \%docs, \%code, 'the sections are those of the codes';

my %in_errors;
for my $file ((map { src() . "/src/$_.c" } qw(http/body http/field http/request http/exchange auth/password_rules)), glob src() . '/src/api/*.c') {
    my $source = slurp($file);
    $in_errors{$1} = 1 while $source =~ /\bwrong\([^,]+,\s*"([a-z_]+)"/g;
    $in_errors{$1} = 1 while $source =~ /\bviolation_add\([^"]*(?:"[^"]*"[^"]*)?"([a-z_]+)",\s*"/g;
}
my ($section) = $docs =~ /^### validation_failed\n(.*?)^## /ms;
my %explained = map { $_ => 1 } map { /`([a-z_]+)`/g } map { (split /\|/)[1] } grep { /^\| `/ } split /\n/, $section;
is_deeply \%explained, \%in_errors, 'the codes of errors are explained';

done_testing;
