# The machine was switched off and on: everything is back, by itself.
use v5.36;
use Pets::Inside;
use Pets::Env qw(wait_until);
use Test::More;

is sh('systemctl is-system-running --wait'), 0, 'the machine is up, and no unit has failed' or do { sh('systemctl --failed'); diag said() };
is property("petsd-$_.service", 'ActiveState'), 'active', "petsd-$_ runs" for qw(api auth);
is property("petsd-$_.service", 'NRestarts'), 0, '... at the first attempt' for qw(api auth);
wait_until { sh('curl -sf http://127.0.0.1:9180/api/ready http://127.0.0.1:9180/auth/ready') == 0 } 60, 'both pools to be ready';
my $ann = person();
is $ann->post('/v1/pets', { name => 'Rex', species => 'dog' })->status, 201, 'somebody enters a pet';
is administrator()->get('/v1/users')->status, 200, 'the administrator logs in';

# For the boot that follows: 85-late.t.
is sh('systemctl disable --quiet postgresql.service'), 0, 'PostgreSQL will be late' or diag said();
done_testing;
