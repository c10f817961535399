# The units: what systemd knows of them, and what happens when a pool is reloaded, dies, hangs, or is asked for.
use v5.36;
use Pets::Inside;
use Pets::Env qw(slurp spew wait_until process_gone);
use Test::More;
use Time::HiRes qw(time);

my $ann = person();
sub works ($name) { return is $ann->get('/v1/pets')->status . ' ' . $ann->get('/v1/me')->status, '200 200', $name }

subtest 'what they are' => sub {
    for my $pool (qw(api auth)) {
        my $unit = "petsd-$pool.service";
        is property($unit, 'ActiveState'), 'active', "$unit is active";
        like property($unit, 'StatusText'), qr/^generation \d+ is serving with \d+ workers$/, '... says how it does';
        is property($unit, 'Type') . ' ' . property($unit, 'KillMode'), 'notify mixed', '... is notify and mixed';
        is property($unit, 'WatchdogUSec'), '20s', '... has a watchdog';
        sh("ps -o user= -p " . join ',', master($pool), split ' ', slurp("/proc/@{[ master($pool) ]}/task/@{[ master($pool) ]}/children"));
        is join(' ', sort keys %{ { map { $_ => 1 } split ' ', said() } }), "pets-$pool", '... all of it runs as its own user';
    }
    for my $unit (map { m{([^/]+)\z} } glob '/lib/systemd/system/petsd-*.service') {
        sh("systemd-analyze security --no-pager --json=off $unit");
        my ($exposure) = said() =~ /Overall exposure level for \S+: ([\d.]+)/;
        cmp_ok $exposure, '<=', 1.5, "the exposure of $unit is $exposure";
    }
    is sh('systemd-analyze verify $(ls /lib/systemd/system/petsd-*)'), 0, 'systemd has nothing to complain of';
    is said(), '', '... nothing' or diag said();
};

subtest 'limits bite' => sub {
    my $group = property('petsd-api.service', 'ControlGroup');
    SKIP: {
        my ($file) = grep { -e } "/sys/fs/cgroup$group/memory.max", "/sys/fs/cgroup/memory$group/memory.limit_in_bytes";
        skip 'this machine has no controllers', 2 if !$file;
        is slurp($file), 1024**3 . "\n", 'memory';
        my ($tasks) = grep { -e } "/sys/fs/cgroup$group/pids.max", "/sys/fs/cgroup/pids$group/pids.max";
        is slurp($tasks), "300\n", 'tasks';
    }
    my %limit = map { /^(Max \S+(?: \S+)*?)\s{2,}(\S+)/ ? ($1 => $2) : () } split /\n/, slurp("/proc/@{[ master('api') ]}/limits");
    is $limit{'Max open files'}, 4096, 'descriptors';
    is $limit{'Max core file size'}, 0, 'no core, which would hold secrets';
};

subtest 'reload' => sub {
    my $pid = master('api');
    my $generation = sub { return property('petsd-api.service', 'StatusText') =~ /^generation (\d+)/ ? $1 : 0 };
    my $before = $generation->();
    is sh('systemctl reload petsd-api petsd-auth'), 0, 'both pools' or diag said();
    is $generation->(), $before + 1, 'when the command ends it has happened';
    is master('api'), $pid, '... in the same master';

    spew('/etc/pets-api/api.conf.d/70-site.conf', "[pool]\nworkers = many\n");
    my $mark = journal_mark();
    isnt sh('systemctl reload petsd-api'), 0, 'a bad configuration fails';
    like join("\n", journal('petsd-api', $mark)), qr/70-site\.conf:2: pool\.workers: "many" is not a whole number/, '... with the reason in the journal';
    is property('petsd-api.service', 'ActiveState'), 'active', '... and the pool goes on';
    is $generation->(), $before + 1, '... as it was';

    # A secret cannot be had, as only the workers find out.
    spew('/etc/pets-api/api.conf.d/70-site.conf', "[token]\npublic_keys_dir = /etc/pets-api/none\n");
    isnt sh('systemctl reload petsd-api'), 0, 'so does one whose keys are not there';
    works('the service does not mind');
    unlink '/etc/pets-api/api.conf.d/70-site.conf';
    is sh('systemctl reload petsd-api'), 0, 'mended, it reloads' or diag said();
    works('and serves');
};

