#!/usr/bin/perl
# The second half of ./quickstart, as the unprivileged user: starts the whole service with what tests start
# it with (Pets::Service), shows it by a tour of real curl commands, and keeps an eye on it until told to
# stop.
#
# There are two processes. The one that the terminal sees only passes on "stop" and cleans up after the
# other; the other, in a session of its own, owns everything that runs. So Ctrl-C, which a terminal sends
# to all of a session, reaches one place only, and the service is stopped in order, nginx first. When
# either of the two is killed, the other still ends everything.
use v5.36;
use utf8;
use Encode qw(decode);
use Fcntl qw(:flock SEEK_SET);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use Getopt::Long qw(GetOptions);
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use constant { PR_SET_PDEATHSIG => 1, PR_SET_CHILD_SUBREAPER => 36, FIRST_PORT => 8443 };

my %option;
GetOptions(\%option, 'once', 'port=i', 'code') or exit 2;
my $src      = $ENV{PETS_SRC}      // die "run ./quickstart\n";
my $shown    = $ENV{PETS_SHOWN}    // $src;
my $instance = $ENV{PETS_INSTANCE} // "$src/var/quickstart";

my $colour = -t STDOUT && ($ENV{TERM} // 'dumb') ne 'dumb' && !length($ENV{NO_COLOR} // '');
my ($bold, $dim, $red, $green, $cyan, $plain) = $colour ? ("\e[1m", "\e[2m", "\e[31m", "\e[32m", "\e[36m", "\e[0m") : ('') x 6;
binmode $_, ':encoding(UTF-8)' for *STDOUT, *STDERR;
$| = 1;

exit($option{code} ? code() : front());

# What the administrator's authenticator app would say now.
sub code () {
    require Pets::Totp;
    my $uri = content("$instance/admin.totp") or die "there is no administrator yet: start ./quickstart first\n";
    my $app = Pets::Totp->from_uri($uri);
    print $app->code_of($app->now), "\n";
    return 0;
}

# --- the two processes ----------------------------------------------------------------------------------

sub prctl ($what, $value) {
    my %number = (x86_64 => 157, aarch64 => 167);
    my $machine = (POSIX::uname())[4];
    return exists $number{$machine} ? syscall($number{$machine}, $what, $value, 0, 0, 0) : -1;
}

# The place for sockets, for their paths must be short. The first process removes it with all that the other
# one may have left; if only the other one is still there, it has emptied it by then.
my ($tmp, $front);
END {
    if (defined $tmp) {
        my $status = $?;
        $$ == $front ? remove_tree($tmp) : rmdir $tmp;
        $? = $status;
    }
}

# What the terminal sees.
sub front () {
    make_path($instance, { mode => 0700 });
    my $lock = take_lock();
    my $child;
    $front = $$;
    $ENV{TMPDIR} = $tmp = File::Temp::tempdir("pets-$$-XXXXXX", TMPDIR => 1);
    local @SIG{qw(INT TERM HUP)} = (sub { kill TERM => $child if $child }) x 3;
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    $child = fork // die "fork: $!\n";
    if (!$child) {
        @SIG{qw(INT TERM HUP)} = ('DEFAULT') x 3;
        prctl(PR_SET_PDEATHSIG, POSIX::SIGTERM);
        POSIX::setsid();
        exit 1 if getppid() != $front;
        exit service($lock);
    }
    1 while waitpid($child, 0) != $child;
    my $status = $?;
    my $left = end_leftovers();
    if ($status & 127) {
        print STDERR "\nquickstart: killed by signal ", $status & 127, "; what it had started has been ended\n";
        return 1;
    }
    print STDERR "quickstart: had to end what was left: $left\n" if $left;
    return $left ? 1 : $status >> 8;
}

# Orphans of the other process are children of this one. Returns what had to be ended.
sub end_leftovers () {
    my @names;
    for my $signal (('') x 20, 'TERM', ('') x 100, 'KILL', ('') x 20) {
        1 while waitpid(-1, WNOHANG) > 0;
        open my $in, '<', "/proc/$$/task/$$/children" or last;
        my @pids = split ' ', scalar(<$in>) // '' or last;
        if ($signal) {
            @names = map { command_of($_) } @pids if !@names;
            kill $signal => @pids;
        }
        sleep 0.05;
    }
    return join ', ', @names;
}

sub command_of ($pid) {
    open my $in, '<', "/proc/$pid/comm" or return '?';
    chomp(my $name = <$in> // '?');
    return "$name ($pid)";
}

# One at a time in a checkout. The file says to others where to find the one that runs.
sub take_lock () {
    open my $lock, '+>>', "$instance/lock" or die "$instance/lock: $!\n";
    flock $lock, LOCK_EX | LOCK_NB or do {
        seek $lock, 0, SEEK_SET;
        my $where = <$lock> // '';
        chomp $where;
        print STDERR "\n${red}quickstart: it is running already", (length $where ? ": $where" : ''), "$plain\n";
        exit 1;
    };
    truncate $lock, 0;
    $lock->autoflush(1);
    print $lock "process $$\n";
    return $lock;
}

# --- the service ----------------------------------------------------------------------------------------

my ($service, $stop, $step_start);

sub service ($lock) {
    require Pets::Service;
    local @SIG{qw(INT TERM HUP)} = (sub { $stop = 1; die "stopped\n" if defined $step_start }) x 3;
    local $SIG{PIPE} = 'IGNORE';

    my $good = eval { start(); 1 };
    my $why  = $@;
    undef $step_start;
    if ($good) {
        truncate $lock, 0;
        print $lock $service->url, " (process ", getppid(), ")\n";
        $good = $stop ? 0 : tour();
        if ($good && !$option{once} && !$stop) {
            explain();
            $good = watch();
        }
    }
    elsif (!$stop) {
        print "${red}failed${plain}\n\n${red}quickstart: ", $why =~ s/\n*\z//r, "$plain\n";
    }
    print "\n" if $stop;
    my $clean = stop_all();
    return $good && $clean ? 0 : $stop && $clean ? 130 : 1;
}

sub step ($name, $what, $do) {
    die "stopped\n" if $stop;
    $step_start = time;
    printf '  %s%-12s%s %-44s ', $bold, $name, $plain, $what;
    $do->();
    printf "%s%6.1f s%s\n", $dim, time - $step_start, $plain;
    undef $step_start;
    die "stopped\n" if $stop;
    return;
}

sub start () {
    my $port = choose_port();
    step secrets => 'certificate, keys, pepper', sub {
        $service = Pets::Service->new(
            dir      => $instance,
            keep     => 1,
            https_port => $port,
            nginx    => { settings => { LIMIT_RATE => '50r/s', LIMIT_BURST => 200, AUTH_RATE => '5r/s', AUTH_BURST => 50 } },
        );
        $service->make_secrets;
    };
    step database => ($service->has_database ? 'PostgreSQL, as it was left' : 'a private PostgreSQL and its schema'), sub { $service->start_database };
    step pools => 'api and auth', sub { $service->start_pools };
    step nginx => $service->url, sub { $service->start_nginx };
    step data => 'an administrator, a few pets', \&make_data;
    return;
}

# The port asked for, or the first free one. nginx itself binds it, at once.
sub choose_port () {
    if (my $port = $option{port}) {
        $port >= 1 && $port <= 65535 or die "--port must be from 1 to 65535\n";
        port_is_free($port) or die "port $port cannot be used: $!\n";
        return $port;
    }
    for my $port (FIRST_PORT .. FIRST_PORT + 100) {
        return $port if port_is_free($port);
    }
    die "no port from ${\ FIRST_PORT} on is free; choose one with --port\n";
}

sub port_is_free ($port) {
    return !!IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1);
}

# The administrator's password and second factor are made once and kept; so are the first pets.
sub make_data () {
    my $admin = $service->administrator;
    return if $admin->get('/v1/pets', query => { limit => 1 })->json->{items}->@*;
    my @pets = (
        { name => 'Balthazar', species => 'cat',    sex => 'male',   born_on => '2019-05-01', weight_grams => 5400, tags => ['indoor'] },
        { name => 'Dot',       species => 'rabbit', sex => 'female', born_on => '2023-03-14', notes => 'Eats cables.' },
        { name => 'Käpt’n',    species => 'bird',   breed => 'Budgerigar', weight_grams => 38, tags => ['talks', 'bites'] },
    );
    for my $pet (@pets) {
        my $reply = $admin->post('/v1/pets', $pet);
        $reply->status == 201 or die "creating a pet: " . $reply->summary . "\n";
    }
    return;
}

# Until told to stop (true) or until something has died (false).
sub watch () {
    while (!$stop) {
        if (my $dead = $service->dead) {
            print "\n${red}quickstart: $dead->{name} has ended${plain}; its last log lines:\n", $dead->{log} =~ s/^/  | /gmr, "\n";
            return 0;
        }
        sleep 0.2;
    }
    return 1;
}

sub stop_all () {
    return 1 if !$service;
    my $clean = 1;
    for my $part ($service->parts) {
        my ($name, $end) = @$part;
        printf '  %s%-12s%s %-44s ', $bold, 'stopping', $plain, $name;
        my $from = time;
        if (!eval { $end->(); 1 }) {
            print "${red}$@$plain";
            $clean = 0;
            next;
        }
        printf "%s%6.1f s%s\n", $dim, time - $from, $plain;
    }
    return $clean;
}

# --- the tour -------------------------------------------------------------------------------------------

my (%seen, %shell);

# Every command is printed as it is run, with its variables; what it answers must be what is expected.
sub tour () {
    my $tag   = sprintf '%x', time * 1000;
    my $admin = $service->administrator;
    my $other = $admin->get('/v1/pets', query => { owner_id => $admin->id, limit => 1 })->json->{items}[0]{id};
    %shell = (
        API   => $service->url,
        CA    => outside($service->ca_file),
        EMAIL => "ann.$tag\@example.org",
        ADMIN => $admin->token,
        OTHER => $other,
    );
    print "\n${bold}A tour of the API${plain}\n\n";
    print "  ${dim}Each command is run as you see it, with API=$shell{API} CA=$shell{CA}${plain}\n";

    my @tour = (
        ['Ann registers ...', 201, <<~'SH'],
            curl --cacert "$CA" "$API/v1/auth/register" -H 'Content-Type: application/json' \
              -d '{"email":"'$EMAIL'","password":"correct horse battery staple","display_name":"Ann"}'
            SH
        ['... and logs in. From here on, TOKEN is her access token', 200, <<~'SH', sub ($json) { $shell{TOKEN} = $json->{access_token} }],
            curl --cacert "$CA" "$API/v1/auth/login" -H 'Content-Type: application/json' \
              -d '{"email":"'$EMAIL'","password":"correct horse battery staple"}'
            SH
        ['She enters her dog', 201, <<~'SH', sub ($json) { $shell{PET} = $json->{id} }],
            curl --cacert "$CA" "$API/v1/pets" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
              -d '{"name":"Rex","species":"dog","sex":"male","born_on":"2021-06-01","weight_grams":21500,"tags":["good"]}'
            SH
        ['Her pets: hers alone', 200, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets?species=dog&limit=10" -H "Authorization: Bearer $TOKEN"
            SH
        ['One pet, with its entity tag', 200, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets/$PET" -H "Authorization: Bearer $TOKEN"
            SH
        ['Has it changed since version 1?', 304, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets/$PET" -H "Authorization: Bearer $TOKEN" -H 'If-None-Match: "1"'
            SH
        ['Rex has gained weight: change it, if it is still version 1', 200, <<~'SH'],
            curl --cacert "$CA" -X PATCH "$API/v1/pets/$PET" -H "Authorization: Bearer $TOKEN" -H 'If-Match: "1"' \
              -H 'Content-Type: application/merge-patch+json' -d '{"weight_grams":23000,"notes":"On a diet."}'
            SH
        ['A second writer who has only seen version 1 comes too late', 412, <<~'SH'],
            curl --cacert "$CA" -X PATCH "$API/v1/pets/$PET" -H "Authorization: Bearer $TOKEN" -H 'If-Match: "1"' \
              -H 'Content-Type: application/merge-patch+json' -d '{"name":"Max"}'
            SH
        ['What is wrong with a request is said all at once', 422, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
              -d '{"name":"","species":"dragon","weight_grams":-1,"wings":2}'
            SH
        ['Somebody else’s pet is not there for her', 404, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets/$OTHER" -H "Authorization: Bearer $TOKEN"
            SH
        ['Rex moves out', 204, <<~'SH'],
            curl --cacert "$CA" -X DELETE "$API/v1/pets/$PET" -H "Authorization: Bearer $TOKEN" -H 'If-Match: "2"'
            SH
        ['An administrator sees everybody’s pets ...', 200, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets?limit=2" -H "Authorization: Bearer $ADMIN"
            SH
        ['... and who has changed what, even of one that is gone', 200, <<~'SH'],
            curl --cacert "$CA" "$API/v1/pets/$PET/history?limit=2" -H "Authorization: Bearer $ADMIN"
            SH
    );
    my $failed = 0;
    for my $stop_ (@tour) {
        return 0 if $stop;
        $failed++ if !tour_step(@$stop_);
    }
    print $failed
        ? "\n${red}$failed of ${\ scalar @tour} answers were not what they should be.${plain}\n"
        : "\n${green}All ${\ scalar @tour} answers are as they should be.${plain}\n";
    return !$failed;
}

sub tour_step ($title, $expect, $command, $use = undef) {
    chomp $command;
    print "\n  ${bold}$title${plain}\n", $command =~ s/^/    /gmr =~ s/^    curl/  ${cyan}\$ curl/r, "$plain\n";
    my ($status, $headers, $body, $said) = curl($command);
    if (!$status) {
        print "  ${red}no answer: $said${plain}\n";
        return 0;
    }
    my $good = $status == $expect;
    my @tell = map { exists $headers->{ lc $_ } ? "$_: " . $headers->{ lc $_ } : () } qw(Location ETag Link Allow);
    print '  ', $good ? $green : $red, "< $status $headers->{''}", $good ? '' : " (expected $expect)", $plain,
        @tell ? join "${dim} · ${plain}", "   $tell[0]", @tell[1 .. $#tell] : '', "\n";
    print pretty(decode('UTF-8', $body)) =~ s/^/    /gmr, "\n" if length $body;
    my $json = eval { JSON::PP->new->utf8->decode($body) };
    $use->($json) if $good && $use && ref $json;
    return $good;
}

# Runs the command as a shell would, with what it takes to read the answer. Returns the status, the
# headers (the reason at the empty name), the body, and what curl complained about.
sub curl ($command) {
    my $dir = $service->dir . '/tour';
    make_path($dir);
    my $run = "curl() { command curl -q -sS -D '$dir/head' -o '$dir/body' --max-time 20 --noproxy '*' \"\$@\" 2>'$dir/said'; }; $command";
    unlink map { "$dir/$_" } qw(head body said);
    {
        local %ENV = (%ENV, %shell, CA => $service->ca_file);
        local $? = 0;
        system 'sh', '-c', $run;
    }
    my ($head, $body, $said) = map { content("$dir/$_") } qw(head body said);
    my ($status, $reason) = $head =~ m{\AHTTP/\S+ (\d+) ?(.*?)\r?\n} or return (0, {}, '', $said);
    my %reasons = (200 => 'OK', 201 => 'Created', 204 => 'No Content', 304 => 'Not Modified', 404 => 'Not Found',
        412 => 'Precondition Failed', 422 => 'Unprocessable Content');    # HTTP/2 has none
    my %headers = ('' => length $reason ? $reason : $reasons{$status} // '');
    $headers{ lc $1 } = $2 while $head =~ /^([^:\s]+):\s*(.*?)\r?$/mg;
    return ($status, \%headers, $body, $said);
}

sub content ($path) {
    open my $in, '<:raw', $path or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

# JSON with line breaks, in its own order: the outer levels spread out, short inner values in one line,
# and what is too long to be read shortened.
sub pretty ($text, $depth = 0) {
    $text =~ s/"((?:[^"\\]|\\.){70})(?:[^"\\]|\\.){20,}"/"$1…"/g;
    my ($out, $level, $at) = ('', 0, 0);
    my @tokens = $text =~ /("(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s"\[\]{}:,]+)/g;
    while ($at < @tokens) {
        my $token = $tokens[$at];
        if ($token =~ /[\[{]/) {
            if (my $flat = flat(\@tokens, \$at, $level)) { $out .= $flat; next }
            $level++;
            $out .= "$token\n" . '  ' x $level;
        }
        elsif ($token =~ /[\]}]/) { $level--; $out .= "\n" . '  ' x $level . $token }
        elsif ($token eq ',') { $out .= ",\n" . '  ' x $level }
        elsif ($token eq ':') { $out .= ': ' }
        else                  { $out .= $token }
        $at++;
    }
    return $out;
}

# An inner array or object as one line if that is short enough; moves past it.
sub flat ($tokens, $at, $level) {
    my ($depth, $end) = (0, $$at);
    while ($end < @$tokens) {
        $depth++ if $tokens->[$end] =~ /\A[\[{]\z/;
        $depth-- if $tokens->[$end] =~ /\A[\]}]\z/;
        last if !$depth;
        $end++;
    }
    my $line = join '', map { $_ eq ',' ? ', ' : $_ eq ':' ? ': ' : $_ } @$tokens[$$at .. $end];
    return '' if length $line > ($level ? 90 : 20);
    $$at = $end + 1;
    return $line;
}

# A path as a person outside of our mount namespace finds it.
sub outside ($path) {
    return $path =~ s{\A\Q$src\E(?=/)}{$shown}r;
}

# For the terminal, indented; nothing when qrencode is not there.
sub qr_code ($text) {
    require Pets::Env;
    return '' if !Pets::Env::find_program('qrencode');
    my ($status, $out) = Pets::Env::run(['qrencode', '-t', $colour ? 'ANSIUTF8' : 'UTF8', '-m', '2', '-o', '-'], stdin => $text);
    return $status ? '' : decode('UTF-8', $out) =~ s/^/    /gmr =~ s/\s+\z//r;
}

sub explain () {
    my $admin = $service->administrator;
    my $ops   = $service->ops_url;
    my ($email, $file, $app_file) = ($admin->email, map { outside($service->administrator_file($_)) } qw(password totp));
    my $code = outside("$src/quickstart") . ' --code';
    $code = "PETS_INSTANCE=$instance $code" if $instance ne "$src/var/quickstart";
    print <<~"END";

        ${bold}It is running.${plain}

          Address        @{[ $service->url ]}
          Documentation  @{[ $service->url ]}/docs
          CA file        $shell{CA}
          Administrator  $email, password @{[ $admin->password ]}
                         (also in $file)
          Second factor  @{[ $admin->app->uri ]}
                         (also in $app_file; for an authenticator app, as QR code:)

        @{[ qr_code($admin->app->uri) ]}

          Status pages   $ops/api/status  $ops/auth/status
          Logs           @{[ outside($service->dir) ]}

          Try it:

            CA=$shell{CA} API=@{[ $service->url ]}
            CODE=\$($code)    # or what the app says
            MFA=\$(curl -sS --cacert "\$CA" "\$API/v1/auth/login" -H 'Content-Type: application/json' \\
              -d '{"email":"$email","password":"@{[ $admin->password ]}"}' | sed 's/.*"mfa_token":"\\([^"]*\\)".*/\\1/')
            TOKEN=\$(curl -sS --cacert "\$CA" "\$API/v1/auth/login/second-factor" -H 'Content-Type: application/json' \\
              -d '{"mfa_token":"'"\$MFA"'","code":"'"\$CODE"'"}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
            curl -sS --cacert "\$CA" "\$API/v1/pets" -H "Authorization: Bearer \$TOKEN"

          Ctrl-C stops everything.
        END
    return;
}
