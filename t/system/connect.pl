# Which of these addresses (ADDRESS:PORT) can be reached, as JSON: "" when one can, and otherwise why not.
use v5.36;
use IO::Socket::INET;
use JSON::PP ();

my %tried = map { $_ => IO::Socket::INET->new(PeerAddr => $_, Timeout => 5) ? '' : "$@" || "$!" } @ARGV;
print JSON::PP->new->utf8->canonical->encode(\%tried);
