# Workers are killed under load. Only requests that the dead worker held fail, the log names each of them, and all
# others go on as if nothing had happened; what was answered stays true and counted.
use v5.36;
use Pets::Env qw(wait_until);
use Pets::Load;
use Pets::Service;
use Test::More;

use constant { PEOPLE => 8, KILLS => 4 };

my $service = Pets::Service->new(hosts => 1, config => { api => { pool => { workers => 2 } } }, nginx => { plain_api => 1 })->start;
my $api     = $service->api;

sub serving () { return map { $_->{pid} } grep { $_->{kind} eq 'pool' && $_->{state} eq 'ready' } $api->status(full => 1)->{processes}->@* }

my $load = Pets::Load->new($service, people => PEOPLE)->start;
my $lost = 0;
for my $kill (1 .. KILLS) {
    my ($victim) = wait_until { my @serving = serving(); @serving == 2 && \@serving } 60, 'two workers to serve';
    $victim = $victim->[ $kill % 2 ];
    my $mark = $api->log_mark;
    $api->kill_worker($victim, $kill % 2 ? 'KILL' : 'ABRT');
    my $end = $api->log_wait(sub ($event) { ($event->{event} // '') eq 'worker_ended' }, 30, $mark);
    is "$end->{worker} $end->{ending}", "$victim crashed", "kill $kill: the master says who ended, and how";
    like $end->{detail}, $kill % 2 ? qr/SIGKILL/ : qr/SIGABRT/, "kill $kill: by what";
    # It counts the crash when it has named what was lost with it.
    wait_until { $api->status->{endings}{crashed} == $kill } 30, 'the crash to be counted';
    $load->go_on(100);
    my @lost = $api->log_grep(sub ($event) { ($event->{event} // '') eq 'request_lost' }, $mark);
    cmp_ok scalar @lost, '<=', PEOPLE, "kill $kill: " . @lost . ' requests were lost with it';
    my @read = grep { $_->{stage} ne 'read' && $_->{stage} ne 'check' } @lost;    # before, it has no name yet
    is scalar(grep { ($_->{request_id} // '') !~ /\A[0-9a-f]{32}\z/ || !defined $_->{route} } @read), 0,
        "kill $kill: each is named with its route and stage"
        or diag explain \@lost;
    $lost += @lost;
}
wait_until { my @serving = serving(); @serving == 2 } 60, 'two workers to serve';
my $tally = $load->finish;

my %count = $tally->{count}->%*;
my $good  = ($count{'GET 200'} // 0) + ($count{'POST 201'} // 0);
my $bad   = $tally->{all} - $good;
is_deeply [grep { !/\A(?:GET 200|POST 201|GET 502|POST 502)\z/ } sort keys %count], [], 'the others were told 502, and nothing else';
# A request can be on its way to a worker that has not read it yet, so the dead worker did not know it.
cmp_ok $bad, '<=', KILLS * PEOPLE, "at most those of one worker each time: $bad of $tally->{all}";
cmp_ok $bad, '>=', $lost - KILLS, "and those that the log names: $lost";
$load->in_time($tally, 'crashes');
$load->all_true($tally, 'crashes');
my $counted = $load->counted - $load->{before};
# Killed between sending and counting, a worker can forget one answer.
cmp_ok $counted, '>=', $good - KILLS, "answers given are counted: $counted of $good";
cmp_ok $counted, '<=', $tally->{all}, '... and none that was not given';
is $api->metrics->{'pets_worker_endings_total{cause="crashed"}'}, KILLS, KILLS . ' crashes are counted';
is $api->stop, 0, 'it stops well';

done_testing;
