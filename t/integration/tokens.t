# Attacks on access tokens, at both pools: whatever is not exactly a token of ours, in force, is refused with 401
# and says nothing about why. Every forged token differs from a good one in the one thing it is named after.
use v5.36;
use Digest::SHA ();
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

# 401 with a problem and the challenge of RFC 6750, and the token is never repeated.
sub refused ($name, $token, $code = 'token_invalid') {
    for my $place (@places) {
        my $reply = $user->get($place->[1], token => $token);
        is $reply->status . ' ' . $reply->code, "401 $code", "$place->[0]: $name" or diag $reply->summary;
        is $reply->header('www-authenticate'), 'Bearer realm="pets-api", error="invalid_token"', "$place->[0]: $name: a challenge";
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

subtest 'keys and algorithms of other kinds' => sub {
    my %kind = (
        RS256  => ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
        PS256  => ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
        ES256K => ['EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
        ES384  => ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
        ES512  => ['EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
        EdDSA  => ['ED25519'],
    );
    for my $alg (sort keys %kind) {
        my $other_key = Pets::Token->new_key("attacker.$alg", $kind{$alg}->@*);
        my $sign      = sub ($input) { Pets::Token->signed_as($alg, $input, $other_key) };
        my $probe     = decode_base64url((split /\./, $forge->make(sign => $sign))[2]);
        cmp_ok length $probe, '>=', 64, "$alg: a real signature";
        refused("$alg, signed as it says", $forge->make(header => { alg => $alg }, sign => $sign));
        refused("$alg, and a kid of its own", $forge->make(header => { alg => $alg, kid => 'attacker' }, sign => $sign));
        refused("$alg, said to be ES256", $forge->make(sign => $sign));
        refused("$alg, signed by our key", $forge->make(header => { alg => $alg }));
    }
    for my $alg (qw(HS384 HS512)) {
        refused("$alg with the PEM file", $forge->make(header => { alg => $alg }, sign => sub ($input) { Digest::SHA->can('hmac_sha' . substr $alg, 2)->($input, $public_pem) }));
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
    refused("a path: $_", $forge->make(header => { kid => $_ })) for '../../../../dev/null', '/dev/null', "$kid/../$kid", "$kid.pub.pem", "file:///etc/passwd", '..%2f..%2fdev%2fnull', "public/$kid";
    refused("NUL: $_->[0]", $forge->make(header => { kid => $_->[1] })) for ['behind', "$kid\0"], ['behind, and more', "$kid\0x"], ['before', "\0$kid"], ['instead', "\0" x 43];
    refused("with SQL: $_", $forge->make(header => { kid => $_ })) for "' or 1=1 --", "$kid'; select pg_sleep(9); --", '1; drop table pets.account';
    refused("long: $_", $forge->make(header => { kid => $kid x $_ })) for 2, 40, 80;
    refused('a line more for the log', $forge->make(header => { kid => qq($kid\n{"event":"authn_login_success"}) }));
    refused('in another case', $forge->make(header => { kid => $kid =~ tr/a-zA-Z/A-Za-z/r }));
    refused('with a blank', $forge->make(header => { kid => " $kid" }));
    refused('a list', $forge->make(header => { kid => [$kid] }));
};

# What our key has signed, and is yet not the one header that a token of ours has.
subtest 'the text of the header' => sub {
    my $text = $forge->header_text($forge->header);
    accepted('as it is', $forge->make(header_text => $text));
    my $with = sub ($change) { $forge->make(header_text => $change) };
    for my $twice (['alg', '"none"'], ['alg', '"HS256"'], ['kid', '"x"'], ['typ', '"JWT"']) {
        my ($name, $value) = @$twice;
        refused("$name twice, the wrong one last", $with->($text =~ s/\}\z/,"$name":$value}/r));
        refused("$name twice, the wrong one first", $with->($text =~ s/\A\{/{"$name":$value,/r));
    }
    refused('alg twice, the same', $with->($text =~ s/\}\z/,"alg":"ES256"}/r));
    refused('alg in another case as well', $with->($text =~ s/\}\z/,"ALG":"none"}/r));
    refused('a name with an escape', $with->($text =~ s/"alg"/"\\u0061lg"/r));
    refused('members in another order', $with->(sprintf '{"typ":"at+jwt","alg":"ES256","kid":"%s"}', $kid));
    refused('blanks', $with->($text =~ s/:/: /r));
    refused("behind it: $_->[0]", $with->("$text$_->[1]")) for ['another', $text], ['a brace', '}'], ['NUL', "\0"], ['a line', "\n"], ['a blank', ' '];
    refused("before it: $_->[0]", $with->("$_->[1]$text")) for ['a byte order mark', "\xef\xbb\xbf"], ['a blank', ' '];
    refused("is $_", $with->($_)) for '', 'null', '[]', '1', '{}', "[$text]", '"ES256"';
    refused('bad UTF-8', $with->($text =~ s/\}\z/,"x":"\xff"}/r));
    refused('nested deeply', $with->($text =~ s/\}\z/',"x":' . '[' x 500 . ']' x 500 . '}'/er));
};

