# nginx serves the pages of /docs: the reference, the guide and the errors, each with the headers that keep everything of
# others out, and nothing else of their folder. Every link and every anchor leads somewhere; every error's `type` does, and
# the guide's and the contract's links. What a browser makes of the reference is in docs-browser.t.
use v5.36;
use JSON::PP ();
use Pets::Env qw(built find_program run slurp src test_dir);
use Pets::Nginx;
use Pets::NginxCheck;
use Pets::Pages;
use Test::More;

my $text_csp = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
my $csp      = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    . "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
my $dir   = Pets::Pages::made();
my $nginx = Pets::Nginx->new(fakes => 1, plain_api => 1, openapi => built('openapi.json'), pages => $dir)->start;

my %file = (
    '/docs'               => ['reference.html', 'text/html; charset=utf-8'],
    '/docs/guide'         => ['guide.html',     'text/html; charset=utf-8'],
    '/docs/errors'        => ['errors.html',    'text/html; charset=utf-8'],
    '/docs/pages.css'     => ['pages.css',      'text/css; charset=utf-8'],
    '/docs/swagger-ui.css' => ['swagger-ui.css', 'text/css; charset=utf-8'],
    '/docs/swagger-ui.js' => ['swagger-ui.js',  'text/javascript; charset=utf-8'],
    '/docs/reference.js'  => ['reference.js',   'text/javascript; charset=utf-8'],
    '/docs/icon.png'      => ['icon.png',       'image/png'],
    '/docs/licences.txt'  => ['licences.txt',   'text/plain; charset=utf-8'],
);
my %page = map { $_ => slurp("$dir/$file{$_}[0]") } grep { $file{$_}[0] =~ /\.html\z/ } keys %file;

sub header ($answer, $name) { return $answer->{headers}{$name}[0] }

subtest 'what is there' => sub {
    for my $path (sort keys %file) {
        my ($name, $type) = $file{$path}->@*;
        my %expect = (cache => 'no-cache', vary => 'Accept-Encoding, Origin', csp => $path eq '/docs' ? $csp : $text_csp);
        my $answer = $nginx->request(GET => $path);
        headers_ok($answer, $path, %expect);
        is $answer->{status}, 200, "$path is there for anybody";
        is header($answer, 'content-type'), $type, "$path: $type";
        ok $answer->{body} eq slurp("$dir/$name"), "$path is $name, byte for byte";
        is header($answer, 'content-encoding'), undef, '... and not compressed for who has not asked';

        my $etag = header($answer, 'etag') // '';
        like $etag, qr/\A"[^"]+"\z/, "$path: a strong entity tag";
        my $again = $nginx->request(GET => $path, headers => ["If-None-Match: $etag"]);
        headers_ok($again, "$path again", %expect);
        is "$again->{status} $again->{body}", '304 ', 'who has it already gets no more than that';
        my $head = $nginx->request(HEAD => $path);
        headers_ok($head, "HEAD $path", %expect);
        is "$head->{status} $head->{body}", '200 ', "HEAD $path";
        is header($head, 'content-length'), length $answer->{body}, '... tells its length';

        my $small = $nginx->request(GET => $path, headers => ['Accept-Encoding: gzip']);
        headers_ok($small, "$path compressed", %expect);
        next if $type eq 'image/png';
        is header($small, 'content-encoding'), 'gzip', "$path compressed";
        is header($small, 'content-type'), $type, '... of the same type';
        isnt header($small, 'etag'), $etag, '... with an entity tag of its own';
        ok $small->{body} eq slurp("$dir/$name.gz"), "... is $name.gz";
        my ($status, $out) = run(['gzip', '-dc', "$dir/$name.gz"]);
        ok !$status && $out eq $answer->{body}, '... which is the same';
    }
    is_deeply [sort map { s{.*/}{}r } glob "$dir/*"], [sort map { my ($name) = @$_; $name =~ /png\z/ ? $name : ($name, "$name.gz") } values %file],
        'that is all of the folder';
};

subtest 'what is not' => sub {
    for my $path (qw(/docsx /docs.html /docs/reference /docs/reference.html /docs/guide.html /docs/guide/ /docs/guide.html.gz /docs/errors.gz
        /docs/x /docs//guide /docs/%67uide /docs/./guide /docs/../docs/guide /docs/..%2fpages/guide /docs/guide%0a /docs%0a
        /docs%2fguide /DOCS /docs/GUIDE /docs/index.html /docs/package.json /x/../docs)) {
        problem_ok($nginx->request(GET => $path), 404, 'not_found', "$path: nothing", instance => $path);
    }
    my $slash = $nginx->request(GET => '/docs/');
    headers_ok($slash, '/docs/', cache => 'no-cache', vary => 'Accept-Encoding, Origin', csp => $text_csp);
    is "$slash->{status} " . header($slash, 'location'), '308 /docs', '/docs/ is /docs';
    is $nginx->request(GET => '/docs?x=1')->{status}, 200, 'a query string is not looked at';
};

subtest 'methods' => sub {
    for my $path (qw(/docs /docs/errors /docs/reference.js)) {
        for my $method (qw(POST PUT PATCH DELETE OPTIONS TRACE PROPFIND FOO)) {
            my $answer = $nginx->plain($method => $path, $method =~ /\AP[OU]/ ? (body => '{}') : ());
            problem_ok($answer, 405, 'method_not_allowed', "$method $path", tls => 0, instance => $path);
            is header($answer, 'allow'), 'GET, HEAD', '... with Allow';
        }
    }
    problem_ok($nginx->plain(DELETE => '/docs/x'), 404, 'not_found', 'of what is not there', tls => 0, instance => '/docs/x');
};

