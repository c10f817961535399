package Pets::Nginx;

# A private nginx that runs the shipped configuration, for tests and benchmarks: all it writes is below
# one folder, it listens on free loopback ports, and it needs no root.
#
#   my $nginx = Pets::Nginx->new(
#       dir        => $dir,                      # made if missing; a temporary one by default
#       api_socket => "$dir/api.sock", auth_socket => ..., api_ops_socket => ..., auth_ops_socket => ...,
#       origins    => ['https://app.test'],      # the lines of cors-origins.map
#       openapi    => $file,                     # what /openapi.json is; none by default
#       pages      => $dir,                      # what /docs is; nothing by default
#       settings   => {LIMIT_RATE => '1r/m'},    # anything of nginx/settings
#       server     => '...', http => '...',      # text added to the API's server { }, to http { }
#       plain_api  => 1,                         # the API without TLS as well: ->plain_port
#       fakes      => 1,                         # a Pets::FakeResponder on each of the four sockets
#       user       => 'nobody',                  # whom to become if started by root
#   );
#   $nginx->start; $nginx->reload; $nginx->stop;
#   $nginx->https_port, ->http_port, ->ops_port, ->plain_port, ->ca_file, ->dir, ->pid
#
# Rates are not limited here unless settings say so. Ports: this process binds them and leaves them to
# nginx through the NGINX variable, the way nginx hands its sockets to a new binary; so nobody can take
# a port in between, and a restart has the same ports. Readiness: an answer to a request, which the
# listening socket holds until nginx accepts it; no sleeping. Only the own process is ever signalled.
#
# A client is here too, for it knows the ports and the certificate:
#
#   my $answer = $nginx->request(GET => '/v1/pets', headers => ['Origin: null'], body => ..., curl => [...]);
#   # {status, version, reason, headers => {lower-case name => [values]}, body, json, errors}
#   my $answer = $nginx->plain(GET => '/v1/pets', headers => [...], body => ...);   # the same, no TLS, no curl
#   my $bytes = $nginx->raw("GET / HTTP/1.1\r\n...", port => ...);   # until nginx closes

use v5.36;
use Cwd        qw(abs_path);
use Fcntl      qw(F_SETFD);
use File::Path qw(make_path);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use JSON::PP    ();
use POSIX       ();
use Pets::CA    ();
use Time::HiRes qw(sleep time);

my $SOURCE = abs_path(__FILE__ =~ s{[^/]+$}{../../../nginx}r) // die 'Pets::Nginx: no nginx/ folder';

my %UNLIMITED = (
    LIMIT_RATE        => '1000000r/s',
    LIMIT_BURST       => 1000000,
    AUTH_RATE         => '1000000r/s',
    AUTH_BURST        => 1000000,
    LIMIT_CONNECTIONS => 60000,
    WORKERS           => 1,
    SERVER_NAME       => 'localhost pets.test',
    ACCESS_LOG        => 'logs/access.log',
);

