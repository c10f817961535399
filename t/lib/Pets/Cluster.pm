package Pets::Cluster;

=head1 NAME

Pets::Cluster - a private PostgreSQL cluster with the schema of pets-api

=head1 WHY

A test of the database side wants a real PostgreSQL, set up like a real one: roles with passwords, no
C<trust>, sockets in a directory of its own, and nothing that another test could meet. Making one takes
seconds (initdb, sqitch), so it is made once for each state of F<sql/schema> and kept in the cache
(C<PETS_CACHE>, else F<var/cache>); every cluster after that is a copy, ready in less than one.

    use Pets::Cluster;
    my $pg = Pets::Cluster->new(dir => test_dir() . '/pg');     # stopped, with the schema in it
    $pg->start;
    my $dbh = $pg->dbh('pets_api');     # DBI; no role: the superuser
    my $row = $pg->psql('select 1');    # what psql -At prints; dies when it fails
    printf "host=%s port=%s name=%s\n", $pg->socket_dir, $pg->port, $pg->database;
    my $file = $pg->password_file('pets_api');                  # mode 0600
    $pg->stop;  $pg->stop('immediate');  $pg->kill9;  $pg->start;
    my $copy = $pg->replica(dir => test_dir() . '/copy')->start;    # a hot standby that follows
    $copy->promote;                                             # ... and takes its place

The superuser is the user who runs this, by peer authentication and on the Unix socket only; the pools'
roles have random SCRAM passwords. A directory that already holds a cluster is used again, with its
passwords, so that F<quickstart> finds its pets. Options of C<new>:

    dir      where everything goes: data/, secrets/, postgres.log, and the socket if its path fits
    bare     without roles and schema: an empty database (for tests of the schema itself)
    tls      listen on 127.0.0.1 too, at a free port, with a certificate of a throw-away authority:
             root_cert is its file, and "localhost" and "127.0.0.1" are the names it holds
    port     its number (5432, with tls a free one)
    durable  keep fsync on (it is off, these are tests)
    config   { name => value, ... } for postgresql.conf

A cluster is stopped when the object goes or the process ends.

=cut

use v5.36;
use DBI;
use Digest::SHA;
use Fcntl qw(:flock);
use File::Find ();
use File::Path qw(make_path remove_tree);
use Pets::Env qw(src var sock_dir free_port spawn run wait_until slurp spew random_hex children_of process_gone);
use Pets::Secrets qw(note_secret);
use Scalar::Util qw(weaken);

use constant { DATABASE => 'pets', SOCKET_PATH_MAX => 107 };
use constant ROLES => qw(pets_api pets_auth pets_ops pets_mail pets_prune pets_watch);

my %clean_env = map { $_ => undef } qw(
    PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE PGOPTIONS
    PGSSLMODE PGSSLROOTCERT PGCONNECT_TIMEOUT PGCLIENTENCODING PGTZ PGDATA PSQLRC);
delete @ENV{ keys %clean_env };    # of the test itself as well: DBI reads them

my $owner = $$;
my @all;                           # weak references, for END

sub new ($class, %option) {
    my $dir = $option{dir} // die "Pets::Cluster: dir is missing\n";
    $> != 0 or die "PostgreSQL refuses to run as root\n";
    make_path($dir, { mode => 0755 });
    make_path("$dir/secrets", { mode => 0700 });
    my $self = bless {
        dir     => $dir,
        tls     => $option{tls},
        durable => $option{durable},
        config  => $option{config} // {},
        user    => scalar getpwuid($>) // die("user $> has no name\n"),
        port    => $option{port} // ($option{tls} ? free_port() : 5432),
    }, $class;
    if (!-e $self->data_dir . '/PG_VERSION') {
        remove_tree($self->data_dir);
        $option{bare} ? $self->_initdb : $self->_copy_template;
    }
    $self->{schema} = -e "$dir/schema" ? slurp("$dir/schema") : '';
    $self->_place_socket;
    $self->_write_config;
    push @all, $self;
    weaken($all[-1]);
    return $self;
}

