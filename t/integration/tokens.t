# Attacks on access tokens, at both pools: whatever is not exactly a token of ours, in force, is refused with 401
# and says nothing about why. Every forged token differs from a good one in the one thing it is named after.
use v5.36;
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Pets::Env qw(run slurp tool wait_until);
use Pets::Service;
use Pets::Token;
use Test::More;

my $service = Pets::Service->new(config => { both => { token => { leeway_s => 0 } } })->start;
my $user    = $service->user;
my $other   = $service->user;
my $good    = $user->token;
my $key     = $service->signing_key_file;
my $forge   = Pets::Token->new(key => $key, like => $good);
my $json    = JSON::PP->new->utf8->canonical;
my $now     = time;
my @places  = (['api', '/v1/pets'], ['auth', '/v1/me']);

my ($head, $body, $signature) = split /\./, $good;
my $public_pem = slurp($key =~ s{/private/(.*)\.pem\z}{/public/$1.pub.pem}r);
my (undef, $public_der) = run([tool('openssl'), 'pkey', '-pubin', '-outform', 'DER'], stdin => $public_pem);
my $attacker     = Pets::Token->new_key('attacker');
my $attacker_jwk = Pets::Token->jwk($attacker);
my $kid          = $forge->header->{kid};

subtest 'what a token of ours looks like' => sub {
    is_deeply [sort keys $forge->header->%*], [qw(alg kid typ)], 'header';
    is $forge->header->{alg}, 'ES256', 'alg';
    is $forge->header->{typ}, 'at+jwt', 'typ';
    is $kid, Pets::Token->jwk($key)->{kid}, 'kid is the thumbprint of the key';
    my $claims = $forge->claims;
    is $claims->{iss}, $service->issuer, 'iss';
    is $claims->{aud}, 'pets-api', 'aud';
    is $claims->{sub}, $user->id, 'sub';
    is $claims->{sid}, $user->session_id, 'sid';
    is $claims->{exp} - $claims->{iat}, 600, 'ten minutes';
    cmp_ok length $good, '<', 1000, 'and it is short';
    my $jwks = $service->client->get('/.well-known/jwks.json')->json;
    my ($published) = grep { $_->{kid} eq $kid } $jwks->{keys}->@*;
    is $published->{x}, Pets::Token->jwk($key)->{x}, 'the key is published';
    ok !exists $published->{d}, 'its private half is not';
};

subtest 'a copy made with the key is as good' => sub {
    accepted('signed again', $forge->make);
    accepted('another jti', $forge->make(claims => { jti => '019b0000-0000-7000-8000-000000000001' }));
};

sub accepted ($name, $token) {
    for my $place (@places) {
        is $user->get($place->[1], token => $token)->status, 200, "$place->[0]: $name";
    }
    return;
}

