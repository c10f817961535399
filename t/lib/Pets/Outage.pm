package Pets::Outage;

=head1 NAME

Pets::Outage - people who read and write while the database goes away, and the reckoning afterwards

=head1 WHY

What a pool says while its database is away must be true: what was answered 201 is there, once, under the id that
was told; what was answered with "nothing was changed" is not; only "outcome unknown" may be either. That can only
be said by those who asked, so each person is a process that writes down what it was told.

    my $load = Pets::Outage->new(api => $pool, token => $token);
    my $count = $load->under('kill -9', sub { ... $load->until_told(qr/.../); ... }, $database);

C<under> starts them, lets them create some pets, runs the block, lets them create some more, ends them, and tests
what they were told against the database, which is the last argument (a Pets::Cluster) as it is then. It returns how
often each answer came: { 'POST 201' => N ... }. Option people: how many (6).

=cut

use v5.36;
use Pets::Env qw(test_dir wait_until slurp random_hex);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my $rounds = 0;

sub new($class, %option) { return bless { people => 6, %option }, $class }

# A process that reads and creates in turn until the file `stop` appears.
sub person($self, $number) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $status = eval {
        open my $out, '>', test_dir() . "/told-$self->{round}-$number" or die;
        $out->autoflush(1);
        my $connection;
        until (-e test_dir() . "/stop-$self->{round}") {
            my $name = random_hex(12);
            for my $what ('GET', 'POST') {
                $connection //= $self->{api}->connect;
                my $reply = $connection->request(
                    method => $what,
                    uri    => $what eq 'GET' ? '/v1/pets?limit=1' : '/v1/pets',
                    token  => $self->{token},
                    $what eq 'POST' ? (body => { name => $name, species => 'cat' }) : ()
                );
                my $json = $reply->{status} ? $reply->{json} : {};
                my $code = $reply->{status} ? $json->{code} // $reply->{status} : 'nothing';
                print $out join(' ', $what, $name, $code, defined $reply->{headers}{'retry-after'} ? 1 : 0, $json->{id} // '-'), "\n";
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
sub told($self, $pattern) {
    my $count = 0;
    $count += () = slurp($_) =~ /$pattern/g for glob test_dir() . "/told-$self->{round}-*";
    return $count;
}

# Until somebody, or so many more than now, have been told that.
sub until_told($self, $pattern, $more = undef) {
    my $goal = defined $more ? $self->told($pattern) + $more : 1;
    wait_until { $self->told($pattern) >= $goal } 60, "an answer like $pattern";
    return;
}

sub go_on($self, $pets = 20) { return $self->until_told(qr/^POST \S+ 201 /m, $pets) }

sub under($self, $name, $trouble, $database) {
    $self->{round} = ++$rounds;
    my @people = map { $self->person($_) } 1 .. $self->{people};
    my $good   = eval { $self->go_on; $trouble->(); $self->go_on; 1 };
    my $why    = $@;
    open my $stop, '>', test_dir() . "/stop-$self->{round}" or die;
    close $stop;
    my $failed = 0;
    for my $pid (@people) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    ok $good && !$failed, "$name: all went through it" or diag $why // '';
    return $self->reckon($name, $database);
}

sub reckon($self, $name, $database) {
    my (%count, %told);
    for my $file (glob test_dir() . "/told-$self->{round}-*") {
        for my $line (split /\n/, slurp($file)) {
            my ($what, $pet, $code, $retry, $id) = split ' ', $line;
            $count{"$what $code"}++;
            $told{$pet} = { code => $code, id => $id } if $what eq 'POST';
            $count{'without Retry-After'}++ if $code =~ /unavailable|overloaded|unknown/ && !$retry;
        }
    }
    note join ', ', map { "$_: $count{$_}" } sort keys %count;
    my %may = map { $_ => 1 } 'GET 200', 'POST 201', map { ("GET $_", "POST $_") } qw(database_unavailable overloaded outcome_unknown);
    is_deeply [grep { !$may{$_} } keys %count], [], "$name: nobody was told anything else";
    cmp_ok $count{'POST 201'} // 0, '>=', 40, "$name: pets were created";

    my %there;
    push $there{ $_->[1] }->@*, $_->[0] for $database->dbh->selectall_arrayref(q{select id, name from pets.pet where species = 'cat'})->@*;
    my @doubled = grep { @{ $there{$_} // [] } > 1 } keys %told;
    my @lost    = grep { $told{$_}{code} eq '201' && ($there{$_}[0] // '') ne $told{$_}{id} } keys %told;
    $self->{asked}{$_} = 1 for keys %told;
    my @unasked = grep { !$self->{asked}{$_} } keys %there;
    my @made_up = grep { $told{$_}{code} =~ /database_unavailable|overloaded/ && $there{$_} } keys %told;
    is "@doubled", '', "$name: nothing is there twice";
    is "@lost",    '', "$name: everything that was answered 201 is there, by its id";
    is "@made_up", '', "$name: nothing is there that was said not to be" or diag map { "$_: $told{$_}{code}\n" } @made_up;
    is "@unasked", '', "$name: nothing is there that nobody asked for";
    my ($history) = $database->dbh->selectrow_array(
        q{select count(*) from pets.pet p where species = 'cat' and (select count(*) from pets.pet_history h where h.pet_id = p.id) <> 1});
    is $history, 0, "$name: every pet has its one row of history";
    return \%count;
}

1;
