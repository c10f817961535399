package Pets::Token;

=head1 NAME

Pets::Token - takes access tokens apart and forges others

=head1 WHY

Whether a token is refused for the right reason can only be told when everything else about it is right. So a
forger is needed that signs like the service itself, with its key, and can be asked for exactly one fault.

    my $forge = Pets::Token->new(key => $service->signing_key_file, like => $user->token);
    my $token = $forge->make;                                   # as good as the real one
    $token = $forge->make(claims => { exp => 1 });              # one claim changed; undef takes it out
    $token = $forge->make(header => { typ => 'JWT' });
    $token = $forge->make(sign => sub ($input) { ... });        # signed in another way
    my ($header, $claims, $signature) = Pets::Token->parts($token);

=cut

use v5.36;
use Digest::SHA qw(hmac_sha256 sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Pets::Env qw(run tool spew test_dir);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub new($class, %option) {
    my $self = bless {%option}, $class;
    my ($header, $claims) = $class->parts($option{like});
    $self->{header} = $header;
    $self->{claims} = $claims;
    return $self;
}

# Header and claims as data, the signature as bytes.
sub parts($class, $token) {
    my ($header, $claims, $signature) = split /\./, $token, 3;
    return ($json->decode(decode_base64url($header)), $json->decode(decode_base64url($claims)), decode_base64url($signature));
}

sub header($self) { return { %{ $self->{header} } } }
sub claims($self) { return { %{ $self->{claims} } } }

# Options: header, claims (changes), header_text, claims_text (the JSON itself), key (a file), sign.
sub make($self, %option) {
    my $header = $option{header_text} // $self->header_text(changed($self->header, $option{header}));
    my $claims = $option{claims_text} // $json->encode(changed($self->claims, $option{claims}));
    my $input  = join '.', map { encode_base64url($_) } $header, $claims;
    my $sign   = $option{sign} // sub ($bytes) { $self->es256($bytes, $option{key} // $self->{key}) };
    return "$input." . encode_base64url($sign->($input));
}

# The members in the order in which the service writes them.
sub header_text($self, $header) { return $json->encode($header) }

sub changed($data, $change) {
    for my $name (keys %{ $change // {} }) {
        if (defined $change->{$name}) { $data->{$name} = $change->{$name} }
        else                          { delete $data->{$name} }
    }
    return $data;
}

# ES256: r and s of 32 bytes each (RFC 7518 section 3.4).
sub es256($self, $input, $key) {
    my $der = $self->es256_der($input, $key);
    return join '', map { substr "\0" x 32 . $_, -32 } unpack 'x3 C/a x C/a', $der;
}

# The same as OpenSSL gives it.
sub es256_der($self, $input, $key) {
    my ($status, $der, $err) = run([tool('openssl'), 'dgst', '-sha256', '-sign', $key], stdin => $input);
    $status == 0 or die "openssl dgst: $err\n";
    return $der;
}

# Signed with a key of another kind, as its algorithm wants it: RS256, PS256, ES256K, ES384, ES512, EdDSA.
sub signed_as($class, $algorithm, $input, $key) {
    my %arguments = (
        RS256 => [qw(dgst -sha256 -sign)],
        PS256 => [qw(dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign)],
        map({ $_->[0] => ['dgst', $_->[1], '-sign'] } ['ES256K', '-sha256'], ['ES384', '-sha384'], ['ES512', '-sha512']),
    );
    return ed25519($input, $key) if $algorithm eq 'EdDSA';
    my ($status, $out, $err) = run([tool('openssl'), $arguments{$algorithm}->@*, $key], stdin => $input);
    $status == 0 or die "openssl $algorithm: $err\n";
    my %size = (ES256K => 32, ES384 => 48, ES512 => 66);
    my $size = $size{$algorithm} // return $out;
    my $body = (unpack 'x C a*', $out)[0] < 0x80 ? substr $out, 2 : substr $out, 3;
    return join '', map { substr "\0" x $size . $_, -$size } unpack 'x C/a x C/a', $body;
}

# This one does not read from a pipe.
sub ed25519($input, $key) {
    my $file = spew(test_dir() . '/ed25519.input', $input);
    my ($status, $out, $err) = run([tool('openssl'), 'pkeyutl', '-sign', '-rawin', '-inkey', $key, '-in', $file]);
    $status == 0 or die "openssl pkeyutl: $err\n";
    return $out;
}

sub hs256($class, $input, $secret) { return hmac_sha256($input, $secret) }

# Another key, of the same kind unless told otherwise (arguments of openssl genpkey); returns its file.
sub new_key($class, $name, @kind) {
    my $file = test_dir() . "/$name.pem";
    @kind = ('EC', '-pkeyopt', 'ec_paramgen_curve:P-256') if !@kind;
    my ($status, undef, $err) = run([tool('openssl'), 'genpkey', '-algorithm', @kind, '-out', $file]);
    $status == 0 or die "openssl genpkey: $err\n";
    return $file;
}

# The public half of a key as a JWK (a hash) with its kid (RFC 7638).
sub jwk($class, $key) {
    my ($status, $der, $err) = run([tool('openssl'), 'pkey', '-in', $key, '-pubout', '-outform', 'DER']);
    $status == 0 or die "openssl pkey: $err\n";
    my ($x, $y) = unpack 'a32 a32', substr $der, -64;
    my %jwk = (crv => 'P-256', kty => 'EC', x => encode_base64url($x), y => encode_base64url($y));
    return { %jwk, kid => encode_base64url(sha256($json->encode(\%jwk))) };
}

1;
