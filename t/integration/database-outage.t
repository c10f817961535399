# The database goes away and comes back, in every manner, while people read and write. The pool says so at once,
# recovers by itself, and its answers are true: what was answered 201 is there, once; what was answered with
# "nothing was changed" is not; only "outcome unknown" may be either.
use v5.36;
use Pets::Direct;
use Pets::Env qw(test_dir wait_until slurp random_hex);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

my $service = Pets::Direct->new(config => { both => { database => { reconnect_max_ms => 500 } }, api => { pool => { workers => 2, queue_max_wait_ms => 6000 } } })->start;
my $database = $service->database;
my $api      = $service->api;
my $token    = $service->token;

sub list () { return $api->connect->request(uri => '/v1/pets?limit=1', token => $token) }

sub recovers ($name, $seconds = 60) {
    my $start = time;
    wait_until { (list()->{status} // 0) == 200 } $seconds, 'the pool to recover';
    pass sprintf '%s: recovered after %.0f ms', $name, 1000 * (time - $start);
    return;
}

subtest 'the pool starts without a database' => sub {
    $api->stop;
    $database->stop;
    $api->start(wait => 'up');
    my $reply = wait_until { my $reply = list(); $reply->{status} && $reply } 30, 'an answer';
    is $reply->{status}, 503, 'a request is refused';
    is $reply->{json}{code}, 'database_unavailable', '... with the reason';
    like $reply->{headers}{'retry-after'}, qr/\A[1-9]\d?\z/, '... and when to come back';
    # Whoever waited would do so for queue_max_wait_ms.
    my $worst = 0;
    for (1 .. 50) {
        my $begin = time;
        list();
        $worst = time - $begin if time - $begin > $worst;
    }
    cmp_ok $worst, '<', 4, sprintf '... at once (%.0f ms at worst)', $worst * 1000;
    is $api->ops('/live')->{status}, 200, 'it lives';
    is $api->ops('/ready')->{status}, 503, 'it is not ready';
    is $api->connect->request(uri => '/nowhere')->{status}, 404, 'what needs no database is answered';
    is $api->connect->request(uri => '/v1/pets')->{json}{code}, 'token_missing', '... a missing token too';
    $database->start;
    recovers('started later');
    wait_until { $api->ops('/ready')->{status} == 200 } 30, 'readiness';
    pass 'it is ready';
};

# --- load -----------------------------------------------------------------------------------------------

# A process that reads and creates in turn until the file `stop` appears, and writes down what it was told.
sub person ($number, $round) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $status = eval {
        open my $out, '>', test_dir() . "/told-$round-$number" or die;
        $out->autoflush(1);
        my $connection;
        until (-e test_dir() . "/stop-$round") {
            my $name = random_hex(12);
            for my $what ('GET', 'POST') {
                $connection //= $api->connect;
                my $reply = $connection->request(
                    method => $what,
                    uri    => '/v1/pets',
                    token  => $token,
                    $what eq 'POST' ? (body => { name => $name, species => 'cat' }) : ()
                );
                my $code = $reply->{status} ? $reply->{json}{code} // $reply->{status} : 'nothing';
                print $out "$what $name $code ", defined $reply->{headers}{'retry-after'} ? 1 : 0, "\n";
                $connection = undef if !$reply->{complete};
            }
            sleep 0.002;
        }
        close $out;
        0;
    } // do { print STDERR $@; 1 };
    POSIX::_exit($status);
}

# How many lines of what they were told match.
sub told ($round, $pattern) {
    my $count = 0;
    $count += () = slurp($_) =~ /$pattern/g for glob test_dir() . "/told-$round-*";
    return $count;
}

# Until so many more pets than now have been created.
sub go_on ($round, $pets) {
    my $goal = told($round, qr/^POST \S+ 201 /m) + $pets;
    wait_until { told($round, qr/^POST \S+ 201 /m) >= $goal } 60, "$pets pets";
    return;
}

sub under_load ($round, $name, $trouble) {
    my @people = map { person($_, $round) } 1 .. 6;
    my $good = eval { go_on($round, 20); $trouble->(); go_on($round, 20); 1 };
    my $why  = $@;
    open my $stop, '>', test_dir() . "/stop-$round" or die;
    close $stop;
    my $failed = 0;
    for my $pid (@people) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    ok $good && !$failed, "$name: all went through it" or diag $why // '';
    my (%count, %told);
    for my $file (glob test_dir() . "/told-$round-*") {
        for my $line (split /\n/, slurp($file)) {
            my ($what, $pet, $code, $retry) = split ' ', $line;
            $count{"$what $code"}++;
            $told{$pet} = $code if $what eq 'POST';
            $count{'without Retry-After'}++ if $code =~ /unavailable|overloaded|unknown/ && !$retry;
        }
    }
    note join ', ', map { "$_: $count{$_}" } sort keys %count;
    my %may = map { $_ => 1 } 'GET 200', 'POST 201', map { ("GET $_", "POST $_") } qw(database_unavailable overloaded outcome_unknown);
    is_deeply [grep { !$may{$_} } keys %count], [], "$name: nobody was told anything else";
    cmp_ok $count{'POST 201'} // 0, '>=', 40, "$name: pets were created";

    my %there;
    $there{ $_->[0] }++ for $database->dbh->selectall_arrayref(q{select name from pets.pet where species = 'cat'})->@*;
    my @doubled = grep { ($there{$_} // 0) > 1 } keys %told;
    my @lost    = grep { $told{$_} eq '201' && !$there{$_} } keys %told;
    my @made_up = grep { $told{$_} =~ /database_unavailable|overloaded/ && $there{$_} } keys %told;
    is "@doubled", '', "$name: nothing is there twice";
    is "@lost",    '', "$name: everything that was answered 201 is there";
    is "@made_up", '', "$name: nothing is there that was said not to be" or diag map { "$_: $told{$_}\n" } @made_up;
    my ($history) = $database->dbh->selectrow_array(
        q{select count(*) from pets.pet p where species = 'cat' and (select count(*) from pets.pet_history h where h.pet_id = p.id) <> 1});
    is $history, 0, "$name: every pet has its one row of history";
    return \%count;
}

my $round = 0;
for my $way (['stop -m fast', sub { $database->stop('fast') }], ['stop -m immediate', sub { $database->stop('immediate') }], ['kill -9', sub { $database->kill9 }]) {
    subtest $way->[0] => sub {
        my $count = under_load(
            ++$round,
            $way->[0],
            sub {
                $way->[1]->();
                wait_until { told($round, qr/^POST \S+ database_unavailable /m) } 60, 'somebody to be refused';
                $database->start;
                recovers($way->[0]);
            }
        );
        cmp_ok $count->{'POST database_unavailable'} // 0, '>', 0, 'some were refused';
    };
}

subtest 'three restarts in a row' => sub {
    under_load(
        ++$round,
        'restarts',
        sub {
            for (1 .. 3) {
                $database->stop('fast');
                $database->start;
                recovers("restart $_");
            }
        }
    );
};

subtest 'single connections are ended by the server' => sub {
    under_load(
        ++$round,
        'terminated',
        sub {
            for (1 .. 10) {
                $database->dbh->do(q{select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pets_api' order by random() limit 2});
                sleep 0.1;
            }
        }
    );
};

my $metrics = $api->metrics;
cmp_ok $metrics->{'pets_database_connections_lost_total'}, '>', 0, 'lost connections are counted';
is_deeply [$api->log_grep(sub ($event) { ($event->{event} // '') eq 'worker_ended' && ($event->{ending} // '') ne 'replaced' })], [], 'no worker has died';
is $api->stop, 0, 'the pool ends in order';
done_testing;
