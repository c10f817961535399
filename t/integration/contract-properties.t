# The running service keeps the contract (docs/openapi.yaml): requests made from it, good and bad, from nobody, a user, an
# administrator and an API key, are answered as it says. Reads t/contract/properties.mjs, which does it. The requests
# follow from a seed: PETS_SEED, or else the commit, so that each commit tries others and the same ones each time.
use v5.36;
use JSON::PP ();
use Pets::Env qw(built run spew src test_dir);
use Pets::Npm;
use Pets::Service;
use Test::More;

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);
my $json  = JSON::PP->new->utf8->canonical;
my $place = Pets::Npm->workplace(qw(properties.mjs contract.mjs generate.mjs http.mjs));
my ($status, $commit) = run(['git', '-C', src(), 'rev-parse', 'HEAD']);
my $seed = $ENV{PETS_SEED} // (!$status && $commit =~ /\A([0-9a-f]{7})/ ? hex $1 : 1);
note "seed $seed";

my $service = Pets::Service->new->start;
my ($user, $other, $leaver, $admin) = ((map { $service->user } 1 .. 3), $service->admin);
my @victims = map { $service->user->id } 1 .. 3;
my @pets    = map { $service->pet($user, name => "Pet $_")->{id} } 1 .. 3;
push @pets, $service->pet($other, microchip => '276000000000001')->{id};
my @transfers = map {
    my ($giver, $to) = @$_;
    my $reply = $giver->post('/v1/pets/' . $service->pet($giver)->{id} . '/transfers', { to_email => $to->email });
    $reply->status == 201 or die $reply->summary . "\n";
    $reply->json->{id};
} ([$user, $other], [$other, $user], [$other, $user], [$other, $admin]);
my %key = map {
    my $reply = $user->post('/v1/me/api-keys', { name => 'A script', scopes => ["pets:$_"] });
    $reply->status == 201 or die $reply->summary . "\n";
    $_ => $reply->json->{key};
} qw(read write);

my %config = (
    url      => $service->url,
    ca       => $service->ca_file,
    contract => built('openapi.json'),
    seed     => 0 + $seed,
    runs     => 0 + ($ENV{PETS_RUNS} // 25),
    limitMs  => 10_000,
    maxBody  => 65_536,
    actors   => {
        nobody => { has => [] },
        user   => { scheme => 'accessToken', has => [], token => $user->token },
        admin  => { scheme => 'accessToken', has => ['ADMIN'], token => $admin->token },
        reader => { scheme => 'apiKey', has => ['pets:read'],  token => $key{read} },
        writer => { scheme => 'apiKey', has => ['pets:write'], token => $key{write} },
    },
    leaver => { email => $leaver->email, password => $leaver->password },
    known => {
        pets    => \@pets,
        victims => \@victims,
        transfers => \@transfers,
        cursors => [$user->get('/v1/pets', query => { limit => 1 })->json->{page}{next}],
        microchips => ['276000000000001'],
        emails     => [$other->email],
        nothing => '019b0000-0000-7000-8000-00000000dead',
    },
);
my $file = spew(test_dir() . '/config.json', $json->encode(\%config), 0600);

my ($ended, $out, $err) = $place->node('properties.mjs', $file, { timeout => 400 });
my $done;
for my $line (split /\n/, $out) {
    my $point = eval { $json->decode($line) } // do { diag $line; next };
    if ($point->{done}) {
        $done = $point->{done};
        next;
    }
    my $name = $point->{name} . ($point->{runs} ? ": $point->{runs} requests" : '');
    ok !$point->{complaints}->@*, $name or diag join "\n", $point->{complaints}->@*,
        grep { defined } ($point->{seed} ? "seed $point->{seed}, path $point->{path}: the smallest request is" : 'the first request is'), @$point{qw(request answer)};
}
is $ended, 0, 'the tester came to its end' or diag $err;
cmp_ok $done // 0, '>', 1000, 'having sent ' . ($done // 'few') . ' requests';

# What the service itself takes for a fault is in its logs.
for my $pool ($service->api, $service->auth) {
    my @faults = grep { $_->{level} =~ /error|critical/ } $pool->log_events;
    is join(' ', map { $json->encode($_) } @faults[0 .. ($#faults > 3 ? 3 : $#faults)]), '', 'no fault in the log of pool ' . $pool->name;
}
done_testing;
