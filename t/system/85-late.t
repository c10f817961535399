# The machine was switched on, and PostgreSQL is not there yet: the pools wait for it, say so, and serve when it comes.
use v5.36;
use Pets::Inside;
use Pets::Env qw(wait_until);
use Test::More;

is sh('systemctl is-system-running --wait'), 0, 'the machine is up, and no unit has failed' or do { sh('systemctl --failed'); diag said() };
isnt sh('systemctl is-active postgresql@15-main.service'), 0, 'there is no PostgreSQL';
my %pid = map { $_ => master($_) } qw(api auth);
is property("petsd-$_.service", 'ActiveState'), 'active', "petsd-$_ runs" for qw(api auth);
is sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9180/$_/ready"), 0, "petsd-$_ is asked" and is said(), 503, '... and is not ready' for qw(api auth);
my $reply = client()->register('somebody.early@example.org', 'the secret words of somebody', 'Ann Person');
is $reply->status, 503, 'who comes is told to come again';
is $reply->json->{code}, 'database_unavailable', '... with the reason';

is sh('systemctl enable --quiet --now postgresql.service'), 0, 'PostgreSQL comes' or diag said();
wait_until { sh('curl -sf http://127.0.0.1:9180/api/ready http://127.0.0.1:9180/auth/ready') == 0 } 60, 'both pools to be ready';
is person()->post('/v1/pets', { name => 'Rex', species => 'dog' })->status, 201, 'somebody enters a pet';
is join(' ', map { master($_) } qw(api auth)), join(' ', @pid{qw(api auth)}), 'nobody had to restart anything';
is property("petsd-$_.service", 'NRestarts'), 0, "... nor has systemd restarted petsd-$_" for qw(api auth);
done_testing;
