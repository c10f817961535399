package Pets::NginxCheck;

# What must be true of each answer of nginx, whoever made it: the headers that are always there, once
# each, and the form of a problem. The tests of the nginx family all use it, so that a location which
# loses its headers is found by whatever test happens to meet it.

use v5.36;
use Exporter qw(import);
use JSON::PP;
use Test::More;

# A test that hangs has failed.
alarm 500;

our @EXPORT = qw(headers_ok problem_ok corpus);

# Option: tls (default 1), cache (what Cache-Control must be), csp, vary.
sub headers_ok ($answer, $name, %option) {
    my %expected = (
        'x-content-type-options'  => 'nosniff',
        'content-security-policy' => $option{csp} // "default-src 'none'; frame-ancestors 'none'",
        'referrer-policy'         => 'no-referrer',
        'cache-control'           => $option{cache} // 'no-store',
        'vary'                    => $option{vary}  // 'Origin',
        'server'                  => 'nginx',
        'strict-transport-security' => $option{tls} // 1 ? 'max-age=63072000' : undef,
    );
    my @wrong;
    for my $header (sort keys %expected) {
        my $found = join ' | ', @{$answer->{headers}{$header} // []};
        push @wrong, "$header: $found" if $found ne ($expected{$header} // '');
    }
    for my $header (sort keys %{$answer->{headers}}) {
        push @wrong, "$header is doubled" if @{$answer->{headers}{$header}} > 1;
    }
    push @wrong, 'no X-Request-Id' if ($answer->{headers}{'x-request-id'}[0] // '') !~ /\A[0-9a-f]{32}\z/;
    return is "@wrong", '', "$name: headers";
}

# The answer is a problem of nginx's own. Option: instance (undef: there must be none), head, retry_after.
sub problem_ok ($answer, $status, $code, $name, %option) {
    return subtest $name => sub {
        is $answer->{status}, $status, 'status' or diag $answer->{text}, $answer->{errors} // '';
        is_deeply $answer->{headers}{'content-type'}, ['application/problem+json'], 'content type';
        is $answer->{headers}{'retry-after'}[0] ? 1 : 0,
            $code =~ /\A(?:rate_limited|bad_gateway|unavailable|timed_out)\z/ ? 1 : 0, 'Retry-After';
        is $answer->{headers}{allow}[0] ? 1 : 0, $status == 405 ? 1 : 0, 'Allow';
        headers_ok($answer, 'a problem', tls => $option{tls} // 1);
        if ($option{head}) {
            is $answer->{body}, '', 'no body';
            return;
        }
        is $answer->{headers}{'content-length'}[0], length $answer->{body}, 'length';
        my $json = $answer->{json};
        is ref $json, 'HASH', 'valid JSON' or diag $answer->{body};
        return if ref $json ne 'HASH';
        my %problem = %$json;
        is delete $problem{type},     "/docs/errors#$code",                  'type';
        is delete $problem{code},     $code,                                 'code';
        is delete $problem{status},   $status,                               'status inside';
        is delete $problem{trace_id}, $answer->{headers}{'x-request-id'}[0], 'trace_id is the request id';
        is delete $problem{instance}, $option{instance},                     'instance';
        like delete $problem{title},  qr/\A[A-Z][A-Za-z ]+\z/,               'title';
        like delete $problem{detail}, qr/\A[A-Z].+\.\z/,                     'detail';
        is_deeply \%problem, {}, 'nothing else';
    };
}

# A file of t/data.
sub corpus ($name) {
    my $path = __FILE__ =~ s{[^/]+$}{../../data/$name}r;
    open my $file, '<', $path or die "$path: $!";
    local $/ = undef;
    return JSON::PP->new->utf8->relaxed->decode(<$file>);
}

1;
