package Pets::Service;

=head1 NAME

Pets::Service - the whole service: PostgreSQL, both pools, nginx, keys and secrets

=head1 WHY

./quickstart and the tests run the same thing in the same way, so what a newcomer sees is what is tested.
A test says one line and has a service of its own, in its own directory, on ports nobody else has:

    my $service = Pets::Service->new->start;
    my $ann     = $service->user;                  # registered and logged in: a Pets::Client
    my $admin   = $service->admin;
    my $pet     = $service->pet($ann, name => 'Rex');
    is $ann->get("/v1/pets/$pet->{id}")->status, 200;

Options of new:

    config     => { both => { section => {...} }, api => {...}, auth => {...} }   # over the defaults
    nginx      => {...}          # options of Pets::Nginx (settings, origins, plain_api ...)
    database   => {...}          # options of Pets::Cluster (config ...)
    https_port => N              # otherwise any
    dir, sockets                 # otherwise the test's own
    mail       => 1              # with mail: [mail] mode is on, and mail() collects what was sent
    keep       => 1              # the database and the secrets of an earlier run are used again
    hosts      => 2              # so many instances of both pools behind nginx; otherwise PETS_HOSTS (the second by TCP), or one

PETS_HOSTS=2 ./t/run runs the tests against two instances, as if on two hosts; those that are about the processes or the
numbers of one pool say hosts => 1.

Parts can be had and handled one by one: database (a Pets::Cluster), api and auth (each a Pets::Pool, or Pets::Pools of several hosts), nginx
(a Pets::Nginx), and the files of secrets: signing_key_file, public_keys_dir, pepper_file, refresh_key_file, mfa_key_file, cursor_key_file('api'), password_file('pets_api').

=cut

use v5.36;
use File::Copy qw(copy);
use File::Path qw(make_path);
use Pets::CA;
use Pets::Client;
use Pets::Cluster;
use Pets::Env qw(bin build built run slurp spew test_dir sock_dir random_hex process_gone free_port);
use Pets::MailSink;
use Pets::Nginx;
use Pets::Pool;
use Pets::Pools;
use Pets::Totp;

sub new($class, %option) {
    my $self = bless {
        dir     => $option{dir}     // test_dir(),
        sockets => $option{sockets} // sock_dir(),
        option  => \%option,
        people  => 0,
    }, $class;
    make_path("$self->{dir}/secrets", { mode => 0700 });
    return $self;
}

# Everything, in the order of need.
sub start($self) {
    $self->make_secrets;
    $self->start_database;
    $self->start_pools;
    $self->start_nginx;
    return $self;
}

# Everything again, nginx first. What was not started is left out.
sub stop($self) {
    $_->[1]->() for $self->parts;
    return;
}

# What runs, in the order in which to stop it: [name, function] each. A function dies when its part does not
# end as it should.
sub parts($self) {
    my @parts;
    push @parts, ['nginx', sub { (delete $self->{nginx})->stop }] if $self->{nginx};
    for my $name (qw(api auth)) {
        push @parts, ["pool $name", sub { check_stop($name, (delete $self->{$name})->stop) }] if $self->{$name};
    }
    push @parts, ['PostgreSQL', sub { (delete $self->{database})->stop }] if $self->{database};
    return @parts;
}

sub check_stop($name, $status) {
    die "pool $name ended with status $status\n" if $status;
    return;
}

