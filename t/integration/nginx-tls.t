# TLS: which versions, ciphers, groups and names get a handshake, how sessions resume, HTTP/2, HSTS, and
# plain HTTP on either port. The corpus is t/data/tls.json; the client is openssl s_client.

use v5.36;
use FindBin qw($Bin);
use lib "$Bin/../lib";
use File::Temp;
use Pets::CA;
use Pets::Nginx;
use Pets::NginxCheck;
use Test::More;

my $corpus  = corpus('tls.json');
my $scratch = File::Temp->newdir;
chmod 0755, $scratch;
my $ca = Pets::CA->new(dir => "$scratch/ca");
my ($rsa_cert, $rsa_key) = $ca->issue('rsa', rsa => 1, names => ['DNS:localhost', 'DNS:pets.test']);

my $nginx = Pets::Nginx->new(
    dir    => "$scratch/nginx",
    fakes  => 1,
    ca     => $ca,
    server => "ssl_certificate $rsa_cert; ssl_certificate_key $rsa_key;\n"
);
system 'chown', '-R', 'nobody', "$scratch/ca" if $> == 0;
$nginx->start;

# Makes a connection and reports what s_client says of it, and whether the handshake succeeded. The
# `-quiet`less client closes at the end of its input, once it has shown the session.
sub handshake ($offer, $input = '') {
    $offer .= ' -servername localhost' if $offer !~ /servername/;
    open my $from, '-|', "set -f; printf '$input' | timeout 60 openssl s_client -connect 127.0.0.1:"
        . $nginx->https_port . ' -CAfile ' . $nginx->ca_file . " -verify_return_error $offer 2>&1"
        or die "openssl: $!";
    local $/ = undef;
    my $said = <$from>;
    close $from;
    my ($cipher) = $said =~ /Cipher is (\S+)/;
    return {said => $said, ok => ($cipher // '(NONE)') ne '(NONE)' && $said =~ /Verify return code: 0/ ? 1 : 0};
}

sub handshake_ok ($offer, $row) {
    my $result = handshake($offer);
    is $result->{ok}, $row->{ok} ? 1 : 0, ($row->{ok} ? 'accepted: ' : 'refused: ') . ($offer || 'defaults')
        or diag $result->{said};
    if ($row->{ok}) {
        unlike $result->{said}, qr/Compression: (?!NONE)/, 'no compression';
    } else {
        like $result->{said}, qr/no peer certificate available/, 'and no certificate was shown';
        unlike $result->{said}, qr/no (?:ciphers|protocols) available|no cipher match|Use -help|Error with command|Call to SSL_CONF/,
            'and the client did offer it';
    }
    return $result;
}

subtest versions => sub {
    for my $row (@{$corpus->{versions}}) {
        my $result = handshake_ok($row->{offer}, $row);
        like $result->{said}, qr/New, \Q$row->{protocol}\E|Protocol *: \Q$row->{protocol}\E/, $row->{protocol}
            if $row->{protocol};
    }
};

subtest ciphers => sub {
    for my $row (@{$corpus->{ciphers}}) {
        my $offer = $row->{tls1_2} ? "-tls1_2 -cipher $row->{tls1_2}:\@SECLEVEL=0" : "-tls1_3 -ciphersuites $row->{tls1_3}";
        $offer .= ' -psk 0102' if $offer =~ /PSK/;
        my $result = handshake_ok($offer, $row);
        like $result->{said}, qr/Cipher is \Q@{[$row->{tls1_2} \/\/ $row->{tls1_3}]}\E/, 'that cipher' if $row->{ok};
    }
};

subtest groups => sub {
    handshake_ok("-groups $_->{name}", $_) for @{$corpus->{groups}};
};

subtest names => sub {
    handshake_ok($_->{offer}, $_) for @{$corpus->{names}};
    my $answer = $nginx->request(GET => '/v1/pets', host => 'pets.test');
    is $answer->{status}, 200, 'the second name serves too';
    for my $http ('--http1.1', '--http2') {
        $answer = $nginx->request(GET => '/v1/pets', headers => ['Host: evil.test'], curl => [$http]);
        problem_ok($answer, 403, 'forbidden', "our name in SNI, another in Host, $http", instance => '/v1/pets');
    }
    $answer = $nginx->request(GET => '/v1/pets', host => '127.0.0.1');
    is $answer->{exit}, 35, 'the bare address is refused in the handshake' or diag $answer->{errors};
};

subtest sessions => sub {
    for my $version ('-tls1_2', '-tls1_3') {
        my $file  = "$scratch/session$version";
        my $get   = 'GET /v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
        my $first = handshake("$version -ign_eof -sess_out $file", $get);
        ok $first->{ok} && -s $file, "$version: a session is given";
        unlike $first->{said}, qr/^ *0020 - .*\n *0030/m, "$version: which is no ticket, but a name in the cache";
        unlike $first->{said}, qr/Max Early Data: [1-9]/, "$version: no early data";
        my $second = handshake("$version -ign_eof -sess_in $file", $get);
        like $second->{said}, qr/^Reused, TLS/m, "$version: and resumes";
        like $second->{said}, qr{^HTTP/1.1 200}m, "$version: with an answer";
    }
};

subtest 'HTTP versions' => sub {
    for my $row (['HTTP/2'], ['HTTP/1.1', '--http1.1'], ['HTTP/1.0', '--http1.0'], ['HTTP/2', '--tls-max', '1.2']) {
        my ($version, @curl) = @$row;
        my $answer = $nginx->request(POST => '/v1/pets', body => '{}', curl => \@curl);
        is $answer->{status}, 200, "@curl: answered";
        is $answer->{version}, $version eq 'HTTP/1.0' ? 'HTTP/1.1' : $version, "@curl: $version";
        is $answer->{json}{body}, '{}', "@curl: body arrived";
        headers_ok($answer, "@curl");
    }
    like handshake('-alpn h2')->{said},       qr/ALPN protocol: h2/,      'ALPN h2';
    like handshake('-alpn http/1.1')->{said}, qr{ALPN protocol: http/1.1}, 'ALPN http/1.1';
    ok !handshake('-alpn spdy/3')->{ok}, 'an unknown protocol alone is refused';
};

subtest 'plain HTTP' => sub {
    for my $host ('localhost', 'evil.test') {
        my $answer = Pets::Nginx::parse_answer($nginx->raw(
            "POST /v1/auth/login HTTP/1.1\r\nHost: $host\r\nContent-Length: 2\r\n\r\n{}",
            port => $nginx->https_port
        ));
        problem_ok($answer, 400, 'tls_required', "to the TLS port, Host: $host", tls => 0, instance => '/v1/auth/login');
        for my $method (qw(GET POST PUT PATCH DELETE OPTIONS PURGE)) {
            $answer = $nginx->plain(
                $method => '/v1/pets?access_token=x',
                port    => $nginx->http_port,
                headers => ['Authorization: Bearer x', "X-Forwarded-Host: $host", "X-Forwarded-Proto: https"],
                body    => '{}'
            );
            problem_ok($answer, 400, 'tls_required', "$method to port 80", tls => 0, instance => '/v1/pets');
            ok !$answer->{headers}{location}, 'no redirect';
        }
    }
    problem_ok($nginx->plain(GET => '/v1/pets HTTP', port => $nginx->http_port),
        400, 'bad_request', 'a bad request is no other problem there', tls => 0);
};

done_testing;
