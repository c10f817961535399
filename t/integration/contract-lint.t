# docs/openapi.yaml passes Redocly's strict lint, and Spectral's with the OWASP ruleset; every exception has its reason
# beside it, in t/contract/spectral.yaml. And both linters do look: a document with a fault is refused.
use v5.36;
use JSON::PP ();
use Pets::Env qw(slurp spew src);
use Pets::Npm;
use Test::More;

my $place = Pets::Npm->workplace(qw(redocly.yaml spectral.yaml));
my $text  = slurp(src() . '/docs/openapi.yaml');

# No 401 any more where a token is needed; and an operation of the name of another.
my $faulty = $text =~ s/^(  \/v1\/me:\n    get:.*?)^        "401": [^\n]*\n/$1/msr =~ s/operationId: getMe\b/operationId: getPet/r;
isnt $faulty, $text, 'a faulty copy';
spew($place->dir . '/openapi.yaml', $text);
spew($place->dir . '/faulty.yaml', $faulty);

for my $file (qw(openapi faulty)) {
    my ($status, $out, $err) = $place->tool('@redocly/cli/bin/cli.js', 'lint', '--config', 'redocly.yaml', "$file.yaml");
    if ($file eq 'openapi') {
        is $status, 0, 'Redocly has nothing to say' or diag $out, $err;
        next;
    }
    isnt $status, 0, 'Redocly refuses the faulty copy';
    like "$out$err", qr/operation-operationId-unique/, '... for what is wrong with it';
}

# Both at once, since starting it takes longer than looking.
my (undef, $out, $err) = $place->tool('@stoplight/spectral-cli/dist/index.js', 'lint', '--ruleset', 'spectral.yaml',
    '--fail-severity', 'hint', '--format', 'json', '--quiet', 'openapi.yaml', 'faulty.yaml');
my $results = eval { JSON::PP->new->utf8->decode($out) } // BAIL_OUT("Spectral: $out$err");
my @said = map { ($_->{source} =~ m{(\w+)\.yaml\z})[0] . ": $_->{code} " . join('.', $_->{path}->@*) . ": $_->{message}" } @$results;
is join("\n", grep { !/\Afaulty: / } @said), '', 'nor has Spectral, with the OWASP rules';
ok scalar(grep { /\Afaulty: owasp:api8:2023-define-error-responses-401 / } @said), 'and it finds what is wrong with the faulty copy' or diag join "\n", @said;

done_testing;
