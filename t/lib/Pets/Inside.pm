package Pets::Inside;

=head1 NAME

Pets::Inside - for tests that run as root in a machine of their own (Pets::Machine): commands, units, people, load

=head1 WHY

What is said there is said in an operator's terms: a command and how it ended, a property of a unit, a line of the
journal, and people who go on using the service while something is done to it.

    is sh('systemctl reload petsd-api'), 0, 'it reloads';
    like said(), qr/.../;                             # what the last command printed, both outputs together
    is property('petsd-api', 'ActiveState'), 'active';
    my $admin = administrator();                      # logged in, with a second factor
    my $load = load(people => 6);
    ...
    my $tally = $load->();                            # { answers => { 'GET 200' => n }, worst => s, lost => [...], ... }
    all_well($tally, 'reload', 3);                    # tests that nobody was refused or waited so many seconds, nothing lost

=cut

use v5.36;
use Exporter qw(import);
use Pets::Client;
use Pets::Env qw(slurp spew wait_until random_hex);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(sh said property journal journal_mark master client person administrator
    load all_well no_relief runs_what_is_installed probe files_of everything SITE ADMIN PASSWORD CA);

use constant {
    SITE     => 'api.example.com',
    ADMIN    => 'admin@example.org',
    PASSWORD => 'correct horse battery staple',
    CA       => '/etc/pets-api/tls/api.example.com.pem',
};

# --- commands and units ---------------------------------------------------------------------------------

my $said = '';