sub dir        ($self) { return $self->{dir} }
sub data_dir   ($self) { return "$self->{dir}/data" }
sub log_file   ($self) { return "$self->{dir}/postgres.log" }
sub socket_dir ($self) { return $self->{socket_dir} }
sub port       ($self) { return $self->{port} }
sub database   ($self) { return DATABASE }
sub superuser  ($self) { return $self->{user} }
sub root_cert  ($self) { return $self->{ca} ? $self->{ca}->ca_file : undef }
sub running    ($self) { return $self->{process} && $self->{process}->alive }
sub pid        ($self) { return $self->running ? $self->{process}->pid : undef }

sub password_file ($self, $role) { return "$self->{dir}/secrets/$role" }
sub password      ($self, $role) { return slurp($self->password_file($role)) }

# --- running --------------------------------------------------------------------------------------------

# Starts the server and returns when it takes connections. The first time, it sets the passwords.
sub start ($self) {
    return $self if $self->running;
    my $data = $self->data_dir;
    $self->{process} = spawn(
        name   => 'postgres',
        cmd    => [_program('postgres'), '-D', $data],
        stdout => $self->log_file,
        stderr => $self->log_file,
        env    => \%clean_env,
    );
    my $pid = $self->{process}->pid;
    wait_until {
        $self->{process}->alive or die "postgres did not start:\n" . slurp($self->log_file);
        my @line = -e "$data/postmaster.pid" ? split(/\n/, slurp("$data/postmaster.pid")) : ();
        @line >= 8 && $line[0] == $pid && $line[7] =~ /\Aready/;
    } 60, 'postgres';
    if ($self->{schema}) {
        $self->set_password($_) for grep { !-e $self->password_file($_) } ROLES;
    }
    return $self;
}

