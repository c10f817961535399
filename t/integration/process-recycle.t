# Workers recycle themselves all the time under load (max_requests), while the pool reloads too: the successor is
# ready before anybody leaves, so nobody notices.
use v5.36;
use Pets::Env qw(wait_until);
use Pets::Load;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(
    hosts  => 1,
    config => { api => { pool => { workers => 2, max_requests => 40 } } },
    nginx  => { plain_api => 1 },
)->start;
my $api = $service->api;

sub recycled () { return $api->metrics->{'pets_worker_endings_total{cause="recycled"}'} }

# A recycled worker is gone only when nginx has ended its last connection to it, some 10 s later.
my $load = Pets::Load->new($service, pause => 0.01)->start;
my $mark = $api->log_mark;
wait_until { recycled() >= 4 } 60, 'four workers to be recycled';
$api->signal('HUP');
$api->log_wait(sub ($event) { ($event->{event} // '') eq 'reloaded' }, 60, $mark);
$load->go_on(500);
$load->all_well('recycling');

cmp_ok recycled(), '>=', 4, recycled() . ' workers were recycled';
is scalar $api->log_grep(sub ($event) { ($event->{level} // '') eq 'error' }), 0, 'no error is logged'
    or diag explain [$api->log_grep(sub ($event) { ($event->{level} // '') eq 'error' })];

# Each served what it may, give or take a quarter, and then only what was on its way or came over kept connections.
my $metrics = $api->metrics;
is $metrics->{'pets_worker_endings_total{cause="crashed"}'} + $metrics->{'pets_worker_endings_total{cause="killed"}'}
    + $metrics->{'pets_worker_endings_total{cause="failed"}'}, 0, 'none ended in another way';
is $api->stop(40), 0, 'it stops well';

done_testing;
