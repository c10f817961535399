# What the tests use is known to whoever searches their logs, by whatever way it came: each secret of a service that was
# used by its clients, by FastCGI, by petsctl and by mail, planted in a log, is found; and without it nothing is.
use v5.36;
use Pets::Env qw(bin run slurp spew test_dir);
use Pets::Secrets;
use Pets::Service;
use Pets::Totp;
use Test::More;

plan skip_all => 'the runner says where secrets are noted' if !defined $ENV{PETS_TEST_DIR};

my $dir     = test_dir();
my $service = Pets::Service->new(mail => 1)->start;
my $ann     = $service->user(email => 'ann.lee@example.org', password => 'a password in the client')->enrol;
my $client  = $service->client;
my $key     = $ann->post('/v1/me/api-keys', { name => 'x', scopes => ['pets:read'] })->json->{key};
my $waiting = $client->post('/v1/auth/login', { email => $ann->email, password => $ann->password })->json->{mfa_token};
my $ben     = $service->user;
$client->post('/v1/auth/password-reset', { email => $ben->email });
my $link = ($service->mail)[-1]{token};
$client->post('/v1/auth/password-reset/confirm', { token => $link, password => 'a password by the link' });
$client->post('/v1/auth/login', { email => $ben->email, password => 'a password that is wrong' });

$service->add_user('cat@example.org', 'a password for petsctl');
my ($status, $out, $err) = run([bin('petsctl'), '-c', $service->ops_config, 'user', 'reset-link', $ben->email, '--reason', 'x']);
my ($made) = $out =~ /(pl_[\w-]+)/ or diag $err;
my $direct = $service->auth->connect->request(method => 'POST', uri => '/v1/auth/login', body => { email => 'cat@example.org', password => 'a password for petsctl' })->{json};
my $wrong  = $service->auth->connect->request(method => 'POST', uri => '/v1/auth/login', body => { email => 'dan@example.org', password => 'a password by FastCGI' });

my %secret = (
    'a password'                 => $ann->password,
    'one that is wrong'          => 'a password that is wrong',
    'one that was chosen anew'   => 'a password by the link',
    'one for petsctl'            => 'a password for petsctl',
    'one by FastCGI'             => 'a password by FastCGI',
    'an e-mail address'          => $ann->email,
    'an access token'            => $ann->token,
    'a refresh token'            => $ann->refresh_token,
    'an access token by FastCGI' => $direct->{access_token},
    'a refresh token by FastCGI' => $direct->{refresh_token},
    'an API key'                 => $key,
    'a token of a login'         => $waiting,
    'a link that was mailed'     => $link,
    'a link of petsctl'          => $made,
    'a secret of codes'          => $ann->app->secret,
    'a recovery code'            => ($ann->recovery_codes)[9],
    'the pepper'                 => slurp($service->pepper_file) =~ s/\s+\z//r,
    'the key of refresh tokens'  => slurp($service->refresh_key_file) =~ s/\s+\z//r,
    'the key of second factors'  => slurp($service->mfa_key_file) =~ s/\s+\z//r,
    'the key of links'           => slurp($service->link_key_file) =~ s/\s+\z//r,
    'the signing key'            => (split /\n/, slurp($service->signing_key_file))[1],
    (map { ("the password of $_" => slurp($service->password_file($_)) =~ s/\s+\z//r) } qw(pets_api pets_auth pets_ops pets_mail)),
);

is_deeply [Pets::Secrets::search($dir, 'x')], [], 'no log has one';
for my $name (sort keys %secret) {
    cmp_ok length($secret{$name} // ''), '>=', Pets::Secrets::LEAST, "$name: long enough to be told";
    # A password of people says nothing by its form.
    my $planted = spew("$dir/planted.log", "somebody logged ($secret{$name}) here\n");
    my @finds = Pets::Secrets::search($dir, 'x');
    unlink $planted;
    is scalar @finds, 1, "$name: found" or next;
    like $finds[0], qr{\A\Q$planted\E:1: a secret \([^)]+\): somebody logged \(<[^>]+>\) here\z}, "$name: named, and not told";
}
done_testing;