# fast (the default) ends connections, smart waits for them, immediate crashes.
sub stop ($self, $mode = 'fast') {
    my $process = delete $self->{process} // return;
    $process->signal({ fast => 'INT', smart => 'TERM', immediate => 'QUIT' }->{$mode} // die "stop: $mode?\n");
    if (!defined $process->wait(30)) {
        $process->signal('QUIT');
        $process->wait(10) // $process->stop(0);
    }
    return;
}

# Kills the server, and returns when its children have noticed; with all => 1 they are killed as well, as when a
# machine loses its power.
sub kill9 ($self, %option) {
    my $process = delete $self->{process} // return;
    my @children = children_of($process->pid);
    $process->signal('KILL');
    kill KILL => @children if $option{all};
    $process->wait(10);
    wait_until { !grep { !process_gone($_) } @children } 20, 'the server processes to end';
    return;
}

# Gives a role a new random password, and writes it to its file unless write_file is 0.
sub set_password ($self, $role, %option) {
    my $password = random_hex(16);
    note_secret('password of a role' => $password);
    $self->dbh->do("alter role $role password '$password'");
    spew($self->password_file($role), $password, 0600) if $option{write_file} // 1;
    return $password;
}

# --- a second one ---------------------------------------------------------------------------------------

# A streaming replica: a copy with a directory (dir), socket and configuration of its own, stopped, that has the same
# port and passwords. It calls itself "replica", for synchronous_standby_names.
sub replica ($self, %option) {
    make_path($option{dir}, { mode => 0755 });
    my ($status, $out, $err) = run(
        [_program('pg_basebackup'), '-h', $self->{socket_dir}, '-p', $self->{port}, '-U', $self->{user}, '-D', "$option{dir}/data", '--checkpoint=fast', '--no-sync'],
        env => \%clean_env,
    );
    $status == 0 or die "pg_basebackup: $err";
    ($status, $out, $err) = run(['cp', '-a', "$self->{dir}/secrets", "$option{dir}/secrets"]);
    $status == 0 or die "cp: $err";
    spew("$option{dir}/data/standby.signal", '', 0600);
    my $from = "host=$self->{socket_dir} port=$self->{port} user=$self->{user} application_name=replica";
    return (ref $self)->new(%option, port => $self->{port}, config => { primary_conninfo => $from, %{ $option{config} // {} } });
}

# Makes a replica a server of its own; returns when it takes writes.
sub promote ($self) {
    $self->dbh->do('select pg_promote(true, 60)');
    return $self;
}

# --- asking ---------------------------------------------------------------------------------------------

# A new connection; without a role the superuser's. It raises errors and does not print them.
sub dbh ($self, $role = undef, %attribute) {
    my $database = delete $attribute{database} // DATABASE;
    return DBI->connect(
        "dbi:Pg:dbname=$database;host=$self->{socket_dir};port=$self->{port}",
        $role // $self->{user},
        defined $role ? $self->password($role) : '',
        { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, %attribute }
    );
}

# Runs SQL with psql and returns what it prints, without the last line's end. Options: role, database.
sub psql ($self, $sql, %option) {
    my ($status, $out, $err) = run(
        [_program('psql'), '-qXAt', '-v', 'ON_ERROR_STOP=1'],
        stdin => $sql,
        env   => $self->_client_env(%option),
    );
    $status == 0 or die "psql: $err\n";
    return $out =~ s/\n\z//r;
}

# Runs sqitch on the schema; returns (status, standard output, standard error). user is whom to deploy as.
sub sqitch ($self, $arguments, %option) {
    return run(
        [Pets::Env::tool('sqitch'), '-C', src() . '/sql/schema', @$arguments, 'db:pg:' . ($option{database} // DATABASE)],
        env => {
            $self->_client_env(%option)->%*,
            HOME            => $self->{dir},
            LC_ALL          => 'C.UTF-8',
            SQITCH_FULLNAME => 'Pets deployer',
            SQITCH_EMAIL    => 'deployer@pets.example',
        },
        timeout => 120,
    );
}

# Brings the database to the schema of the checkout; nothing is to be done when it is a fresh copy.
sub deploy ($self) {
    my $schema = _schema_hash();
    return $self if $self->{schema} eq $schema;
    my ($status, $out, $err) = $self->sqitch(['deploy', '--verify']);
    $status == 0 or die "sqitch deploy:\n$out$err";
    spew("$self->{dir}/schema", $schema);
    $self->{schema} = $schema;
    $self->set_password($_) for grep { !-e $self->password_file($_) } ROLES;
    return $self;
}

sub _client_env ($self, %option) {
    my %env = (
        %clean_env,
        PGHOST     => $self->{socket_dir},
        PGPORT     => $self->{port},
        PGUSER     => $option{role}     // $self->{user},
        PGDATABASE => $option{database} // DATABASE,
    );
    if (defined $option{role}) {
        my $file = "$self->{dir}/secrets/pgpass";
        spew($file, "*:*:*:$option{role}:" . $self->password($option{role}) . "\n", 0600);
        $env{PGPASSFILE} = $file;
    }
    return \%env;
}

# --- making ---------------------------------------------------------------------------------------------

# The programs of the newest PostgreSQL that is installed.
sub _program ($name) {
    state $bin = do {
        my ($newest) = sort { ($b =~ m{/(\d+)/})[0] <=> ($a =~ m{/(\d+)/})[0] } grep { -x "$_/postgres" } glob '/usr/lib/postgresql/*/bin';
        $newest // '';
    };
    return length $bin && -x "$bin/$name" ? "$bin/$name" : Pets::Env::tool($name);
}

# An empty cluster with an empty database.
sub _initdb ($self) {
    my ($status, $out, $err) = run(
        [_program('initdb'), '--no-sync', '--auth-local=peer', '--auth-host=scram-sha-256', '--locale=C.UTF-8',
            '--encoding=UTF8', '--wal-segsize=2', '-U', $self->{user}, '-D', $self->data_dir],
        env => { %clean_env, LC_ALL => 'C.UTF-8' },
    );
    $status == 0 or die "initdb: $out$err";
    $self->_place_socket;
    $self->_write_config;
    $self->start;
    $self->dbh(undef, database => 'postgres')->do('create database ' . DATABASE);
    $self->stop;
    return;
}

# Copies the cluster that was made for this state of the schema, and makes it if nobody has.
sub _copy_template ($self) {
    my $schema = _schema_hash();
    my $cache  = $ENV{PETS_CACHE} // var() . '/cache';
    make_path($cache);
    my $template = "$cache/cluster-$>-$schema";
    open my $lock, '>>', "$cache/cluster-$>.lock" or die "$cache/cluster-$>.lock: $!\n";
    flock $lock, LOCK_SH or die "flock: $!\n";
    if (!-d $template) {
        flock $lock, LOCK_EX or die "flock: $!\n";
        _make_template($template, $cache) if !-d $template;
    }
    my ($status, $out, $err) = run(['cp', '-a', '--reflink=auto', "$template/data", $self->data_dir]);
    $status == 0 or die "cp: $err";
    spew("$self->{dir}/schema", $schema);
    return;
}

sub _make_template ($template, $cache) {
    remove_tree(glob "$cache/cluster-$>-*");
    my $making = __PACKAGE__->new(dir => "$template.new", bare => 1);
    $making->start;
    my ($status, $out, $err) = $making->sqitch(['deploy', '--verify']);
    $status == 0 or die "sqitch deploy:\n$out$err";
    $making->psql('vacuum (freeze, analyze); checkpoint');
    $making->stop;
    rename "$template.new", $template or die "rename: $!\n";
    return;
}

# Stands for everything that a template depends on.
sub _schema_hash () {
    my $root = src() . '/sql/schema';
    my @files;
    File::Find::find({ no_chdir => 1, wanted => sub { push @files, $_ if -f } }, $root);
    my $sha = Digest::SHA->new(256);
    $sha->add(slurp(__FILE__), _program('postgres'));
    $sha->add($_, "\0", slurp($_), "\0") for sort @files;
    return substr $sha->hexdigest, 0, 16;
}

# The socket lies with the cluster if its path is short enough, else in the test's short directory.
sub _place_socket ($self) {
    state $count = 0;
    return if defined $self->{socket_dir};
    my $place = "$self->{dir}/run";
    if (length("$place/.s.PGSQL.$self->{port}") > SOCKET_PATH_MAX) {
        $place = sock_dir() . '/pg' . ++$count;
    }
    make_path($place, { mode => 0755 });
    $self->{socket_dir} = $place;
    return;
}

sub _write_config ($self) {
    my %config = (
        listen_addresses        => '',
        port                    => $self->{port},
        unix_socket_directories => $self->{socket_dir},
        max_connections         => 100,
        shared_buffers          => '32MB',
        password_encryption     => 'scram-sha-256',
        log_line_prefix         => '%m [%p] %q%u ',
        log_checkpoints         => 'off',
        log_timezone            => 'UTC',
        timezone                => 'UTC',
        max_wal_size            => '256MB',
        $self->{durable} ? () : (fsync => 'off', full_page_writes => 'off'),
        $self->{tls} ? $self->_tls_config : (),
        $self->{config}->%*,
    );
    my $quoted = sub ($value) { return "'" . $value =~ s/'/''/gr . "'" };
    spew($self->data_dir . '/postgresql.auto.conf', '', 0600);
    spew($self->data_dir . '/postgresql.conf', join('', map { "$_ = " . $quoted->($config{$_}) . "\n" } sort keys %config), 0600);
    my $roles = join ',', ROLES;
    spew($self->data_dir . '/pg_hba.conf', <<~END, 0600);
        local   all  "$self->{user}"  peer
        local   replication  "$self->{user}"  peer
        local   all  all  scram-sha-256
        hostssl all  $roles  127.0.0.1/32  scram-sha-256
        END
    return;
}

sub _tls_config ($self) {
    require Pets::CA;
    $self->{ca} = Pets::CA->new(dir => "$self->{dir}/ca");
    chmod 0600, $self->{ca}->key_file;
    return (
        listen_addresses         => '127.0.0.1',
        ssl                      => 'on',
        ssl_cert_file            => $self->{ca}->cert_file,
        ssl_key_file             => $self->{ca}->key_file,
        ssl_min_protocol_version => 'TLSv1.2',
    );
}

sub DESTROY ($self) {
    return if $$ != $owner || ${^GLOBAL_PHASE} eq 'DESTRUCT';
    local ($?, $@, $!);
    $self->stop;
    return;
}

# Before Pets::Env ends what is left, which would be a rude way to end a server with connections.
END {
    if ($$ == $owner) {
        my $status = $?;
        $_->stop for grep { defined } @all;
        $? = $status;    ## no critic: the test's own exit status stands
    }
}

1;