sub new ($class, %option) {
    my $self = bless {%option, owner => $$}, $class;
    $self->{dir} //= ($self->{temporary} = File::Temp->newdir)->dirname;
    make_path(map { "$self->{dir}/$_" } qw(logs tmp));
    $self->{dir}  = abs_path($self->{dir});
    $self->{ca} //= Pets::CA->new(dir => "$self->{dir}/tls");
    for my $port (qw(https http ops), $option{plain_api} ? 'plain' : ()) {
        $self->{listener}{$port} = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $option{"${port}_port"} // 0,
            Listen    => 4096,        ReuseAddr => 1
        ) or die "bind: $!";

        # nginx takes an inherited socket as it is: a worker that lost a race for a connection would
        # wait in accept() for the next one.
        $self->{listener}{$port}->blocking(0);
    }
    if ($self->{fakes}) {
        require Pets::FakeResponder;
        my %socket = map { $_ => "$self->{dir}/$_" } qw(api_socket auth_socket api_ops_socket auth_ops_socket);
        $self->{fakes} = {
            map { $_ => Pets::FakeResponder->new(socket => $socket{$_}, name => s/_socket//r)->start } keys %socket
        };
    }
    $self->render;
    return $self;
}

sub _port ($self, $name) { return ($self->{listener}{$name} // die "no $name port")->sockport }
sub https_port ($self) { return $self->_port('https') }
sub http_port  ($self) { return $self->_port('http') }
sub ops_port   ($self) { return $self->_port('ops') }
sub plain_port ($self) { return $self->_port('plain') }
sub ca_file    ($self) { return $self->{ca}->ca_file }
sub ca         ($self) { return $self->{ca} }
sub dir        ($self) { return $self->{dir} }
sub pid        ($self) { return $self->{pid} }

# Writes the configuration. Called by new; call it again before reload to change settings.
sub render ($self, %settings) {
    my $dir = $self->{dir};
    $self->{settings} = {%{$self->{settings} // {}}, %settings};
    my %value = (
        %UNLIMITED,
        UPSTREAM_KEEP   => '1s',    # a pool that is reloaded waits for it
        HTTPS_LISTEN    => '127.0.0.1:' . $self->https_port,
        HTTP_LISTEN     => '127.0.0.1:' . $self->http_port,
        OPS_LISTEN      => '127.0.0.1:' . $self->ops_port,
        CERTIFICATE     => $self->{ca}->cert_file,
        CERTIFICATE_KEY => $self->{ca}->key_file,
        OPENAPI         => $self->{openapi} // "$dir/openapi.json",
        PAGES           => $self->{pages}   // "$dir/pages",
        (map { uc $_ => $self->{$_} // "$dir/$_" } qw(api_socket auth_socket api_ops_socket auth_ops_socket)),
        %{$self->{settings}}
    );
    system("$SOURCE/render", "$dir/pets-api", map { "$_=$value{$_}" } sort keys %value) == 0
        or die 'nginx/render failed';
    _write("$dir/pets-api/cors-origins.map", map { "$_ 1;\n" } @{$self->{origins}}) if $self->{origins};

    my $server = $self->{server} // '';
    my $http   = $self->{http}   // '';
    if ($self->{plain_api}) {
        $http .= sprintf "server { listen 127.0.0.1:%d backlog=4096; include pets-api/server.conf; %s }\n",
            $self->plain_port, $server;
    }
    my $site = _read("$dir/pets-api/site.example.conf");
    $site =~ s{(include pets-api/server\.conf;\n)}{$1$server} or die 'site.example.conf has changed';
    _write("$dir/site.conf", $site, $http);
    my $main = _read("$dir/pets-api/nginx.example.conf");
    $main =~ s{pets-api/site\.example\.conf}{site.conf} or die 'nginx.example.conf has changed';
    _write("$dir/nginx.conf", $main);
    return $self;
}

sub start ($self) {
    my $dir = $self->{dir};
    my $user = $self->{user} // 'nobody';
    system 'chown', '-R', $user, $dir if $> == 0;

    # nginx would wait for our listening sockets with a broken configuration too: ask it beforehand.
    my $said = $self->_run_nginx('-t');
    die "nginx -t: $said" if $? != 0;

    unlink "$dir/nginx.pid";
    $self->{pid} = fork // die "fork: $!";
    $self->_exec_nginx if $self->{pid} == 0;
    $self->_wait_until_ready;
    return $self;
}

# Returns when the old workers take no more connections.
sub reload ($self) {
    my %old  = map { $_ => 1 } $self->worker_pids;
    my $seen = length $self->error_log;
    kill 'HUP', $self->{pid} or die "nginx is gone: $!";
    $self->_wait_for('reload', sub {
        my $news = substr $self->error_log, $seen;
        die "reload failed: $news" if $news =~ /\[emerg\]/;
        my @now = $self->worker_pids;
        return @now && !grep { $old{$_} } @now;
    });
    return $self;
}

# Children of the master that are not on their way out.
sub worker_pids ($self) {
    open my $file, '<', "/proc/$self->{pid}/task/$self->{pid}/children" or return;
    my @pids = split ' ', <$file> // '';
    return grep { (_read("/proc/$_/cmdline", 1) // '') =~ /worker process(?! is shutting)/ } @pids;
}

sub stop ($self) {
    return if !$self->{pid} || $self->{owner} != $$;
    my $pid = delete $self->{pid};
    local $? = 0;
    for my $step (['QUIT', 3], ['TERM', 10], ['KILL', 10]) {
        kill $step->[0], $pid;
        my $until = time + $step->[1];
        while (time < $until) {
            return if waitpid($pid, POSIX::WNOHANG()) != 0;
            sleep 0.005;
        }
    }
    return;
}

sub DESTROY ($self) { $self->stop; return }

# ---- logs ----

sub error_log ($self) { return _read("$self->{dir}/logs/error.log", 1) // '' }

# The lines of the access log, decoded; waits until there are so many, for nginx writes them in lots
# (USR1 makes it write what it has).
sub access_log ($self, $count = 0) {
    my @lines;
    my $next = 0;
    $self->_wait_for("$count lines of the access log", sub {
        kill 'USR1', $self->{pid} if $self->{pid} && time > $next && ($next = time + 0.2);
        @lines = split /\n/, $self->access_log_text;
        return @lines >= $count;
    });
    return map { JSON::PP::decode_json($_) } @lines;
}

sub access_log_text ($self) { return _read("$self->{dir}/logs/access.log", 1) // '' }

# ---- the client ----

sub request ($self, $method, $path, %option) {
    my $scheme = $option{scheme} // 'https';
    my $host   = $option{host}   // 'localhost';
    my $port   = $option{port} // $self->_port($scheme);
    my @command = (
        qw(curl --silent --show-error --raw --path-as-is --include --globoff --max-time 60 --cacert), $self->ca_file,
        '--resolve', "$host:$port:127.0.0.1", '--noproxy', '*', '--request', $method
    );
    push @command, '--head' if $method eq 'HEAD';
    push @command, map { ('--header', $_) } @{$option{headers} // []};
    my $body;
    if (defined $option{body}) {
        $body = File::Temp->new;
        print $body $option{body};
        $body->flush;
        push @command, '--data-binary', '@' . $body->filename;
    }
    push @command, @{$option{curl} // []}, "$scheme://$host:$port$path";

    my $errors = File::Temp->new;
    my $text   = do {
        my $pid = open my $output, '-|' // die "fork: $!";
        if (!$pid) {
            open STDERR, '>', $errors->filename or POSIX::_exit(99);
            exec @command or POSIX::_exit(99);
        }
        local $/ = undef;
        my $read = <$output>;
        close $output;
        $read // '';
    };
    my $answer = parse_answer($text);
    $answer->{exit}   = $? >> 8;
    $answer->{errors} = _read($errors->filename);
    return $answer;
}

# Splits an answer; interim answers (100) are dropped.
sub parse_answer ($text) {
    my %answer = (headers => {}, body => '', json => undef, status => 0, text => $text // '');
    my $head;
    do { ($head, $text) = split /\r?\n\r?\n/, $text, 2 } while ($head // '') =~ m{\AHTTP/\S+ 1\d\d};
    $head //= '';
    $head =~ s{\A(HTTP/\S+) (\d+) ?([^\r\n]*)\r?\n?}{} or return \%answer;
    @answer{qw(version status reason)} = ($1, $2, $3);
    for my $line (split /\r?\n/, $head) {
        my ($name, $value) = split /:\s*/, $line, 2;
        push @{$answer{headers}{lc $name}}, $value;
    }
    $answer{body} = $text // '';
    $answer{body} = _unchunk($answer{body}) if ($answer{headers}{'transfer-encoding'}[0] // '') eq 'chunked';
    $answer{json} = eval { JSON::PP->new->utf8->decode($answer{body}) };
    return \%answer;
}

sub _unchunk ($text) {
    my $body = '';
    while ($text =~ s/\A([0-9A-Fa-f]+)\r\n//) {
        my $size = hex $1;
        $body .= substr $text, 0, $size, '';
        $text =~ s/\A\r\n//;
    }
    return $body;
}

# The same over the plain port, in one write and without a process: for large corpora.
sub plain ($self, $method, $path, %option) {
    my $bytes = join "\r\n", "$method $path HTTP/1.1", 'Host: localhost', 'Connection: close',
        @{$option{headers} // []}, defined $option{body} ? 'Content-Length: ' . length $option{body} : (),
        '', $option{body} // '';
    return parse_answer($self->raw($bytes, port => $option{port} // $self->plain_port));
}

# Sends bytes and returns all that comes back until the other side closes, or `seconds` have passed. With
# `shutdown`, our side of the connection is closed after sending; with `whole`, one answer with a
# Content-Length is enough (nginx lingers on a connection whose body it has refused).
sub raw ($self, $bytes, %option) {
    my $port   = $option{port} // $self->plain_port;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    $socket->syswrite($bytes);
    $socket->shutdown(1) if $option{shutdown};
    my ($got, $until, $poll) = ('', time + ($option{seconds} // 10), IO::Select->new($socket));
    while ((my $left = $until - time) > 0) {
        next if !$poll->can_read($left);
        last if !sysread $socket, $got, 65536, length $got;
        last if $option{whole} && $got =~ /\r\nContent-Length: (\d+)\r\n.*?\r\n\r\n/s && length $got >= $+[0] + $1;
    }
    return $got;
}

# ---- the process ----

sub _command ($self) { return ('nginx', '-p', "$self->{dir}/", '-c', 'nginx.conf', '-e', 'logs/error.log') }

sub _become ($self) {
    return if $> != 0;
    my (undef, undef, $uid, $gid) = getpwnam($self->{user} // 'nobody') or die 'no such user';
    POSIX::setgid($gid);
    $) = "$gid $gid";
    POSIX::setuid($uid);
    die "setuid: $!" if $> != $uid;
    return;
}

sub _run_nginx ($self, @arguments) {
    my $pid = open my $output, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(99);
        $self->_become;
        $ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';
        exec $self->_command, @arguments or POSIX::_exit(99);
    }
    local $/ = undef;
    my $said = <$output>;
    close $output;
    return $said;
}

sub _exec_nginx ($self) {
    my @listeners = values %{$self->{listener}};
    fcntl $_, F_SETFD, 0 for @listeners;
    $ENV{NGINX} = join '', map { fileno($_) . ';' } @listeners;
    $ENV{PATH} .= ':/usr/sbin:/usr/local/sbin';
    open STDIN,  '<',  '/dev/null'                    or POSIX::_exit(99);
    open STDOUT, '>>', "$self->{dir}/logs/stderr.log" or POSIX::_exit(99);
    open STDERR, '>&', \*STDOUT                       or POSIX::_exit(99);
    $self->_become;
    _end_with_parent();
    exec $self->_command, '-g', 'daemon off;' or POSIX::_exit(99);
}

# A test that is killed takes its nginx with it: prctl(PR_SET_PDEATHSIG, SIGTERM).
sub _end_with_parent () {
    my $prctl = {x86_64 => 157, aarch64 => 167}->{(POSIX::uname())[4]} // return;
    syscall $prctl, 1, POSIX::SIGTERM(), 0, 0, 0;
    return;
}

sub _wait_until_ready ($self) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->http_port) or die "connect: $!";
    $socket->syswrite("GET /ready HTTP/1.0\r\n\r\n");
    my $poll = IO::Select->new($socket);
    return $self->_wait_for('start', sub {
        if (waitpid($self->{pid}, POSIX::WNOHANG()) != 0) {
            delete $self->{pid};
            die 'nginx has ended: ', $self->error_log, _read("$self->{dir}/logs/stderr.log", 1);
        }
        return $poll->can_read(0.02);
    });
}

sub _wait_for ($self, $what, $condition) {
    my $until = time + 30;
    until ($condition->()) {
        die "nginx: no $what within 30 s; error log: ", $self->error_log if time > $until;
        sleep 0.01;
    }
    return;
}

sub _read ($path, $missing_ok = 0) {
    open my $file, '<', $path or do { return if $missing_ok; die "$path: $!" };
    local $/ = undef;
    return scalar <$file> // '';
}

sub _write ($path, @text) {
    open my $file, '>', $path or die "$path: $!";
    print $file @text;
    close $file or die "$path: $!";
    return;
}

1;
