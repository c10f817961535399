# An upgrade that brings a newer schema, and the way back, while people go on. The version that runs is that of this
# tree; the next one has a change of the schema more, and a statement that needs it (next).
use v5.36;
use Pets::Inside;
use Pets::Env qw(wait_until);
use POSIX ();
use Test::More;

my $packages = '/root/packages';

sub sql ($text) { sh("cd / && runuser -u postgres -- psql -d pets -v ON_ERROR_STOP=1 -Atq", stdin => $text) == 0 or diag said(); return said() }

# What the pets of this load were entered by.
sub origins ($tally) {
    return sql("set row_security = off; select string_agg(distinct coalesce(origin, 'former'), ' ') from pets.pet where created_at > '$tally->{since}'") =~ s/\n//r;
}

subtest 'a version that needs a newer schema' => sub {
    my %pid  = map { $_ => master($_) } qw(api auth);
    my $mark = journal_mark();
    my $load = load(people => 4);
    is sh("dpkg --install $packages/next/pets-api_*.deb"), 0, 'is installed' or diag said();
    like said(), qr/api: what is installed cannot serve; the pool goes on as it was/, 'it says that it cannot serve yet' or diag said();
    like said(), qr/^pets-api: petsd-api goes on in its former version\..*petsctl setup/m, '... and what to do' or diag said();
    like said(), qr/^auth: restarted$/m, 'the pool that needs nothing new is restarted';
    like join("\n", journal('petsd-api-relief', $mark)), qr/pet_create.*column \\?"origin\\?"/, 'the journal has the reason' or diag join "\n", journal('petsd-api-relief', $mark);
    is master('api'), $pid{api}, 'the other one goes on';
    ok !runs_what_is_installed('api'), '... in its former version';
    no_relief();
    all_well($load->(), 'half an upgrade', 3);
};

subtest 'the schema' => sub {
    is sh('petsctl setup --dry-run'), 0, 'a dry run' or diag said();
    like said(), qr/sqitch deploy --verify\n      pet_origin\n/, '... tells the change' or diag said();
    like said(), qr/\$ petsctl restart api\n/, '... and who will be restarted';
    is property('petsd-api-relief.service', 'ActiveState'), 'inactive', '... and does nothing';

    my %pid    = map { $_ => master($_) } qw(api auth);
    my $load   = load(people => 4);
    # A backup, say.
    my $reader = fork // die "fork: $!\n";
    if (!$reader) {
        sh(q{cd / && exec runuser -u postgres -- psql -d pets -Atqc 'begin; lock table pets.pet in access share mode; select pg_sleep(5); commit'});
        POSIX::_exit(0);
    }
    wait_until { sql("select 1 from pg_locks where relation = 'pets.pet'::regclass and mode = 'AccessShareLock' and pid in (select pid from pg_stat_activity where query ~ 'pg_sleep' and pid <> pg_backend_pid())") } 30, 'somebody who reads for long';
    is sh('petsctl setup'), 0, 'setup, without a word' or diag said();
    waitpid $reader, 0;
    like said(), qr/somebody else uses what is to be changed/, 'waits for nobody, and lets nobody wait' or diag said();
    like said(), qr/^  \|   \+ pet_origin \.+ ok$/m, '... applies the change' or diag said();
    like said(), qr/^  \$ petsctl restart api$/m, '... restarts the pool that was waiting for it';
    like said(), qr/^  - petsd-auth is running$/m, '... and no other';
    isnt master('api'), $pid{api}, 'the pool is another process';
    is master('auth'), $pid{auth}, '... and the other is not';
    ok runs_what_is_installed($_), "$_ runs what is installed" for qw(api auth);
    no_relief();
    my $tally = $load->();
    all_well($tally, 'a newer schema', 3);
    is origins($tally), 'former next', 'both versions have served with it';
    is sh('petsctl setup'), 0, 'setup, once more' or diag said();
    like said(), qr/it is up to date/, '... finds nothing to do';
    is master('api'), property('petsd-api.service', 'MainPID'), '... and restarts nothing';
};

subtest 'the way back' => sub {
    my %pid  = map { $_ => master($_) } qw(api auth);
    my $load = load(people => 4);
    is sh("dpkg --install $packages/new/pets-api_*.deb"), 0, 'the version before is installed again' or diag said();
    like said(), qr/^auth: restarted\napi: restarted\n/m, '... and both pools are restarted' or diag said();
    isnt master($_), $pid{$_}, "$_ is another process" for qw(api auth);
    ok runs_what_is_installed($_), '... and runs what is installed' for qw(api auth);
    no_relief();
    my $tally = $load->();
    all_well($tally, 'the version before, with the newer schema', 3);
    is origins($tally), 'former next', 'both have served';
    is origins(load(people => 1)->()), 'former', '... and now it is the former one';
    is sh('petsctl setup'), 0, 'its setup' or diag said();
    like said(), qr/that of a newer version/, '... leaves the schema as it is' or diag said();
    is sql("set row_security = off; select count(*) > 0 from pets.pet where origin = 'next'"), "t\n", '... with what is in it';
};

done_testing;