subtest 'a log file' => sub {
    my $log = '/var/log/pets-api/api/petsd.log';
    sh('mkdir -p /etc/systemd/system/petsd-api.service.d');
    spew('/etc/systemd/system/petsd-api.service.d/log.conf', "[Service]\nLogsDirectory=pets-api/api\n");
    spew('/etc/pets-api/api.conf.d/70-site.conf', "[log]\nfile = $log\naccess = on\n");
    is sh('systemctl daemon-reload && systemctl restart petsd-api'), 0, 'where the unit lets it, a pool writes one' or diag join "\n", journal('petsd-api');
    works('it serves');
    wait_until { (eval { slurp($log) } // '') =~ /"event":"access"/ } 20, 'a line in it';
    is sh('logrotate --force /etc/logrotate.d/pets-api'), 0, 'logrotate takes it away' or diag said();
    works('it serves');
    wait_until { (eval { slurp($log) } // '') =~ /"event":"access"/ } 20, 'a line in the next one';
    pass 'and it goes on in a new one';
    sh('rm -r /etc/systemd/system/petsd-api.service.d /etc/pets-api/api.conf.d/70-site.conf');
    is sh('systemctl daemon-reload && systemctl restart petsd-api && rm -r /var/log/pets-api'), 0, 'back in the journal' or diag said();
};

subtest 'a crash of a worker' => sub {
    my $pid = master('api');
    my ($worker) = split ' ', slurp("/proc/$pid/task/$pid/children");
    kill KILL => $worker;
    wait_until { process_gone($worker) } 20, 'the worker to be gone';
    works('others serve');
    is master('api'), $pid, 'the master goes on';
};

subtest 'a crash of the master' => sub {
    for my $pool (qw(api auth)) {
        my $pid = master($pool);
        kill KILL => $pid;
        wait_until { my $new = master($pool); $new && $new != $pid && property("petsd-$pool.service", 'ActiveState') eq 'active' } 60, "petsd-$pool to be back";
        works("petsd-$pool is back, and nobody was refused meanwhile");
        cmp_ok property("petsd-$pool.service", 'NRestarts'), '>=', 1, 'systemd counts it';
    }
};

subtest 'a master that dies over and over' => sub {
    for my $time (1 .. 11) {
        my $pid = master('api');
        kill KILL => $pid;
        wait_until { my $new = master('api'); $new && $new != $pid && property('petsd-api.service', 'ActiveState') eq 'active' } 60, "petsd-api to be back for the ${time}th time";
    }
    works('is started for ever');
};

subtest 'a master that hangs' => sub {
    my $pid  = master('api');
    my $mark = journal_mark();
    kill STOP => $pid;
    wait_until { my $new = master('api'); $new && $new != $pid && property('petsd-api.service', 'ActiveState') eq 'active' } 120, 'the watchdog to have it restarted';
    like join("\n", journal('petsd-api', $mark)), qr/Failed with result 'watchdog'/, 'the journal says that it was the watchdog';
    works('it serves again');
};

subtest 'a configuration that cannot be used' => sub {
    spew('/etc/pets-api/api.conf.d/70-site.conf', "[pool]\nworkers = many\n");
    my $mark = journal_mark();
    isnt sh('systemctl restart petsd-api'), 0, 'it does not start';
    is property('petsd-api.service', 'ActiveState'), 'failed', '... and is not tried again';
    is property('petsd-api.service', 'ExecMainStatus'), 78, '... as its status says (78)';
    # Who comes meanwhile has the socket ask for it.
    client()->get('/v1/pets') for 1 .. 3;
    wait_until { property('petsd-api.socket', 'ActiveState') eq 'failed' } 60, 'systemd to give it up';
    is property('petsd-api.service', 'ActiveState'), 'failed', 'it is given up in the end';
    unlink '/etc/pets-api/api.conf.d/70-site.conf';
    is sh('petsctl restart api'), 0, 'mended, it can be started at once' or diag said();
    works('and serves');
};

subtest 'what is over is deleted' => sub {
    is property('petsd-prune.timer', 'ActiveState'), 'active', 'a timer runs';
    is sh(q{runuser -u postgres -- psql -d pets -Atqc "set row_security = off; update pets.session set expires_at = created_at + interval '1 second', ends_at = created_at + interval '2 seconds', created_at = now() - interval '200 days', authenticated_at = now() - interval '200 days', refreshed_at = now() - interval '200 days' where id = (select id from pets.session limit 1) returning 1"}), 0, 'a session is long over' or diag said();
    my $mark = journal_mark();
    is sh('systemctl start petsd-prune.service'), 0, 'the service runs' or diag join "\n", journal('petsd-prune', $mark);
    is property('petsd-prune.service', 'User'), 'pets-prune', '... as its own user';
    like join("\n", journal('petsd-prune', $mark)), qr/sessions/, '... and says what it has deleted' or diag join "\n", journal('petsd-prune', $mark);
};

subtest 'sockets start it' => sub {
    is sh('systemctl stop petsd-api.service petsd-auth.service'), 0, 'both pools are stopped' or diag said();
    is property("petsd-$_.service", 'ActiveState'), 'inactive', "petsd-$_ is" for qw(api auth);
    is property("petsd-$_.socket",  'ActiveState'), 'active', '... and its socket listens' for qw(api auth);
    my $begun = time;
    works('who asks is answered');
    cmp_ok time - $begun, '<', 10, 'soon';
    is property("petsd-$_.service", 'ActiveState'), 'active', "petsd-$_ was started" for qw(api auth);
};

done_testing;
