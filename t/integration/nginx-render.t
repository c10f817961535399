# nginx/render: settings are filled in, mistakes are refused before anything is written, and the site's own
# file is kept. And the shipped files themselves: no add_header outside problems.conf, no location without
# an end.

use v5.36;
use FindBin qw($Bin);
use File::Temp;
use Test::More;

my $source  = "$Bin/../../nginx";
my $scratch = File::Temp->newdir;

sub render (@arguments) {
    my $pid = open my $output, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "dup: $!";
        exec "$source/render", @arguments or die "render: $!";
    }
    local $/ = undef;
    my $said = <$output>;
    close $output;
    return ($? >> 8, $said // '');
}

sub read_file ($path) {
    open my $file, '<', $path or die "$path: $!";
    local $/ = undef;
    return scalar <$file>;
}

my %default = read_file("$source/settings") =~ /^([A-Z_]+)=(.*)$/mg;
my ($status, $said) = render("$scratch/usual");
is "$status$said", '0', 'the defaults are enough';
my $all = join '', map { read_file($_) } glob "$scratch/usual/*.conf";
unlike $all =~ s/^\s*#.*$//mgr, qr/@[A-Z_]+@/, 'no placeholder is left';
like $all, qr/server unix:\Q$default{API_SOCKET}\E /, 'the default socket';

# Of rates and bursts a time is computed; the others can be anything.
my %other = ((map { $_ => "/other/$_&|x" } keys %default), LIMIT_RATE => '7r/m', LIMIT_BURST => 77, AUTH_RATE => '8r/s', AUTH_BURST => 85);
my @other = map { "$_=$other{$_}" } sort keys %other;
($status, $said) = render("$scratch/other", @other);
is "$status$said", '0', 'every setting can be set';
my $text = join '', map { read_file($_) } glob "$scratch/other/*.conf";
like $text, qr{\Q$other{$_}\E}, "$_ is used, as it was given" for sort keys %default;
like $text, qr/"address";q=77;w=660\b/, 'so long until a burst is forgotten';
like $text, qr/"sign-in";q=85;w=11\b/, 'also where that is no whole second';

# Several servers of a pool.
sub upstream ($dir) { return (read_file("$dir/http.conf") =~ /^upstream pets_api \{\n(.*?)^    keepalive /ms)[0] }
is upstream("$scratch/usual"), "    server unix:$default{API_SOCKET} max_fails=0;\n", 'one server is never left out';
($status, $said) = render("$scratch/hosts", 'API_SOCKET=/a.sock,10.0.0.2:9001,[fd00::2]:9001');
is "$status$said", '0', 'several servers';
is upstream("$scratch/hosts"), join('', map { "    server $_ max_fails=1 fail_timeout=5s;\n    server $_ max_fails=0 backup;\n" } 'unix:/a.sock', '10.0.0.2:9001', '[fd00::2]:9001'),
    'each is there, and once more for when all have failed';
like read_file("$scratch/hosts/http.conf"), qr/"~\^\(\?:0\|0 : 0\)\$" "";/, 'three servers: two more tries';
like read_file("$scratch/usual/http.conf"), qr/"~\^\(\?:none\)\$" "";/, 'one server: none';

for my $wrong ('NOPE=1', 'API_SOCKET=/a,,/b', 'AUTH_SOCKET=/a, /b', 'api_socket=/x', 'API_SOCKET=', 'SERVER_NAME=a; evil on', "SERVER_NAME=a\nb", 'SERVER_NAME={', 'MAX_BODY="1', '=x', 'API_SOCKET.*=x', 'LIMIT_RATE=fast', 'LIMIT_RATE=1r/h', 'AUTH_RATE=0r/s', 'LIMIT_RATE=r/s', 'AUTH_BURST=many') {
    ($status, $said) = render("$scratch/wrong", $wrong);
    isnt $status, 0, 'refused: ' . ($wrong =~ s/\n/\\n/r);
    like $said, qr/\Arender: /, 'and says why';
}
ok !-e "$scratch/wrong", 'and nothing was written';
($status) = render();
isnt $status, 0, 'a folder is needed';

open my $map, '>', "$scratch/usual/cors-origins.map" or die $!;
print $map "https://kept.test 1;\n";
close $map;
render("$scratch/usual");
is read_file("$scratch/usual/cors-origins.map"), "https://kept.test 1;\n", "the site's origins are kept";

for my $path (glob "$source/*.conf") {
    my ($name) = $path =~ m{([^/]+)\z};
    my $conf = read_file($path) =~ s/#.*$//mgr;
    unlike $conf, qr/\badd_header\b/, "$name: no add_header, it would hide those of problems.conf" if $name ne 'problems.conf';
    like $conf, qr/^include pets-api\/errors\.conf;$/m, "$name: an error_page hides those of errors.conf, so they are there, too"
        if $conf =~ /\berror_page\b/ && $name ne 'errors.conf';
    unlike $conf, qr/\bif\s*\([^)]*\)\s*\{(?!\s*return \d+;\s*\})/, "$name: an if does nothing but return";
}

# A code means the same whoever answers it.
my $program = read_file("$Bin/../../src/base/err.c") =~ s/"\s*\n\s*"//gr;
my %known   = map { $_->[0] => $_ } map { [/"([a-z_]+)",\s*(\d+),\s*"([^"]*)"/] } $program =~ /(\{"[a-z_]+",\s*\d+,\s*"[^"]*")/g;
my ($titles) = $all =~ /(map \$uri \$pets_problem_title \{.*?^\})/ms;
my %title   = $titles =~ m{/\.problem/(\w+) "([^"]+)"}g;
$title{internal_error} = ($titles =~ /default "([^"]+)"/)[0];
my %status = map { my ($list, $code) = @$_; $code => [split ' ', $list] } map { [m{^error_page ([\d ]+?) (?:=\d+ )?/\.problem/(\w+)}] }
    grep { m{^error_page .*/\.problem/} } split /\n/, $all;
is_deeply [sort keys %title], [sort keys %status], 'each problem has a title, each title a problem';
cmp_ok scalar(grep { $known{$_} } keys %title), '>', 8, 'codes in common with the program';
for my $code (grep { $known{$_} } sort keys %title) {
    is $title{$code}, $known{$code}[2], "$code: one title";
    ok((grep { $_ == $known{$code}[1] } @{$status{$code} // []}), "$code: one status");
}

done_testing;