subtest 'keys in the token' => sub {
    my $signed_by = sub (%header) { $forge->make(header => \%header, key => $attacker) };
    refused('signed by another key', $signed_by->());
    refused('kid of the other key', $signed_by->(kid => $attacker_jwk->{kid}));
    refused('jwk', $signed_by->(jwk => $attacker_jwk));
    refused('jwk, no kid', $signed_by->(jwk => $attacker_jwk, kid => undef));
    refused('jwk, its kid', $signed_by->(jwk => $attacker_jwk, kid => $attacker_jwk->{kid}));
    refused('jku', $signed_by->(jku => $service->url . '/.well-known/jwks.json'));
    refused('jku of the attacker', $signed_by->(jku => 'https://attacker.example/keys.json', kid => $attacker_jwk->{kid}));
    refused('x5u', $signed_by->(x5u => 'https://localhost/x'));
    my (undef, $certificate) = run([tool('openssl'), 'req', '-new', '-x509', '-key', $attacker, '-subj', '/CN=pets.test', '-days', '1', '-outform', 'DER']);
    cmp_ok length $certificate, '>', 200, 'a certificate of the attacker';
    refused('x5c', $signed_by->(x5c => [MIME::Base64::encode_base64($certificate, '')]));
    refused('x5c, no kid', $signed_by->(x5c => [MIME::Base64::encode_base64($certificate, '')], kid => undef));
    refused('x5t', $signed_by->('x5t#S256' => encode_base64url(Digest::SHA::sha256($certificate))));
    refused("$_, signed by our key", $forge->make(header => { $_ => $_ eq 'jwk' ? Pets::Token->jwk($key) : 'x' })) for qw(jwk jku x5u x5c x5t cty iss nonce);
    refused('crit: ' . $json->encode($_), $forge->make(header => { crit => $_ })) for ['exp'], [], ['x'], 'exp', ['alg', 'kid'];
    refused('b64', $forge->make(header => { b64 => JSON::PP::false, crit => ['b64'] }));
    refused('zip', $forge->make(header => { zip => 'DEF' }));
};