subtest 'plain HTTP' => sub {
    problem_ok($nginx->request(GET => '/docs', scheme => 'http'), 400, 'tls_required', 'is refused', tls => 0, instance => '/docs');
};

# --- the texts ------------------------------------------------------------------------------------------

my %ids = map { $_ => [$page{$_} =~ /\sid="([^"]*)"/g] } keys %page;

# Whether an address, as it stands on a page, leads to something.
sub leads ($from, $link) {
    return 1 if $link =~ m{\Ahttps://[a-z.]+/};    # others are not asked
    my ($path, $anchor) = $link =~ m{\A(/[^#?]*|)(?:#(.+))?\z} or return 0;
    $path = $from if !length $path;
    return !defined $anchor if $path eq '/openapi.json';
    $file{$path} or return 0;
    return !defined $anchor || grep { $_ eq $anchor } ($ids{$path} // [])->@*;
}

subtest 'links and anchors' => sub {
    my $links = 0;
    for my $path (sort keys %page) {
        my %count;
        $count{$_}++ for $ids{$path}->@*;
        is join(' ', grep { $count{$_} > 1 } sort keys %count), '', "$path: no two anchors of one name";
        my @links = $page{$path} =~ /\s(?:href|src)="([^"]*)"/g;
        $links += @links;
        is join(' ', grep { !leads($path, $_) } @links), '', "$path: its links lead somewhere";
        unlike $page{$path}, qr/<script(?![^>]*src=)|\sstyle=|<style|\son\w+=|javascript:/i, "$path has no script or style of its own";
        unlike $page{$path}, qr/raw HTML omitted|@[A-Z]+@/, '... and nothing was left out or open';
        like $page{$path}, qr/\A<!DOCTYPE html>\n<html lang="en">/, '... and is HTML';
    }
    cmp_ok $links, '>', 100, "$links in all";
    ok !leads('/docs/guide', $_), "$_ would be found out" for '#nothing', '/docs/errors#nothing', '/docs/nothing', 'errors', 'http://example.com/';

    # The Markdown is read where it lies, too.
    for my $name (qw(guide errors)) {
        my @targets = slurp(src() . "/docs/$name.md") =~ /\]\(([^)#]+)/g;
        is join(' ', grep { !/\Ahttps?:/ && !-e src() . "/docs/$_" } @targets), '', "$name.md: its links lead to files";
    }
};

subtest 'errors' => sub {
    my @codes = slurp(src() . '/docs/errors.md') =~ /^### ([a-z_]+)$/mg;
    cmp_ok scalar @codes, '>', 30, 'errors.md was read';
    is join(' ', grep { !leads('/', "/docs/errors#$_") } @codes), '', 'the type of each error leads to its section';
    my $problem = $nginx->request(GET => '/v3')->{json};
    ok leads('/', $problem->{type}), "such as $problem->{type}";
    my ($section) = $page{'/docs/errors'} =~ m{<h3 id="not_found">(.*?)<h[23]}s;
    like $section, qr/<p>404 .+ There is nothing here</, 'where it is explained';
};

subtest 'contract' => sub {
    my $text = slurp(built('openapi.json'));
    my %link = map { $_ => 1 } $text =~ m{(/docs(?:/[a-z.-]*)?(?:#[a-z_]+)?)(?=["\)\s])}g;
    cmp_ok scalar keys %link, '>', 30, 'it names addresses of /docs';
    is join(' ', grep { !leads('/docs', $_) } sort keys %link), '', 'which lead somewhere';
};
$nginx->stop;

# --- where they are not installed, and a compiler that looks ------------------------------------------------

my $empty = Pets::Nginx->new(dir => test_dir() . '/empty', fakes => 1)->start;
problem_ok($empty->request(GET => '/docs'), 404, 'not_found', 'where there are no pages: a problem', instance => '/docs');
$empty->stop;

subtest 'compile-pages' => sub {
    my $copy = test_dir() . '/docs';
    for my $case (
        ['as it is',              sub ($text) { $text }, undef],
        ['no such anchor',        sub ($text) { $text . "\n[x](errors.md#nothing)\n" }, qr{nothing is at /docs/errors#nothing}],
        ['no such anchor here',   sub ($text) { $text . "\n[x](#nothing)\n" }, qr{nothing is at #nothing}],
        ['no such page',          sub ($text) { $text . "\n[x](manual.md)\n" }, qr{there is no page of manual\.md}],
        ['two headings',          sub ($text) { $text . "\n## Paging\n" }, qr{two headings are paging}],
    ) {
        my ($name, $change, $why) = @$case;
        system('rm', '-rf', $copy, "$copy.out");
        system('cp', '-r', src() . '/docs', $copy) == 0 or die "cp failed\n";
        Pets::Env::spew("$copy/guide.md", $change->(slurp("$copy/guide.md")));
        my ($status, $out, $err) = run(["$copy/compile-pages", find_program('cmark-gfm'), Pets::Env::build() . '/swagger-ui/node_modules/swagger-ui-dist', "$copy.out"]);
        is $status == 0 ? 1 : 0, defined $why ? 0 : 1, $name or diag $err;
        like $err, $why, '... is told' if defined $why;
    }
};
done_testing;