# 401 with a problem and a challenge, and the token is never repeated.
sub refused ($name, $token, $code = 'token_invalid') {
    for my $place (@places) {
        my $reply = $user->get($place->[1], token => $token);
        is $reply->status . ' ' . $reply->code, "401 $code", "$place->[0]: $name" or diag $reply->summary;
        like $reply->header('www-authenticate') // '', qr/\ABearer\b/, "$place->[0]: $name: a challenge";
        ok length $token < 8 || index($reply->body . ($reply->header('www-authenticate') // ''), $token) < 0, "$place->[0]: $name: not repeated";
    }
    return;
}

subtest 'alg none' => sub {
    for my $alg (qw(none None NONE nOnE)) {
        my $stripped = $forge->make(header => { alg => $alg }, sign => sub ($input) { '' });
        refused("$alg without a signature", $stripped);
        refused("$alg with the old signature", $forge->make(header => { alg => $alg }, sign => sub ($input) { decode_base64url($signature) }));
    }
};

subtest 'HS256 with what is public as its secret' => sub {
    my %secret = (
        'the PEM file'             => $public_pem,
        'the PEM without newline'  => $public_pem =~ s/\n\z//r,
        'the DER'                  => $public_der,
        'the kid'                  => $kid,
        'nothing'                  => '',
        'the JWK'                  => $json->encode(Pets::Token->jwk($key)),
    );
    for my $name (sort keys %secret) {
        for my $alg (qw(HS256 ES256)) {
            refused("$name, alg $alg", $forge->make(header => { alg => $alg }, sign => sub ($input) { Pets::Token->hs256($input, $secret{$name}) }));
        }
    }
};

subtest 'other algorithms' => sub {
    refused("alg $_", $forge->make(header => { alg => $_ })) for qw(HS256 HS512 RS256 PS256 ES384 ES512 EdDSA es256 ES256K), 'ES256 ';
    refused('no alg', $forge->make(header => { alg => undef }));
    refused('alg is a number', $forge->make(header => { alg => 256 }));
    refused('alg is a list', $forge->make(header => { alg => ['ES256'] }));
};

subtest 'kid' => sub {
    refused('of no key', $forge->make(header => { kid => 'A' x 43 }));
    refused('missing', $forge->make(header => { kid => undef }));
    refused('empty', $forge->make(header => { kid => '' }));
    refused('a number', $forge->make(header => { kid => 1 }));
    refused("a path: $_", $forge->make(header => { kid => $_ })) for '../../../../dev/null', '/dev/null', "$kid/../$kid", "$kid.pub.pem", "$kid\0x";
    refused('with SQL', $forge->make(header => { kid => "' or 1=1 --" }));
};

subtest 'keys in the token' => sub {
    my $signed_by = sub (%header) { $forge->make(header => \%header, key => $attacker) };
    refused('signed by another key', $signed_by->());
    refused('kid of the other key', $signed_by->(kid => $attacker_jwk->{kid}));
    refused('jwk', $signed_by->(jwk => $attacker_jwk));
    refused('jwk, no kid', $signed_by->(jwk => $attacker_jwk, kid => undef));
    refused('jwk, its kid', $signed_by->(jwk => $attacker_jwk, kid => $attacker_jwk->{kid}));
    refused('jku', $signed_by->(jku => $service->url . '/.well-known/jwks.json'));
    refused('x5u', $signed_by->(x5u => 'https://localhost/x'));
    refused('x5c', $signed_by->(x5c => ['MIIB']));
    refused('crit', $forge->make(header => { crit => ['exp'] }));
    refused('b64', $forge->make(header => { b64 => JSON::PP::false, crit => ['b64'] }));
    refused('zip', $forge->make(header => { zip => 'DEF' }));
};

subtest 'typ' => sub {
    refused("typ $_", $forge->make(header => { typ => $_ })) for qw(JWT jwt id+jwt at+jwtx dpop+jwt);
    refused('missing', $forge->make(header => { typ => undef }));
    refused('a list', $forge->make(header => { typ => ['at+jwt'] }));
};

subtest 'claims' => sub {
    my $me = $forge->claims;
    my @cases = (
        ['iss: another',             iss => 'https://elsewhere.test'],
        ['iss: a slash more',        iss => "$me->{iss}/"],
        ['iss: missing',             iss => undef],
        ['iss: a list',              iss => [$me->{iss}]],
        ['aud: another',             aud => 'other-api'],
        ['aud: missing',             aud => undef],
        ['aud: empty',               aud => ''],
        ['aud: others',              aud => ['a', 'b']],
        ['sub: missing',             sub => undef],
        ['sub: empty',               sub => ''],
        ['sub: no UUID',             sub => 'admin'],
        ['sub: a number',            sub => 1],
        ['sub: longer',              sub => "$me->{sub}0"],
        ['sub: with SQL',            sub => "$me->{sub}' or '1'='1"],
        ['sid: missing',             sid => undef],
        ['sid: no UUID',             sid => 'x'],
        ['jti: missing',             jti => undef],
        ['iat: missing',             iat => undef],
        ['iat: in an hour',          iat => $now + 3600],
        ['iat: a text',              iat => "$now"],
        ['exp: missing',             exp => undef],
        ['exp: a text',              exp => '' . ($now + 600)],
        ['exp: true',                exp => JSON::PP::true],
        ['exp: a list',              exp => [$now + 600]],
        ['exp: zero',                exp => 0],
        ['exp: negative',            exp => -1],
        ['nbf: in an hour',          nbf => $now + 3600],
        ['nbf: a text',              nbf => 'x'],
    );
    for my $case (@cases) {
        my ($name, $claim, $value) = @$case;
        refused($name, $forge->make(claims => { $claim => $value }));
    }
    refused('expired', $forge->make(claims => { iat => $now - 700, exp => $now - 100 }), 'token_expired');
    refused('expired long ago', $forge->make(claims => { iat => 1, exp => 2 }), 'token_expired');
    refused('another person’s sub with one’s own sid', $forge->make(claims => { sub => $other->id }), 'session_ended');
    refused('another person’s sid', $forge->make(claims => { sid => $other->session_id }), 'session_ended');
    refused('a sid that is not there', $forge->make(claims => { sid => '019b0000-0000-7000-8000-000000000001' }), 'session_ended');
    my $text = $json->encode($me);
    refused('sub twice', $forge->make(claims_text => $text =~ s/\}\z/,"sub":"${\ $other->id}"}/r));
    refused('exp 1e300', $forge->make(claims_text => $text =~ s/"exp":\d+/"exp":1e300/r));
    refused('exp beyond 64 bits', $forge->make(claims_text => $text =~ s/"exp":\d+/"exp":99999999999999999999999/r));
    refused('data behind the claims', $forge->make(claims_text => "$text$text"));
    refused('NUL behind the claims', $forge->make(claims_text => "$text\0"));
    refused('bad UTF-8', $forge->make(claims_text => $text =~ s/\}\z/,"x":"\xff"}/r));
    refused("claims are $_", $forge->make(claims_text => $_)) for '', 'null', '[]', '1', '{}', '"x"';
    refused('a role does not matter, but an unknown user does', $forge->make(claims => { sub => '019b0000-0000-7000-8000-000000000001', role => 'ADMIN' }), 'session_ended');
    is $user->get('/v1/pets?owner_id=' . $other->id, token => $forge->make(claims => { role => 'ADMIN', scope => 'admin' }))->status, 403, 'a role in the token is nothing';
};