subtest 'typ' => sub {
    refused("typ $_", $forge->make(header => { typ => $_ })) for qw(JWT jwt AT+JWT at+JWT id+jwt at+jwtx at%2bjwt dpop+jwt logout+jwt application/at+jwt), 'at+jwt ', "at+jwt\0";
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
    refused('aud: ' . $json->encode($_), $forge->make(claims => { aud => $_ })) for ['pets-api'], ['pets-api', 'other-api'], [], {}, 1, 'PETS-API', 'pets-api ', 'pets', "pets-api\0";
    refused('iss: ' . $json->encode($_), $forge->make(claims => { iss => $_ })) for '', 'pets.test', 'http://pets.test', 'https://PETS.TEST', "$me->{iss}.attacker.example", "$me->{iss}\0", {}, 1;
    refused('expired', $forge->make(claims => { iat => $now - 700, exp => $now - 100 }), 'token_expired');
    refused('expired long ago', $forge->make(claims => { iat => 1, exp => 2 }), 'token_expired');
    refused('another person’s sub with one’s own sid', $forge->make(claims => { sub => $other->id }), 'session_ended');
    refused('another person’s sid', $forge->make(claims => { sid => $other->session_id }), 'session_ended');
    refused('a sid that is not there', $forge->make(claims => { sid => '019b0000-0000-7000-8000-000000000001' }), 'session_ended');
    my $text = $json->encode($me);
    for my $twice (['sub', '"' . $other->id . '"'], ['sid', '"' . $other->session_id . '"'], ['exp', $now + 9999], ['iss', '"https://elsewhere.test"'], ['aud', '"other-api"'], ['iat', 1], ['jti', '"x"']) {
        my ($claim, $value) = @$twice;
        refused("$claim twice", $forge->make(claims_text => $text =~ s/\}\z/,"$claim":$value}/r));
        refused("$claim twice, ours last", $forge->make(claims_text => $text =~ s/\A\{/{"$claim":$value,/r));
    }
    refused('data behind the claims', $forge->make(claims_text => "$text$text"));
    refused('NUL behind the claims', $forge->make(claims_text => "$text\0"));
    refused('bad UTF-8', $forge->make(claims_text => $text =~ s/\}\z/,"x":"\xff"}/r));
    refused("claims are $_", $forge->make(claims_text => $_)) for '', 'null', '[]', '1', '{}', '"x"';
    refused('a role does not matter, but an unknown user does', $forge->make(claims => { sub => '019b0000-0000-7000-8000-000000000001', role => 'ADMIN' }), 'session_ended');
    is $user->get('/v1/pets?owner_id=' . $other->id, token => $forge->make(claims => { role => 'ADMIN', scope => 'admin' }))->status, 403, 'a role in the token is nothing';
};