# A line of shell; its exit status. Option stdin.
sub sh($line, %option) {
    my ($status, $out, $err) = Pets::Env::run(['sh', '-c', "exec 2>&1; $line"], stdin => $option{stdin} // '', timeout => $option{timeout} // 300);
    $said = $out;
    return $status >> 8 || $status;
}
sub said() { return $said }

sub property($unit, $name) {
    my (undef, $out) = Pets::Env::run(['systemctl', 'show', '--property', $name, '--value', $unit]);
    chomp $out;
    return $out;
}

sub master($pool) { return property("petsd-$pool.service", 'MainPID') }

# Lines of the journal of a unit, from a mark on; without one all of this boot.
sub journal($unit, $mark = undef) {
    my (undef, $out) = Pets::Env::run(['journalctl', '--boot', '--output=cat', '--unit', $unit, defined $mark ? "--after-cursor=$mark" : ()]);
    return split /\n/, $out;
}

sub journal_mark() {
    my (undef, $out) = Pets::Env::run(['journalctl', '--boot', '--lines=1', '--show-cursor', '--output=cat']);
    return $out =~ /^-- cursor: (\S+)$/m ? $1 : die "the journal has no cursor\n";
}

# --- people ---------------------------------------------------------------------------------------------

sub client(%option) {
    return Pets::Client->new(url => 'https://' . SITE, ca => CA, %option);
}

# Somebody new, registered and logged in.
sub person() {
    my $email  = 'person.' . random_hex(4) . '@example.org';
    my $client = client();
    my $reply  = $client->register($email, 'the secret words of somebody', 'Ann Person');
    $reply->status == 201 or die 'registering: ' . $reply->summary . "\n";
    return $client->login($email, 'the secret words of somebody');
}

# The one whom setup has made. The second factor is set up once, and kept between tests.
sub administrator() {
    my $file = "$ENV{PETS_TEST_DIR}/admin.totp";
    my $app  = -e $file ? Pets::Totp->from_uri(slurp($file)) : undef;
    my $admin = client()->login(ADMIN, PASSWORD, $app);
    return $admin if $app;
    $admin->enrol;
    spew($file, $admin->app->uri, 0600);
    return $admin;
}

# People who create pets, read them, and look at their account, in turn, until told to stop: a function that then
# tells what they met. Each answer counts; a pet whose creation was answered must be there.
sub load(%option) {
    my $people = $option{people} // 6;
    my $dir    = "$ENV{PETS_TEST_DIR}/load-" . random_hex(4);
    mkdir $dir or die "$dir: $!\n";
    my $person = person();
    my $since  = POSIX::strftime('%Y-%m-%d %H:%M:%SZ', gmtime);
    my @pids;
    for my $number (1 .. $people) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            eval { go_on($person, "$dir/$number", "$dir/stop"); 1 } or warn $@;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    wait_until { !grep { !-s "$dir/$_" } 1 .. $people } 60, 'the first answers';
    return sub {
        spew("$dir/stop", '');
        waitpid $_, 0 for @pids;
        my %tally = (answers => {}, worst => 0, lost => [], since => $since);
        my @made;
        for my $number (1 .. $people) {
            for my $line (split /\n/, slurp("$dir/$number")) {
                my ($what, $status, $seconds, $name) = split ' ', $line;
                $tally{answers}{"$what $status"}++;
                $tally{worst} = $seconds if $seconds > $tally{worst};
                push @made, $name if $what eq 'POST' && $status == 201;
            }
        }
        my %there = map { $_ => 1 } all_names($person->with_token($person->token));
        $tally{lost} = [grep { !$there{$_} } @made];
        $tally{made} = scalar @made;
        return \%tally;
    };
}

sub go_on($person, $file, $stop) {
    my $client = $person->with_token($person->token);
    open my $out, '>', $file or die "$file: $!\n";
    $out->autoflush(1);
    my $count = 0;
    until (-e $stop) {
        my $name  = "$$-" . ++$count;
        my $begun = time;
        my ($what, $reply)
            = $count % 4 == 1 ? ('POST', $client->post('/v1/pets', { name => $name, species => 'dog' }))
            : $count % 4 == 2 ? ('GET', $client->get('/v1/me'))
            :                   ('GET', $client->get('/v1/pets', query => { limit => 5 }));
        printf $out "%s %d %.3f %s\n", $what, $reply->status, time - $begun, $name;
        sleep 0.02;
    }
    return;
}

sub all_names($client) {
    my (@names, $cursor);
    do {
        my $page = $client->get('/v1/pets', query => { limit => 100, defined $cursor ? (cursor => $cursor) : () })->json;
        push @names, map { $_->{name} } $page->{items}->@*;
        $cursor = $page->{page}{next};
    } while (defined $cursor);
    return @names;
}

sub all_well ($tally, $name, $slowest) {
    my @wrong = grep { !/ 20[01]\z/ } sort keys $tally->{answers}->%*;
    my $all   = 0;
    $all += $_ for values $tally->{answers}->%*;
    is join(', ', map { "$tally->{answers}{$_} x $_" } @wrong), '', "$name: none of $all answers is an error";
    is scalar $tally->{lost}->@*, 0, "$name: none of $tally->{made} new pets is lost";
    cmp_ok $tally->{worst}, '<', $slowest, "$name: the slowest answer took $tally->{worst} s";
    return;
}

# Whether what runs is the file that is installed.
sub runs_what_is_installed ($pool) { return (readlink('/proc/' . master($pool) . '/exe') // '') eq '/usr/sbin/petsd' }

sub no_relief () {
    wait_until { !grep { property("petsd-$_-relief.service", 'ActiveState') ne 'inactive' } qw(api auth) } 90, 'those who helped out to leave';
    return pass 'who helped out has left';
}

# --- probes ---------------------------------------------------------------------------------------------

# What a process meets that runs in the place of a unit's own: a copy of the unit as it is loaded, with another
# program, which prints JSON; the result is that.
sub probe($unit, $program, %option) {
    my $text = join "\n", grep { !/^(?:#|ExecStart|ExecReload|Type=|Restart|WatchdogSec|Sockets=|Requires=|NotifyAccess)/ } split /\n/, `systemctl cat $unit`;
    $text =~ s/^\[Install\]\n(?:[^\[\n].*\n|\n)*//m;
    my $out = "$ENV{PETS_TEST_DIR}/probe.json";
    unlink $out;
    spew($out, '');
    # To be able to ask at all, the asking program may be run; nothing else is different.
    spew('/run/systemd/system/petsd-probe.service', $text . <<~"END");

        [Service]
        Type=oneshot
        ExecStart=/usr/bin/perl $program @{ $option{arguments} // [] }
        ExecPaths=/usr/bin/perl
        BindReadOnlyPaths=/src
        StandardOutput=file:$out
        END
    sh('systemctl daemon-reload; systemctl start petsd-probe.service') == 0 or die "the probe does not run: " . said() . join "\n", journal('petsd-probe');
    unlink '/run/systemd/system/petsd-probe.service';
    return JSON::PP->new->utf8->decode(slurp($out));
}

# --- files ----------------------------------------------------------------------------------------------

# Every file below these directories: "path mode owner" => checksum or target. What is left out matches a pattern.
sub files_of($without, @dirs) {
    my %found;
    my (undef, $out) = Pets::Env::run(['find', @dirs, '-xdev', '-printf', '%p\t%y %m %u:%g\t%l\n']);
    for my $line (split /\n/, $out) {
        my ($path, $kind, $link) = split /\t/, $line, 3;
        next if $path =~ $without;
        $found{"$path $kind"} = $kind =~ /^f/ ? checksum($path) : $link;
    }
    return \%found;
}

# All that a package could leave behind, but for what a machine changes by itself.
sub everything() {
    return files_of(qr{^(?:/etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-|/etc/(?:ld\.so\.cache|\.pwd\.lock|mtab|resolv\.conf|machine-id|hosts)$|/etc/ssl/certs/|/var/lib/systemd/(?!deb-systemd))},
        qw(/etc /usr /srv /opt /home /var/lib/systemd));
}

sub checksum($path) {
    require Digest::SHA;
    return Digest::SHA->new(256)->addfile($path)->hexdigest;
}

1;