# The first part that has died, if any: { name, log }.
sub dead($self) {
    for my $name (qw(api auth)) {
        my $pool = $self->{$name} // next;
        return { name => "pool $name", log => $pool->log_tail(10) } if !$pool->alive;
    }
    if (process_gone($self->{nginx}->pid)) {
        return { name => 'nginx', log => tail($self->{nginx}->error_log) };
    }
    if (process_gone($self->{database}->pid)) {
        return { name => 'PostgreSQL', log => tail(eval { slurp($self->{database}->log_file) } // '') };
    }
    return undef;
}

sub tail($text, $lines = 10) {
    my @lines = split /^/, $text;
    splice @lines, 0, @lines - $lines if @lines > $lines;
    return join '', @lines;
}

# --- parts ----------------------------------------------------------------------------------------------

sub dir($self)      { return $self->{dir} }
sub database($self) { return $self->{database} }
sub api($self)      { return $self->{api} }
sub auth($self)     { return $self->{auth} }
sub nginx($self)    { return $self->{nginx} }
sub ca_file($self)  { return $self->{ca}->ca_file }
sub url($self)      { return 'https://localhost:' . ($self->{nginx} ? $self->{nginx}->https_port : $self->{option}{https_port}) }
sub ops_url($self)  { return 'http://127.0.0.1:' . $self->{nginx}->ops_port }

sub signing_key_file($self) { return $self->{signing_key} }
sub public_keys_dir($self)  { return "$self->{dir}/secrets/public" }
sub pepper_file($self)      { return "$self->{dir}/secrets/pepper" }
sub refresh_key_file($self) { return "$self->{dir}/secrets/refresh" }
sub mfa_key_file($self)     { return "$self->{dir}/secrets/mfa" }
sub issuer($self)           { return 'https://pets.test' }

# Each pool has a key of its own for the cursors of its lists.
sub cursor_key_file($self, $pool) { return "$self->{dir}/secrets/cursor.$pool" }

sub link_key_file($self)    { return "$self->{dir}/secrets/link.key" }

sub password_file($self, $role) { return $self->{database}->password_file($role) }

# Certificate, signing key, pepper, the keys of refresh tokens, second factors, links and cursors.
sub make_secrets($self) {
    my $secrets = "$self->{dir}/secrets";
    $self->{ca} = Pets::CA->new(dir => "$self->{dir}/tls");
    make_path("$secrets/private", { mode => 0700 });
    make_path("$secrets/public");
    my ($key) = grep { !/\.pub\.pem\z/ } glob "$secrets/private/*.pem";
    $self->{signing_key} = $key // $self->new_signing_key;
    for my $file ($self->pepper_file, $self->refresh_key_file, $self->mfa_key_file, $self->link_key_file, map { $self->cursor_key_file($_) } qw(api auth)) {
        petsctl('pepper', 'new', $file) if !-e $file;
    }
    return $self;
}

# Hands over what is in the outbox; returns the messages, oldest first: { to, subject, text, token, header }.
sub mail($self) {
    my $sink = $self->{sink} //= Pets::MailSink->new(dir => "$self->{dir}/sink", ca => $self->{ca})->start;
    my $database = $self->{database};
    my $file = spew("$self->{dir}/mail.ini", <<~"END", 0600);
        [pool]
        name = mail
        [database]
        host = @{[ $database->socket_dir ]}
        port = @{[ $database->port ]}
        name = @{[ $database->database ]}
        user = pets_mail
        password_file = @{[ $database->password_file('pets_mail') ]}
        [log]
        file = $self->{dir}/mail.log
        [mail]
        from = pets\@example.org
        link_base = https://pets.test/account
        link_key_file = @{[ $self->link_key_file ]}
        relay = @{[ $sink->url ]}
        relay_ca_file = @{[ $self->ca_file ]}
        END
    petsctl('-c', $file, 'mail', 'send');
    my @messages = map { { to => $_->{to}[0], Pets::MailSink::read_message($_->{data})->%* } } $sink->messages;
    $sink->forget;
    return @messages;
}

# Makes another signing key; returns its file. Its public half is where both pools look.
sub new_signing_key($self) {
    my $secrets = "$self->{dir}/secrets";
    my $kid = petsctl('key', 'new', "$secrets/private") =~ s/\s+\z//r;
    copy("$secrets/private/$kid.pub.pem", "$secrets/public/$kid.pub.pem") or die "$kid.pub.pem: $!\n";
    return "$secrets/private/$kid.pem";
}

# Whether an earlier run has left a database.
sub has_database($self) { return -e "$self->{dir}/database/data/PG_VERSION" }

sub start_database($self) {
    my $keep = $self->{option}{keep};
    $self->{database} = Pets::Cluster->new(dir => "$self->{dir}/database", $keep ? (durable => 1) : (), %{ $self->{option}{database} // {} });
    $self->{database}->start;
    $self->{database}->deploy if $keep;
    return $self;
}

# The sections of a pool's configuration file.
sub pool_config($self, $name) {
    my $database = $self->{database};
    my %config = (
        pool     => { workers => 1 },
        database => {
            host          => $database->socket_dir,
            port          => $database->port,
            name          => $database->database,
            user          => "pets_$name",
            password_file => $database->password_file("pets_$name"),
        },
        token => {
            issuer          => $self->issuer,
            public_keys_dir => $self->public_keys_dir,
            $name eq 'auth' ? (signing_key_file => $self->signing_key_file) : (),
        },
        http => { cursor_key_file => $self->cursor_key_file($name) },
        $name eq 'auth' ? (mfa => { key_file => $self->mfa_key_file }) : (),
        $name eq 'auth' ? (session => { refresh_key_file => $self->refresh_key_file }) : (),
        # The path of every attempt is taken, but no test reaches an end of it that is not about that.
        $name eq 'auth' ? (throttle => { map { $_ => 10_000 } qw(own_burst account_burst network_burst register_burst reset_burst mailbox_burst) }) : (),
        $name eq 'auth' ? (password => { bcrypt_cost => 10, pepper_file => $self->pepper_file, common_list_file => built('common-passwords') }) : (),
    );
    $config{mail} = { mode => 'on', link_key_file => $self->link_key_file } if $self->{option}{mail} && $name eq 'auth';
    for my $more ($self->{option}{config}{both} // {}, $self->{option}{config}{$name} // {}) {
        for my $section (keys %$more) {
            $config{$section} = { %{ $config{$section} // {} }, %{ $more->{$section} } };
        }
    }
    return \%config;
}

# How many there are unless the test says so.
sub hosts($self) { return $ENV{PETS_HOSTS} // 1 }

# A pool as it is on that host: the same database and the same secrets, other sockets and files.
sub pool($self, $name, $host) {
    my ($dir, $sockets) = map { $host > 1 ? "$self->{$_}/host$host" : $self->{$_} } qw(dir sockets);
    make_path($dir, $sockets);
    my @address = $host > 1 && !$self->{option}{hosts} ? (address => '127.0.0.1:' . free_port()) : ();
    return Pets::Pool->new(name => $name, dir => $dir, sockets => $sockets, config => $self->pool_config($name), @address);
}

sub start_pools($self) {
    my $hosts = $self->{option}{hosts} // $self->hosts;
    for my $name (qw(api auth)) {
        my @pools = map { $self->pool($name, $_) } 1 .. $hosts;
        $self->{$name} = $hosts > 1 ? Pets::Pools->new(@pools) : $pools[0];
        $self->{$name}->start(wait => 'none');
    }
    $self->{$_}->wait_ready for qw(api auth);
    return $self;
}

sub start_nginx($self) {
    my $port = $self->{option}{https_port};
    $self->{nginx} = Pets::Nginx->new(
        dir             => "$self->{dir}/nginx",
        ca              => $self->{ca},
        openapi         => built('openapi.json'),
        pages           => build() . '/pages',
        api_socket      => join(',', map { $_->socket_path } $self->{api}->pools),
        auth_socket     => join(',', map { $_->socket_path } $self->{auth}->pools),
        api_ops_socket  => $self->{api}->ops_path,
        auth_ops_socket => $self->{auth}->ops_path,
        defined $port ? (https_port => $port) : (),
        %{ $self->{option}{nginx} // {} },
    );
    $self->{nginx}->start;
    return $self;
}

# Runs petsctl and returns what it prints; dies when it fails. The first argument may be options of run.
sub petsctl(@arguments) {
    my %option = ref $arguments[0] ? %{ shift @arguments } : ();
    my ($status, $out, $err) = run([bin('petsctl'), @arguments], %option);
    $status == 0 or die "petsctl @arguments: $err\n";
    return $out;
}

# A configuration for petsctl, which has a role of its own.
sub ops_config($self) {
    my $database = $self->{database};
    my $file = "$self->{dir}/ops.ini";
    spew($file, <<~"END", 0600);
        [pool]
        name = ops
        [database]
        host = @{[ $database->socket_dir ]}
        port = @{[ $database->port ]}
        name = @{[ $database->database ]}
        user = pets_ops
        password_file = @{[ $database->password_file('pets_ops') ]}
        [password]
        bcrypt_cost = 10
        pepper_file = @{[ $self->pepper_file ]}
        common_list_file = @{[ built('common-passwords') ]}
        END
    return $file;
}

# The one for the job that deletes what is over; %option: of its section [retention].
sub prune_config($self, %option) {
    my $database = $self->{database};
    my $retention = join '', map { "$_ = $option{$_}\n" } sort keys %option;
    return spew("$self->{dir}/prune.ini", <<~"END" . "[retention]\n$retention", 0600);
        [pool]
        name = prune
        [database]
        host = @{[ $database->socket_dir ]}
        port = @{[ $database->port ]}
        name = @{[ $database->database ]}
        user = pets_prune
        password_file = @{[ $database->password_file('pets_prune') ]}
        END
}

# The one with which petsctl doctor asks the database.
sub watch_config($self) {
    my $database = $self->{database};
    return spew("$self->{dir}/watch.ini", <<~"END", 0600);
        [pool]
        name = watch
        [database]
        host = @{[ $database->socket_dir ]}
        port = @{[ $database->port ]}
        name = @{[ $database->database ]}
        user = pets_watch
        password_file = @{[ $database->password_file('pets_watch') ]}
        END
}

# --- people ---------------------------------------------------------------------------------------------

# Somebody with no token.
sub client($self, %option) {
    return Pets::Client->new(url => $self->url, ca => $self->ca_file, %option);
}

# A new person, registered and logged in.
sub user($self, %option) {
    my $number = ++$self->{people};
    my $email  = $option{email}    // sprintf 'person%d.%s@example.org', $number, random_hex(4);
    my $secret = $option{password} // "the secret words of number $number";
    my $client = $self->client;
    my $reply  = $client->register($email, $secret, $option{display_name} // "Person $number");
    $reply = $client->post('/v1/auth/verify-email', { token => ($self->mail)[-1]{token} }) if $self->{option}{mail};
    $reply->status == 201 or die "registering $email: " . $reply->summary . "\n";
    my $person = $client->login($email, $secret);
    $person->{account} = $reply->json;
    return $person;
}

# A new administrator, made by petsctl as an operator would, logged in and with a second factor.
sub admin($self, %option) {
    my $number = ++$self->{people};
    my $email  = $option{email}    // sprintf 'admin%d.%s@example.org', $number, random_hex(4);
    my $secret = $option{password} // "the password of administrator $number";
    $self->add_user($email, $secret, '--admin');
    return $self->client->login($email, $secret)->enrol;
}

sub add_user($self, $email, $password, @flags) {
    return petsctl({ stdin => "$password\n" }, '-c', $self->ops_config, 'user', 'add', @flags, $email);
}

# The one administrator of a service that is kept: made the first time, with a random password and a second
# factor, which stay in files.
sub administrator($self) {
    return $self->{administrator} if $self->{administrator};
    my $file  = $self->administrator_file('password');
    my $email = 'admin@example.org';
    if (!-e $file) {
        my $password = join '-', unpack '(A4)*', random_hex(12);
        spew("$file.new", "$password\n", 0600);
        eval { $self->add_user($email, $password, '--admin'); 1 } or do { unlink "$file.new"; die $@ };
        rename "$file.new", $file or die "$file: $!\n";
    }
    my $password = slurp($file) =~ s/\s+\z//r;
    $self->{administrator} = $self->administrator_session($email, $password);
    my $refresh = $self->administrator_file('refresh');
    spew("$refresh.new", $self->{administrator}->refresh_token, 0600);
    rename "$refresh.new", $refresh or die "$refresh: $!\n";
    return $self->{administrator};
}

# The session of an earlier run if there is one: each code is good once, so a login might have to wait for the next.
sub administrator_session($self, $email, $password) {
    my ($app_file, $refresh) = map { $self->administrator_file($_) } qw(totp refresh);
    my $app   = -e $app_file ? Pets::Totp->from_uri(slurp($app_file)) : undef;
    my $admin = $app && -e $refresh ? $self->client->resume(slurp($refresh)) : undef;
    if ($admin) {
        @$admin{qw(email password app)} = ($email, $password, $app);
        return $admin;
    }
    $admin = $self->client->login($email, $password, $app);
    if (!$app) {
        $admin->enrol;
        spew($app_file, $admin->app->uri . "\n", 0600);
    }
    return $admin;
}

# Where the administrator's password is, the otpauth:// address of the second factor (totp), and the refresh token.
sub administrator_file($self, $what) { return "$self->{dir}/admin.$what" }

# A new pet of that person; dies when it is refused. Returns it as data.
sub pet($self, $who, %fields) {
    my $reply = $who->post('/v1/pets', { name => 'Pet', species => 'dog', %fields });
    $reply->status == 201 or die "creating a pet: " . $reply->summary . "\n";
    return $reply->json;
}

1;