# Times as everything but a whole number of seconds. Each is as it should be by its value, where it has one.
subtest 'times' => sub {
    my $text = $json->encode($forge->claims);
    my %good = (exp => $now + 600, iat => $now - 5, nbf => $now - 5);
    for my $claim (sort keys %good) {
        my $time  = $good{$claim};
        my @cases = (
            ['a text',               qq("$time")],
            ['a text with a unit',   qq("${time}s")],
            ['an empty text',        '""'],
            ['a date',               '"2099-01-01T00:00:00Z"'],
            ['a fraction',           "$time.5"],
            ['a fraction of zero',   "$time.0"],
            ['an exponent',          sprintf('%.9e', $time)],
            ['negative',             "-$time"],
            ['minus one',            '-1'],
            ['zero',                 '0'],
            ['minus zero',           '-0'],
            ['beyond year 9999',     '253402300800'],
            ['beyond 32 bits, wrapped', 2**32 * 4096 + $time],
            ['beyond 53 bits',       '9007199254740993'],
            ['the largest of 64 bits', '9223372036854775807'],
            ['one more',             '9223372036854775808'],
            ['the smallest',         '-9223372036854775808'],
            ['wrapped at 64 bits',   '18446744073709551616'],
            ['beyond 64 bits',       '99999999999999999999999'],
            ['beyond all bounds',    '1e300'],
            ['infinite',             '1e999'],
            ['null',                 'null'],
            ['true',                 'true'],
            ['a list',               "[$time]"],
            ['an object',            qq({"seconds":$time})],
            ['in octal',             "0$time"],
            ['in hexadecimal',       sprintf('0x%x', $time)],
            ['with a plus',          "+$time"],
        );
        my $without = $text =~ s/"$claim":[^,}]*,?//r =~ s/,\}/}/r;
        my $with    = sub ($value) { $forge->make(claims_text => $without =~ s/\A\{/{"$claim":$value,/r) };
        accepted("$claim: as it should be", $with->($time));
        refused("$claim: $_->[0]", $with->($_->[1])) for @cases;
        if ($claim eq 'nbf') { accepted('nbf: missing', $forge->make(claims_text => $without)) }
        else                 { refused("$claim: missing", $forge->make(claims_text => $without)) }
    }
    refused('iat after exp, and to come', $forge->make(claims => { iat => $now + 700 }));
    refused('exp a second ago', $forge->make(claims => { exp => $now - 1 }), 'token_expired');
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
    my $order = pack 'H*', 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';
    my ($r, $s) = unpack 'a32 a32', $bytes;
    refused('r is the order of the curve', $with->($order . $s));
    refused('s is the order of the curve', $with->($r . $order));
    refused('both are', $with->($order x 2));
    my $one = pack 'H*', '0' x 63 . '1';
    refused('r is one', $with->($one . $s));
    refused('both are one', $with->($one x 2));
    refused('numbers of 48 bytes', $with->("\0" x 16 . $r . "\0" x 16 . $s));
    refused('of no bytes but a dot', "$head.$body.");
    refused('of the header alone', $forge->make(sign => sub ($input) { $forge->es256((split /\./, $input)[0], $key) }));
    refused('of the JSON instead of its base64', $forge->make(sign => sub ($input) { $forge->es256(join('.', map { decode_base64url($_) } split /\./, $input), $key) }));
    accepted('and the real one still is', $good);
};

# Each text has one form: what decodes to the same bytes is another token. Our key has signed these, too.
subtest 'base64url that is not canonical' => sub {
    my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
    my $spare    = sub ($part) { { 2 => 4, 3 => 2 }->{ length($part) % 4 } // 0 };
    my $respell  = sub ($part, $add) { substr($part, 0, -1) . substr $alphabet, index($alphabet, substr $part, -1) + $add, 1 };
    my $sign     = sub ($input) { "$input." . encode_base64url($forge->es256($input, $key)) };
    refused("signature: spare bits $_", "$head.$body." . $respell->($signature, $_)) for 1 .. 15;
    refused("header: spare bits $_", $sign->($respell->($head, $_) . ".$body")) for 1 .. 2**$spare->($head) - 1;
    my %seen;
    for my $length (0 .. 2) {
        my $claims = encode_base64url($json->encode({ $forge->claims->%*, x => 'x' x $length }));
        accepted("claims with $length more", $sign->("$head.$claims"));
        $seen{ $spare->($claims) }++;
        refused("claims with $length more: spare bits $_", $sign->("$head." . $respell->($claims, $_))) for 1 .. 2**$spare->($claims) - 1;
        refused("claims with $length more: $_->[0]", $sign->("$head.$claims$_->[1]")) for ['padding', '='], ['more padding', '=='], ['a character too many', 'A'];
        refused("claims with $length more: a line break", $sign->("$head." . substr($claims, 0, 8) . '%0A' . substr($claims, 8)));
    }
    is_deeply [sort { $a <=> $b } keys %seen], [0, 2, 4], 'of each remainder there was one';
    my ($special) = grep { /[-_]/ } map { $forge->make(claims => { x => $_ x 9 }) } '>', '?', "\x{fe}", '~';
    my (undef, $claims) = split /\./, $special;
    refused('the alphabet of base64', $sign->("$head." . $claims =~ tr/-_/+\//r));
    accepted('that of base64url', $sign->("$head.$claims"));
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
        my $missing = $user->get($place->[1], token => undef);
        is $missing->code, 'token_missing', "$place->[0]: none";
        is $missing->header('www-authenticate'), 'Bearer realm="pets-api"', "$place->[0]: none: a challenge without an error";
        is $user->get($place->[1], token => undef, headers => { authorization => "bearer $good" })->status, 200, "$place->[0]: the scheme in lower case is the same";
        is $user->get("$place->[1]?access_token=$good", token => undef)->status, 401, "$place->[0]: not in the query";
    }
};

subtest 'tokens of other kinds' => sub {
    my $eve   = $service->user->enrol;
    my $begun = $service->client->post('/v1/auth/login', { email => $eve->email, password => $eve->password });
    my $challenge = $begun->json->{mfa_token} // die $begun->summary;
    my $api_key   = $user->post('/v1/me/api-keys', { name => 'k', scopes => ['pets:read'] })->json->{key} // die 'no key';
    my %other     = ('the token between the steps of a login' => $challenge, 'a refresh token' => $eve->refresh_token);
    refused("$_ as an access token", $other{$_}) for sort keys %other;
    refused("$_ in the clothes of one", join '.', $head, encode_base64url($other{$_}), $signature) for sort keys %other;

    # And what wants one of those takes no other.
    my %given = (%other, 'an access token' => $eve->token, 'another access token' => $good, 'an API key' => $api_key);
    for my $name (sort keys %given) {
        my @ask = (
            ['/v1/auth/login/second-factor', { mfa_token => $given{$name}, recovery_code => ($eve->recovery_codes)[0] }, 'the token between the steps of a login', 'mfa_token_invalid'],
            ['/v1/auth/refresh', { refresh_token => $given{$name} }, 'a refresh token', 'session_ended'],
        );
        for my $ask (@ask) {
            my ($path, $body, $right, $code) = @$ask;
            next if $name eq $right;
            my $reply = $service->client->post($path, $body);
            like $reply->status . ' ' . $reply->code, qr/\A(?:401 $code|422 validation_failed)\z/, "$path: $name" or diag $reply->summary;
            like $reply->header('www-authenticate'), qr/\ABearer realm="pets-api"/, "$path: $name: a challenge" if $reply->status == 401;
            ok index($reply->body, $given{$name}) < 0, "$path: $name: not repeated";
        }
    }
    my $done = $service->client->post('/v1/auth/login/second-factor', { mfa_token => $challenge, recovery_code => ($eve->recovery_codes)[0] });
    is $done->status, 200, 'the right one is good still';
    refused('when it was used it is no access token either', $challenge);
};

subtest 'sessions and roles of before' => sub {
    my $fay   = $service->user;
    my $again = $service->client->login($fay->email, $fay->password);
    my $mine  = Pets::Token->new(key => $key, like => $fay->token);
    accepted('the other session of the same person', $mine->make(claims => { sid => $again->session_id }));
    is $again->logout->status, 204, 'which is ended';
    refused('its own token', $again->token, 'session_ended');
    refused('a token of hers that names it', $mine->make(claims => { sid => $again->session_id }), 'session_ended');
    refused('the id of an account in the place of a session', $mine->make(claims => { sid => $fay->id }), 'session_ended');
    refused('the id of a session in the place of an account', $mine->make(claims => { sub => $fay->session_id }), 'session_ended');
    is $service->api->connect->request(uri => '/v1/pets', token => $fay->token)->{status}, 200, 'her own is good';

    # A role is not in a token: it is what it is now, whenever the token was made.
    my $admin = $service->admin;
    my $gil   = $service->admin;
    my $old   = $gil->token;
    is $gil->get('/v1/users', token => $old)->status, 200, 'an administrator';
    is $admin->patch('/v1/users/' . $gil->id, { role => 'USER', reason => 'no longer' })->status, 200, 'is one no longer';
    my $reply = $gil->get('/v1/users', token => $old);
    is $reply->status . ' ' . $reply->code, '403 forbidden', 'auth: his token of before is that of a user';
    is $reply->header('www-authenticate'), undef, '... and good: there is no challenge';
    is $gil->get('/v1/pets?owner_id=' . $fay->id, token => $old)->status, 403, 'api: the same';
    is $gil->get($_->[1], token => $old)->status, 200, "$_->[0]: what is his own he sees" for @places;
    my $claims = Pets::Token->new(key => $key, like => $old)->make(claims => { role => 'ADMIN', roles => ['ADMIN'], scope => 'admin' });
    is $gil->get('/v1/users', token => $claims)->status, 403, 'claims of ours about it are nothing';
    is $admin->patch('/v1/users/' . $gil->id, { state => 'disabled', reason => 'left' })->status, 200, 'he is disabled';
    for my $place (@places) {
        my $gone = $gil->get($place->[1], token => $old);
        is $gone->status . ' ' . $gone->code, '401 session_ended', "$place->[0]: and out";
        is $gone->header('www-authenticate'), 'Bearer realm="pets-api", error="invalid_token"', '... with a challenge';
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

subtest 'nothing of that was a fault of ours' => sub {
    for my $name (qw(api auth)) {
        my $metrics = $service->$name->metrics;
        is_deeply [grep { /class="5xx"/ && $metrics->{$_} } keys %$metrics], [], "$name: no answer of 5xx";
        is_deeply [grep { /\Apets_worker_endings_total/ && $metrics->{$_} } keys %$metrics], [], "$name: no worker has ended";
        is $metrics->{pets_database_errors_total}, 0, "$name: no error of the database";
        cmp_ok $metrics->{pets_tokens_refused_total}, '>', 300, "$name: many were refused";
    }
};

done_testing;
