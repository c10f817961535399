package Pets::Load;

=head1 NAME

Pets::Load - people who read and create at once, and who write down every answer they get

=head1 WHY

That nothing was lost, doubled or late while a pool reloads, crashes or recycles can only be said by those
who asked. Each person is a process with connections of her own to nginx, ends some of them and comes anew,
reads and creates in turn, and writes a line for each request before she sends it and after. At the end the
lines are held against the database.

    my $load = Pets::Load->new($service, people => 8)->start;
    ... trouble ...
    my $tally = $load->finish;
    is_deeply $tally->{count}, { 'GET 200' => $n, 'POST 201' => $m };     # and nothing else
    $tally->{worst};        # seconds of the slowest answer
    $tally->{lost};         # names of pets that were answered 201 and are not there
    $tally->{doubled};      # names that are there twice
    $tally->{unasked};      # pets that are there though the answer was an error, or none came
    $load->all_well('reload');                # finishes, and tests that all went well for everybody

Options: people (8), requests on one connection (25; then she comes anew), pause between requests in
seconds (0.005), target (a sub that returns a new connected socket; by default nginx's plain port). nginx
must have been started with plain_api.

=cut

use v5.36;
use IO::Select;
use IO::Socket::INET;
use Pets::Env qw(test_dir slurp random_hex wait_until);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

my $rounds = 0;

sub new($class, $service, %option) {
    my $self = bless { people => 8, requests => 25, pause => 0.005, %option, service => $service, round => ++$rounds }, $class;
    $self->{token}  //= $service->user->token;
    $self->{port}   //= $service->nginx->plain_port;
    $self->{prefix} = 'load' . $self->{round} . '-' . random_hex(3);
    return $self;
}

# Returns once everybody has had an answer.
sub start($self) {
    $self->{before} = $self->counted;
    $self->{yardstick} = $self->yardstick;
    $self->{pids} = [map { $self->person($_) } 1 .. $self->{people}];
    wait_until { !grep { !-s $self->file($_) } 1 .. $self->{people} } 60, 'the first answers';
    return $self;
}

sub file($self, $number) { return test_dir() . "/$self->{prefix}-$number" }

# How many answers there have been so far.
sub answers($self) {
    my $count = 0;
    $count += () = slurp($self->file($_)) =~ /\n/g for 1 .. $self->{people};
    return $count;
}

# Lets them go on until so many more answers have come.
sub go_on($self, $answers, $seconds = 60) {
    my $goal = $self->answers + $answers;
    wait_until { $self->answers >= $goal } $seconds, "$answers more answers";
    return;
}

sub finish($self) {
    open my $stop, '>', test_dir() . "/$self->{prefix}-stop" or die;
    close $stop;
    my $failed = 0;
    for my $pid ($self->{yardstick}, $self->{pids}->@*) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    die "$failed of the people did not end well\n" if $failed;
    return $self->tally;
}

# What the pool says it has answered of what people here ask.
sub counted($self) {
    my $metrics = $self->{service}->api->metrics;
    my $sum     = 0;
    $sum += $metrics->{$_} for grep { m{\Apets_requests_total\{route="/v1/pets",method="(?:GET|POST)",} } keys %$metrics;
    return $sum;
}

# Nobody was told anything but good news, in time, and it is all true.
sub all_well($self, $name) {
    my $tally = $self->finish;
    is_deeply [sort keys $tally->{count}->%*], ['GET 200', 'POST 201'], "$name: every answer was good"
        or diag explain $tally->{count};
    $self->all_true($tally, $name);
    is $self->counted - $self->{before}, $tally->{all}, "$name: all $tally->{all} requests are counted";
    $self->in_time($tally, $name);
    return $tally;
}

# Nearly nothing takes a second, and nothing so long as to wait for a time limit of somebody's, on a machine that
# is not busy with other things. How busy it is the yardstick has seen; a request passes three processes as it
# did one.
sub in_time($self, $tally, $name) {
    my $machine = slurp(test_dir() . "/$self->{prefix}-yardstick");
    my $late    = grep { $_->{took} - 3 * $machine >= 1 } $tally->{answers}->@*;
    cmp_ok $late, '<=', $tally->{all} / 50, "$name: $late of $tally->{all} answers took a second";
    cmp_ok $tally->{worst} - 3 * $machine, '<', 4,
        sprintf "$name: the slowest answer came after %.0f ms (the machine's own delay: %.0f ms)", 1000 * $tally->{worst}, 1000 * $machine;
    return;
}

# What was answered 201 is there, once; and nothing else is, unless its answer was lost.
sub all_true($self, $tally, $name) {
    my $posts = $tally->{count}{'POST 201'} // 0;
    is "@{ $tally->{lost} }",    '', "$name: all of $posts pets that were answered 201 are there";
    is "@{ $tally->{doubled} }", '', "$name: none is there twice";
    my @unasked = grep { ($tally->{told}{$_} // '') !~ /\A(?:502|504|nothing)\z/ } $tally->{unasked}->@*;
    is "@unasked", '', "$name: none is there that was said not to be";
    return;
}

# A process that does nothing but ask PostgreSQL for nothing, and remembers how long that took at worst.
sub yardstick($self) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $status = eval {
        my $dbh   = $self->{service}->database->dbh;
        my $worst = 0;
        until (-e test_dir() . "/$self->{prefix}-stop") {
            my $start = time;
            sleep 0.02;
            $dbh->do('select 1');
            my $took = time - $start - 0.02;
            $worst = $took if $took > $worst;
        }
        open my $out, '>', test_dir() . "/$self->{prefix}-yardstick" or die;
        print $out $worst;
        close $out;
        0;
    } // do { print STDERR "yardstick: $@"; 1 };
    POSIX::_exit($status);
}

# --- a person -------------------------------------------------------------------------------------------

sub person($self, $number) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $status = eval { $self->live($number); 0 } // do { print STDERR "person $number: $@"; 1 };
    POSIX::_exit($status);
}

sub live($self, $number) {
    open my $out, '>', $self->file($number) or die;
    $out->autoflush(1);
    my $stop = test_dir() . "/$self->{prefix}-stop";
    my ($connection, $left);
    for (my $i = 0; !-e $stop; $i++) {
        my $method = $i % 2 ? 'POST' : 'GET';
        my $name   = "$self->{prefix}-$number-$i";
        my $start  = time;
        if (!$connection) {
            $connection = $self->connect;
            # Not all of them at the same time.
            $left = 1 + int rand 2 * $self->{requests};
        }
        my ($status, $open) = $self->ask($connection, $method, $name);
        printf $out "%s %s %s %.6f %.6f\n", $method, $name, $status, $start, time - $start;
        undef $connection if !$open || --$left == 0;
        sleep $self->{pause};
    }
    return;
}

sub connect($self) {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) // die "connecting to nginx: $!\n";
}

# (status or "nothing", whether the connection can be used again)
sub ask($self, $connection, $method, $name) {
    my $body = $method eq 'POST' ? qq({"name":"$name","species":"fish"}) : '';
    my $uri  = $method eq 'POST' ? '/v1/pets' : '/v1/pets?limit=1';
    syswrite $connection, join "\r\n", "$method $uri HTTP/1.1", 'Host: localhost', "Authorization: Bearer $self->{token}",
        $method eq 'POST' ? ('Content-Type: application/json', 'Content-Length: ' . length $body) : (), '', $body;
    my ($got, $end) = ('', time + 30);
    my $select = IO::Select->new($connection);
    while (1) {
        if ($got =~ /\A(HTTP\/1\.1 (\d{3}).*?\r\n\r\n)(.*)\z/s) {
            my ($head, $status, $rest) = ($1, $2, $3);
            my $whole = $head =~ /^Content-Length: *(\d+)/mi ? length $rest >= $1 : $rest =~ /(?:\A|\n)0\r\n\r\n\z/;
            return ($status, $head !~ /^Connection: *close/mi) if $whole;
        }
        return ('nothing', 0) if !$select->can_read($end - time);
        sysread $connection, $got, 65_536, length $got or return ('nothing', 0);
    }
}

# --- the reckoning --------------------------------------------------------------------------------------

sub tally($self) {
    my %tally = (count => {}, worst => 0, all => 0, told => {}, answers => []);
    for my $number (1 .. $self->{people}) {
        for my $line (split /\n/, slurp($self->file($number))) {
            my ($method, $name, $status, $start, $took) = split ' ', $line;
            $tally{count}{"$method $status"}++;
            $tally{all}++;
            $tally{told}{$name} = $status if $method eq 'POST';
            $tally{worst} = $took if $took > $tally{worst};
            push $tally{answers}->@*, { method => $method, name => $name, status => $status, start => $start, took => $took };
        }
    }
    my %there;
    $there{ $_->[0] }++
        for $self->{service}->database->dbh->selectall_arrayref('select name from pets.pet where name like ?', undef, "$self->{prefix}-%")->@*;
    my $told = $tally{told};
    $tally{there}   = \%there;
    $tally{lost}    = [grep { $told->{$_} eq '201' && !$there{$_} } sort keys %$told];
    $tally{doubled} = [grep { $there{$_} > 1 } sort keys %there];
    $tally{unasked} = [grep { ($told->{$_} // '') ne '201' } sort keys %there];
    return \%tally;
}

1;
