# The reference at /docs works in a browser, within its Content-Security-Policy: somebody logs in, authorizes and creates a
# pet through the page, opens all of it, and no violation, no error and no request to anywhere else comes of it. Reads
# t/contract/page.mjs, which drives Debian's Chromium.
use v5.36;
use JSON::PP ();
use Pets::Env qw(built find_program spew test_dir);
use Pets::Npm;
use Pets::Pages;
use Pets::Service;
use Test::More;

my $browser = find_program('chromium') // die "chromium is not installed (Debian: apt-get install chromium)\n";
my $json    = JSON::PP->new->utf8->canonical;
my $place   = Pets::Npm->workplace(qw(page.mjs));
Pets::Pages::made();
my $service = Pets::Service->new->start;
my $user    = $service->user;
my $pet     = "Made by a page $$";
my %config  = (
    url         => $service->url,
    certificate => $service->nginx->ca->cert_file,
    browser     => $browser,
    contract    => built('openapi.json'),
    email       => $user->email,
    password    => $user->password,
    pet         => $pet,
    timeout     => 60_000,
);
my $file = spew(test_dir() . '/config.json', $json->encode(\%config), 0600);

my ($ended, $out, $err) = $place->node('page.mjs', $file, { timeout => 400, env => { XDG_CONFIG_HOME => test_dir() . '/browser', XDG_CACHE_HOME => test_dir() . '/browser' } });
my %said;
for my $line (split /\n/, $out) {
    my $point = eval { $json->decode($line) } // do { diag $line; next };
    $said{$_} = $point->{$_} for grep { $_ ne 'name' && $_ ne 'complaints' } keys %$point;
    is join("\n", $point->{complaints}->@*), '', $point->{name};
}
is $ended, 0, 'the browser came to its end' or diag $err;
ok $said{done}, 'and all was done';

my $made = $user->get("/v1/pets/$said{pet}");
is $made->json->{name}, $pet, 'the pet is there' or diag $made->summary;
is scalar $user->get('/v1/pets')->json->{items}->@*, 1, 'once';

# Where the links of the reference lead, docs-page.t says of the contract; here of what the browser has made of it.
my $client = $service->client;
is join(' ', grep { !m{\Ahttps?://} && !/\A#/ && $client->get(s/#.*//r)->status != 200 } $said{links}->@*), '', 'its links lead somewhere';
done_testing;
