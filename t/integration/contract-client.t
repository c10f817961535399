# A client made from the contract works: openapi-typescript makes types of docs/openapi.yaml, tsc accepts a client that is
# written with them and openapi-fetch (t/contract/client.ts) and refuses one with mistakes, and the client and the running
# service understand each other.
use v5.36;
use JSON::PP ();
use Pets::Env qw(built slurp spew);
use Pets::Npm;
use Pets::Service;
use Test::More;

my $place = Pets::Npm->workplace(qw(client.ts mistakes.ts globals.d.ts tsconfig.json));
spew($place->dir . '/package.json', '{"type":"module"}');
spew($place->dir . '/openapi.json', slurp(built('openapi.json')));

my ($status, $out, $err) = $place->tool('openapi-typescript/bin/cli.js', 'openapi.json', '-o', 'schema.d.ts', '--default-non-nullable=false');
is $status, 0, 'types are made of the contract' or diag $out, $err;

# Both files at once: each start of the compiler reads all types.
my $options = JSON::PP->new->decode(slurp($place->dir . '/tsconfig.json'));
push $options->{files}->@*, 'mistakes.ts';
spew($place->dir . '/tsconfig.json', JSON::PP->new->encode($options));
($status, $out, $err) = $place->tool('typescript/bin/tsc', '--pretty', 'false', '-p', '.');
is join("\n", grep { !/\Amistakes\.ts\(/ && /\S/ && !/\A / } split /\n/, $out), '', 'the client compiles' or diag $err;
my %refused = map { $_ => 1 } $out =~ /^mistakes\.ts\((\d+),/mg;
my $number = 0;
my @mistakes = map { $number++; m{// mistake$} ? $number : () } split /\n/, slurp($place->dir . '/mistakes.ts');
cmp_ok scalar @mistakes, '>', 5, 'there are mistakes to be found';
is join(' ', sort { $a <=> $b } keys %refused), "@mistakes", 'each mistake is refused, and nothing else' or diag $out;

my $service = Pets::Service->new->start;
my @points;
($status, $out, $err) = $place->node('client.ts', $service->url, 'the secret words of a client',
    { env => { NODE_EXTRA_CA_CERTS => $service->ca_file } });
for my $line (split /\n/, $out) {
    my $point = eval { JSON::PP->new->utf8->decode($line) } // do { diag $line; next };
    ok $point->{good}, $point->{name} or diag JSON::PP->new->allow_nonref->encode($point->{more});
    push @points, $point;
}
is $status, 0, 'the client came to its end' or diag $err;
cmp_ok scalar @points, '>', 20, 'having made ' . @points . ' points';
done_testing;