subtest 'signatures' => sub {
    my $bytes = decode_base64url($signature);
    my $with  = sub ($other_bytes) { "$head.$body." . encode_base64url($other_bytes) };
    refused('stripped', "$head.$body.");
    refused('stripped with its dot', "$head.$body");
    refused('cut by a byte', $with->(substr $bytes, 0, 63));
    refused('a byte more', $with->("$bytes\0"));
    refused('of zeros', $with->("\0" x 64));
    refused('r of zeros', $with->("\0" x 32 . substr $bytes, 32));
    refused('s of zeros', $with->(substr($bytes, 0, 32) . "\0" x 32));
    refused('of ones', $with->("\xff" x 64));
    refused('r and s exchanged', $with->(substr($bytes, 32) . substr $bytes, 0, 32));
    refused('as DER', $forge->make(sign => sub ($input) { $forge->es256_der($input, $key) }));
    refused('of other claims', (Pets::Token->new(key => $key, like => $other->token)->make =~ s/\.[^.]*\z/.$signature/r));
    for my $at (0, 31, 32, 63) {
        refused("one bit wrong in byte $at", $with->(substr($bytes, 0, $at) . chr(1 ^ ord substr $bytes, $at, 1) . substr $bytes, $at + 1));
    }
    my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
    my $last = index $alphabet, substr $good, -1;
    refused('spare bits of the last character set', substr($good, 0, -1) . substr $alphabet, $last | 1, 1) if !($last & 1);
    accepted('and the real one still is', $good);
};

subtest 'the text' => sub {
    my @pieces = ($head, $body, $signature);
    for my $at (0 .. 2) {
        for my $cut (1, 2, 3) {
            my @cut = @pieces;
            $cut[$at] = substr $cut[$at], 0, -$cut;
            refused("part $at cut by $cut", join '.', @cut);
        }
    }
    refused('a part more', "$good.x");
    refused('a dot more', "$good.");
    refused('a dot before', ".$good");
    refused('five parts, as if encrypted', "$good.a.b");
    refused('dots only', '..');
    refused('one character', 'x');
    refused('padding', "$head.$body.$signature==");
    refused('padding inside', "$head=.$body.$signature");
    refused('another alphabet', join '.', map { tr/-_/+\//r } "$head.$body", $signature) if $good =~ /[-_]/;
    refused('in a different case', lc $good);
    refused('a blank inside', "$head. $body.$signature");
    refused('twice', "$good$good");
    refused('twice, by a comma', "$good,$good");
    refused('quoted', qq("$good"));
    refused('long: 4,000 characters', $forge->make(claims => { x => 'x' x 3000 }));
    refused('long: 7,000 characters', 'x' x 7000);
    refused('long: 6,000 dots', '.' x 6000);
    for my $place (@places) {
        my $pool  = $place->[0] eq 'api' ? $service->api : $service->auth;
        my $reply = $pool->connect->request(uri => $place->[1], token => 'x' x 60_000);
        is $reply->{status}, 401, "$place->[0]: 60,000 characters, straight to the pool";
        my $status = $user->get($place->[1], token => 'x' x 60_000)->status;
        ok $status == 400 || $status == 431 || $status == 414, "$place->[0]: through nginx: $status";
    }
};

subtest 'the header that carries it' => sub {
    my %header = (
        'Basic'                => 'Basic ' . encode_base64url('a:b'),
        'no scheme'            => $good,
        'another scheme'       => "Token $good",
        'scheme alone'         => 'Bearer',
        'scheme and blank'     => 'Bearer ',
        'glued'                => "Bearer$good",
        'a colon'              => "Bearer: $good",
        'a comma'              => "Bearer $good, Basic x",
    );
    for my $place (@places) {
        for my $name (sort keys %header) {
            my $reply = $user->get($place->[1], token => undef, headers => { authorization => $header{$name} });
            is $reply->status, 401, "$place->[0]: $name: " . $reply->code;
        }
        is $user->get($place->[1], token => undef)->code, 'token_missing', "$place->[0]: none";
        is $user->get($place->[1], token => undef, headers => { authorization => "bearer $good" })->status, 200, "$place->[0]: the scheme in lower case is the same";
        is $user->get("$place->[1]?access_token=$good", token => undef)->status, 401, "$place->[0]: not in the query";
    }
};

subtest 'a token that was good expires, also when its signature is known' => sub {
    my $short = $forge->make(claims => { exp => time + 6 });
    accepted('for now', $short);
    accepted('for now, once more', $short);
    for my $place (@places) {
        wait_until { $user->get($place->[1], token => $short)->status == 401 } 60, 'the end of the token';
        is $user->get($place->[1], token => $short)->code, 'token_expired', "$place->[0]: token_expired";
    }
};

subtest 'a token that is not valid yet' => sub {
    my $soon = $forge->make(claims => { nbf => time + 3 });
    refused('nbf is to come', $soon);
    for my $place (@places) {
        wait_until { $user->get($place->[1], token => $soon)->status == 200 } 60, 'the beginning of the token';
        pass "$place->[0]: then it is";
    }
};

accepted('after all that', $good);
done_testing;
