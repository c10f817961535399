# Public keys as others see them: the JWK set, which may be cached, and what a worker does that meets a token whose kid
# it does not know: it looks once for new keys, and not again for ten seconds, whoever asks.
use v5.36;
use File::Copy qw(copy);
use Pets::Env qw(wait_until);
use Pets::Service;
use Pets::Token;
use Test::More;

my $service = Pets::Service->new(hosts => 1)->start;    # what each pool remembers is its own
my $user    = $service->user;
my $dir     = $service->public_keys_dir;
my $forge   = Pets::Token->new(key => $service->signing_key_file, like => $user->token);
my $client  = $service->client;
my %path    = (api => '/v1/pets', auth => '/v1/me');

# Another private key, not published; its file and kid.
sub unpublished ($name) {
    my $key = Pets::Token->new_key($name);
    return ($key, Pets::Token->jwk($key)->{kid});
}

sub publish ($key, $kid) {
    my ($status, $pem, $err) = Pets::Env::run([Pets::Env::tool('openssl'), 'pkey', '-in', $key, '-pubout']);
    $status == 0 or die $err;
    Pets::Env::spew("$dir/$kid.pub.pem", $pem, 0644);
    return;
}

sub token_of ($key, $kid, %claims) { return $forge->make(key => $key, header => { kid => $kid }, claims => \%claims) }
sub answer ($pool, $token) { return $user->get($path{$pool}, token => $token)->status }
sub looks ($pool) { return $service->$pool->metrics->{pets_key_lookups_total} }

subtest 'the JWK set' => sub {
    my $reply = $client->get('/.well-known/jwks.json');
    is $reply->header('content-type'),  'application/jwk-set+json', 'media type';
    is $reply->header('cache-control'), 'public, max-age=300',      'it may be kept for five minutes';
    my $etag = $reply->etag;
    like $etag, qr/\A"[0-9]+"\z/, 'it has an entity tag';
    my $again = $client->get('/.well-known/jwks.json', if_none_match => $etag);
    is $again->status . length $again->body, '3040', 'the same keys: 304, and nothing more';
    is $again->header('cache-control'), 'public, max-age=300', 'which may be kept, too';
    is $again->etag, $etag, 'with the tag';
    is $client->get('/.well-known/jwks.json', if_none_match => '"1"')->status, 200, 'other keys: all of them';
    is $client->head('/.well-known/jwks.json')->etag, $etag, 'HEAD says it, too';

    # A key that is published and does not sign yet is in it from the next reload on, for ES256 alone.
    $service->new_signing_key;
    $service->auth->reload;
    $reply = undef;
    wait_until { $reply = $service->client->get('/.well-known/jwks.json'); $reply->json->{keys}->@* == 2 } 30, 'the new key to be in the set';
    isnt $reply->etag, $etag, 'another entity tag';
    my @keys = $reply->json->{keys}->@*;
    is_deeply [map { join ' ', @$_{qw(kty crv alg use)} } @keys], [('EC P-256 ES256 sig') x 2], 'both for ES256, to verify';
    is_deeply [sort map { keys %$_ } @keys], [sort((qw(kty crv alg use kid x y)) x 2)], 'and nothing else of them';
    $service->api->reload;
};

subtest 'a kid that is not known' => sub {
    for my $pool (qw(api auth)) {
        my ($key, $kid) = unpublished("first-$pool");
        my $token = token_of($key, $kid);
        publish($key, $kid);
        my ($before, $mark) = (looks($pool), $service->$pool->log_mark);
        is answer($pool, $token), 200, "$pool: a key published a moment ago is found";
        is looks($pool) - $before, 1, "$pool: by one look";
        ok $service->$pool->log_wait(sub ($event) { ($event->{event} // '') eq 'keys_renewed' }, 10, $mark), "$pool: which is logged";
        is answer($pool, $token), 200, "$pool: it is known from then on";

        my ($second, $second_kid) = unpublished("second-$pool");
        is answer($pool, token_of($second, $second_kid, jti => sprintf '019b0000-0000-7000-8000-%012d', $_)), 401, "$pool: of another key: refused" for 1 .. 20;
        publish($second, $second_kid);
        is answer($pool, token_of($second, $second_kid)), 401, "$pool: even when it is published";
        is looks($pool) - $before, 1, "$pool: within ten seconds nobody looks again";
        $service->$pool->reload;
        wait_until { answer($pool, token_of($second, $second_kid)) == 200 } 30, "$pool: a reload to know it";
        pass "$pool: a reload knows it";
        unlink map { "$dir/$_.pub.pem" } $kid, $second_kid;
    }
};

subtest 'what is no token of ours makes nobody look' => sub {
    $service->$_->reload for qw(api auth);
    my ($key, $kid) = unpublished('none');
    for my $pool (qw(api auth)) {
        wait_until { grep { $_->{state} eq 'ready' } $service->$pool->status(full => 1)->{processes}->@* } 30, 'the new generation';
        my $before = looks($pool);
        is answer($pool, $_), 401, "$pool: refused"
            for map { $forge->make(key => $key, header => $_) } { kid => substr $kid, 1 }, { kid => "$kid=" }, { kid => $kid, typ => 'JWT' }, { kid => $kid, alg => 'ES384' },
            { kid => $kid, alg => 'none' }, { kid => $kid, jku => 'https://localhost/' };
        is answer($pool, $forge->make(key => $key)), 401, "$pool: a known kid, another key";
        is looks($pool), $before, "$pool: nobody looks";
    }
};

subtest 'a directory that is bad' => sub {
    my $token = $user->token;
    my ($key, $kid) = unpublished('bad');
    publish($key, $kid);
    for my $pool (qw(api auth)) {
        is answer($pool, $token), 200, "$pool: before";
        my $mark = $service->$pool->log_mark;
        chmod 0777, $dir;
        is answer($pool, token_of($key, $kid)), 401, "$pool: refused: others may write there";
        my $event = $service->$pool->log_wait(sub ($event) { ($event->{event} // '') eq 'keys_unreadable' }, 10, $mark);
        like $event->{error}, qr/may be written by group or others/, "$pool: the log says why";
        is answer($pool, $token), 200, "$pool: the keys of before are good still";
        chmod 0755, $dir;
    }
};

subtest 'a key that is gone' => sub {
    my ($gone, $gone_kid) = unpublished('gone');
    publish($gone, $gone_kid);
    $service->$_->reload for qw(api auth);
    for my $pool (qw(api auth)) {
        my $token = token_of($gone, $gone_kid);
        wait_until { answer($pool, $token) == 200 } 30, 'the new generation';
        is answer($pool, $token), 200, "$pool: its token is known";
    }
    unlink "$dir/$gone_kid.pub.pem";
    my ($other, $other_kid) = unpublished('other');
    publish($other, $other_kid);
    for my $pool (qw(api auth)) {
        my $token = token_of($gone, $gone_kid);
        is answer($pool, token_of($other, $other_kid)), 200, "$pool: another key is found";
        is answer($pool, $token), 401, "$pool: what was known of the one that is gone is forgotten";
    }
};

done_testing;
