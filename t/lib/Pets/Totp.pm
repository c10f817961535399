package Pets::Totp;

=head1 NAME

Pets::Totp - an authenticator app: one-time codes (RFC 6238) from the secret that enrolling gives

=head1 WHY

Tests must be able to be the person with the telephone, and to be it at another time. And since the service takes
each code once, and then only codes of later steps, something must know which one can be next:

    my $app = Pets::Totp->new($reply->json->{secret});       # or from_uri, with the address of a QR code
    $app->code;                                  # the next one that is good; waits when all have been used
    $app->code_of($app->now);                    # the one of a step, whatever has been used

=cut

use v5.36;
use Digest::SHA qw(hmac_sha1);
use Time::HiRes qw(sleep time);

use constant { STEP => 30, DRIFT => 1, SOON => 4 };

sub new($class, $secret) {
    return bless { secret => $secret, key => decode_base32($secret), last => 0 }, $class;
}

sub from_uri($class, $uri) {
    my ($secret) = $uri =~ /[?&]secret=([A-Z2-7]+)/ or die "no secret in $uri\n";
    my $self = $class->new($secret);
    $self->{uri} = $uri =~ s/\s+\z//r;
    return $self;
}

sub secret($self) { return $self->{secret} }
sub uri($self)    { return $self->{uri} }
sub now($self)    { return int(time / STEP) }

sub code_of($self, $step) {
    my $mac = hmac_sha1(pack('Q>', $step), $self->{key});
    my $at  = ord(substr $mac, -1) & 15;
    return sprintf '%06d', (unpack('N', substr $mac, $at, 4) & 0x7fffffff) % 1_000_000;
}

# The code of the earliest step that the service takes and that this app has not given; one that the service stops
# taking before it can look at it is passed over.
sub code($self) {
    my $step = $self->now - DRIFT;
    $step = $self->{last} + 1 if $step <= $self->{last};
    sleep 0.1 while $step > $self->now + DRIFT;
    if ($step == $self->now - DRIFT && time - STEP * $self->now >= STEP - SOON) {
        sleep 0.1 while $step >= $self->now - DRIFT;
        $step++;
    }
    $self->{last} = $step;
    return $self->code_of($step);
}

sub decode_base32($text) {
    my %value;
    @value{ 'A' .. 'Z', 2 .. 7 } = 0 .. 31;
    my $bits = join '', map { sprintf '%05b', $value{$_} // die "not base32: $text\n" } split //, $text;
    return pack 'B*', substr $bits, 0, 8 * int(length($bits) / 8);
}

1;
