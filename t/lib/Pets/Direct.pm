package Pets::Direct;

=head1 NAME

Pets::Direct - the service without nginx: tests speak FastCGI to the pools themselves

=head1 WHY

Tests of the protocol and of the database's absence want every byte and every answer of a pool, and nothing
in between that would wait, retry or mend.

    my $service = Pets::Direct->new(config => { api => { pool => { workers => 2 } } })->start;
    my $token   = $service->token;                      # of a new person
    my $reply   = $service->api->connect->request(uri => '/v1/pets', token => $token);
    my $before  = $service->resources;                  # of the api pool's workers: descriptors, memory

=cut

use v5.36;
use parent 'Pets::Service';
use Pets::Env qw(random_hex slurp);

# There is nothing in front that would choose among several.
sub hosts($self) { return 1 }

sub start($self) {
    $self->make_secrets;
    $self->start_database;
    $self->start_pools;
    return $self;
}

# One request to a pool on a connection of its own, with a body that is data.
sub ask($self, $pool, $method, $uri, $body = undef, %option) {
    return $self->{$pool}->connect->request(method => $method, uri => $uri, keep => 0, defined $body ? (body => $body) : (), %option);
}

# Registers somebody and logs in: the access token.
sub token($self) {
    my $email    = sprintf 'direct%d.%s@example.org', ++$self->{people}, random_hex(4);
    my $password = 'a password that is long';
    my $reply    = $self->ask(auth => POST => '/v1/auth/register', { email => $email, password => $password, display_name => 'D' });
    ($reply->{status} // 0) == 201 or die "registering: $reply->{raw}\n";
    $reply = $self->ask(auth => POST => '/v1/auth/login', { email => $email, password => $password });
    return $reply->{json}{access_token} // die "logging in: $reply->{raw}\n";
}

# The pids of a pool's workers that serve, without the ops worker.
sub serving($self, $pool = 'api') {
    return map { $_->{pid} } grep { $_->{kind} ne 'ops' } $self->{$pool}->status(full => 1)->{processes}->@*;
}

# Open descriptors and resident kilobytes of one worker.
sub resources($self, $pid) {
    my $fds = () = glob "/proc/$pid/fd/*";
    my ($rss) = slurp("/proc/$pid/status") =~ /^VmRSS:\s*(\d+)/m;
    return { fds => $fds, rss => $rss };
}

1;
