# Secrets as systemd hands them over (LoadCredential=): plain files, read-only, in a directory that an environment variable
# names and options refer to by relative paths. Both pools serve with nothing else, and reload; a credential that is not
# there, or a path that leads elsewhere, is told by name; and a signing key is changed where the originals are kept.
use v5.36;
use File::Copy qw(copy);
use JSON::PP ();
use Pets::Env qw(bin run slurp spew test_dir wait_until);
use Pets::FastCGI;
use Pets::Pool;
use Pets::Service;
use Pets::Token;
use Test::More;

my $service = Pets::Service->new;
$service->make_secrets;
$service->start_database;
my $database = $service->database;
my $dir      = test_dir();
my $public   = $service->public_keys_dir;
my $store    = "$dir/store";          # the originals, as in /etc/pets-api/credentials
my $handed   = "$dir/handed";         # what systemd makes of them: /run/credentials/UNIT
my %file     = (signing => 'signing.pem', refresh => 'refresh', mfa => 'mfa', pepper => 'pepper', cursor => 'cursor', password => 'database-password');
my @why      = ('--reason', 'rotation');
my ($first)  = $service->signing_key_file =~ m{/([\w-]{43})\.pem\z};

mkdir $store, 0700 or die "$store: $!";
my %source = (refresh => $service->refresh_key_file, mfa => $service->mfa_key_file, pepper => $service->pepper_file, cursor => $service->cursor_key_file('auth'), password => $service->password_file('pets_auth'));
for my $name (keys %source) {
    copy($source{$name}, "$store/$file{$name}") or die "$name: $!";
}
copy($service->signing_key_file, "$store/$file{signing}") or die $!;    # a plain file, too
chmod 0600, glob "$store/*";

# What systemd does when a unit is started: copies, mode 0400, in a directory in which nobody can write.
sub hand_over (%option) {
    if (-d $handed) {
        chmod 0700, $handed;
        unlink glob "$handed/*";
    }
    else {
        mkdir $handed or die "$handed: $!";
    }
    for my $name (grep { !$option{without} || $_ ne $option{without} } values %file) {
        copy("$store/$name", "$handed/$name") or die "$name: $!";
        chmod $option{mode} // 0400, "$handed/$name";
    }
    chmod 0500, $handed;
    return;
}

sub pool ($name, %env) {
    my $config = $service->pool_config($name);
    if ($name eq 'auth') {
        $config->{token}{signing_key_file}    = $file{signing};
        $config->{session}{refresh_key_file}  = $file{refresh};
        $config->{mfa}{key_file}              = $file{mfa};
        $config->{password}{pepper_file}      = $file{pepper};
        $config->{http}{cursor_key_file}      = $file{cursor};
        $config->{database}{password_file}    = $file{password};
    }
    return Pets::Pool->new(name => $name, dir => $dir, config => $config, env => \%env);
}

sub ask ($pool, $method, $uri, $body = undef, %option) { return Pets::FastCGI->get($pool->socket_path, $uri, method => $method, body => $body, timeout => 60, %option) }
sub kid_of ($token) { return (Pets::Token->parts($token))[0]{kid} }

# By the operator, who has the originals at hand.
sub petsctl ($pool, @arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $pool->file, @arguments], env => { CREDENTIALS_DIRECTORY => $store }, timeout => 60);
    return ($status >> 8, $out, $err);
}

hand_over();
my $auth = pool('auth', CREDENTIALS_DIRECTORY => $handed);
my $api  = pool('api');
my %me   = (email => 'ann@example.org', password => 'correct horse battery staple');
my $token;

sub log_in () {
    my $reply = ask($auth, 'POST', '/v1/auth/login', \%me);
    is $reply->{status}, 200, 'a login' or diag $reply->{raw};
    return $reply->{json}{access_token};
}

subtest 'both pools serve' => sub {
    is join(' ', map { sprintf '%04o', (stat)[2] & 07777 } $handed, glob "$handed/*"), '0500' . ' 0400' x keys %file, 'there is a directory of plain files that can only be read';
    is scalar(grep { -l } glob "$handed/*"), 0, 'no link among them';
    my ($status, $out, $err) = $auth->check('-t', '-d');
    is $status, 0, 'petsd -t -d' or diag $err;
    (undef, $out) = $auth->check('-T');
    like $out, qr/^signing_key_file = signing\.pem$/m, '-T prints the path as it is given';
    $_->start for $api, $auth;
    is ask($auth, 'POST', '/v1/auth/register', { %me, display_name => 'Ann' })->{status}, 201, 'somebody registers';
    $token = log_in();
    is kid_of($token), $first, 'the token is signed with the key that was handed over';
    is ask($api, 'GET', '/v1/pets', undef, token => $token)->{status}, 200, 'the other pool takes it';
    my $env = slurp('/proc/' . $auth->master . '/environ');
    is_deeply [grep { length >= 32 && index($env, $_) >= 0 } map { slurp($_) =~ s/\s+\z//r } glob "$handed/*"], [], 'nothing of it is in the environment';
};

subtest 'a reload reads them again' => sub {
    my $generation = $auth->status->{generation};
    $auth->reload(gone => 1);
    is $auth->status->{generation}, $generation + 1, 'another generation';
    is ask($api, 'GET', '/v1/pets', undef, token => log_in())->{status}, 200, 'it serves as the one before';
    $auth->kill_worker($_) for grep { my $pid = $_; grep { $_->{pid} == $pid && $_->{kind} eq 'pool' } $auth->status(full => 1)->{processes}->@* } $auth->workers;
    wait_until { ($auth->status->{workers}{ready} // 0) >= 1 } 60, 'another worker';
    log_in();
};

subtest 'the mode is that of systemd' => sub {
    hand_over(mode => 0440);    # with an access control list the group's bits are its mask
    my ($status, undef, $err) = $auth->check('-t');
    is $status, 0, '0440 is good in that directory' or diag $err;
    (undef, undef, $err) = pool('auth', CREDENTIALS_DIRECTORY => $store)->set(token => { signing_key_file => "$handed/$file{signing}" })->check('-t');
    like $err, qr{^petsd: \Q$handed\E/signing\.pem: .*its mode must be 0600 or 0400$}, 'and nowhere else';
    hand_over();
    pool('auth');    # the file as the running pool has it
};

subtest 'what is not as it should be' => sub {
    my $fails = sub ($why, $pool, $what) {
        my ($status, $out, $err) = $pool->check('-t');
        is $status >> 8, 1, "$what: refused";
        like $err, $why, '... and why';
        unlike $err, qr/BEGIN|PRIVATE/, '... without a byte of it';
    };
    $fails->(qr{: a relative path is taken below \$CREDENTIALS_DIRECTORY, which is not set$}m, pool('auth'), 'without the variable');
    $fails->(qr{: a relative path is taken below \$CREDENTIALS_DIRECTORY, which is not set$}m, pool('auth', CREDENTIALS_DIRECTORY => 'run/credentials'), 'a variable that is not absolute');
    for my $name (sort values %file) {
        hand_over(without => $name);
        $fails->(qr{^petsd: \Q$handed/$name\E: No such file or directory$}m, pool('auth', CREDENTIALS_DIRECTORY => $handed), "without $name");
    }
    hand_over();
    $fails->(qr{^petsd: \.\./store/signing\.pem: may not lead out of \$CREDENTIALS_DIRECTORY$}m, pool('auth', CREDENTIALS_DIRECTORY => $handed)->set(token => { signing_key_file => '../store/signing.pem' }), 'a path that leads elsewhere');
    pool('auth');    # the file as the running pool has it
    my ($status, $out, $err) = run([bin('petsd'), '-c', $auth->file, '-t'], env => { CREDENTIALS_DIRECTORY => $handed, PETS_PEPPER => 'x' });
    is $status >> 8, 78, 'a secret in the environment is refused, as ever' or diag $err;
};

subtest 'another signing key' => sub {
    my ($status, $out, $err) = petsctl($auth, 'key', 'list', '--json');
    is $status, 0, 'key list' or diag $err;
    my ($listed) = JSON::PP->new->decode($out)->@*;
    is "$listed->{kid} $listed->{state}", "$first active", 'the plain file is known for the key that it holds';
    cmp_ok $listed->{connections}, '>=', 1, 'and workers sign with it';
    ($status, $out, $err) = petsctl($auth, 'key', 'new', @why);
    is $status, 0, 'key new' or diag $err;
    chomp(my $second = $out);
    ok -e "$store/$second.pem" && -e "$public/$second.pub.pem", 'a key is made beside it';
    $_->reload for $api, $auth;
    ($status, $out, $err) = petsctl($auth, 'key', 'activate', $second, '--now', @why);
    is $status, 0, 'key activate' or diag $err;
    like $out, qr/^Restart the auth pool now/, 'says what is to be done: a reload does not hand anything over';
    is readlink "$store/$file{signing}", "$second.pem", 'it takes the place of the plain file';
    ok -e "$store/$first.pem", 'which is kept';
    $auth->reload(gone => 1);
    is kid_of(log_in()), $first, 'a reload alone changes nothing, as the credentials are the same';
    ($status, undef, $err) = petsctl($auth, 'key', 'retire', $first, @why);
    like $err, qr/workers still sign with this key/, 'and the old key cannot be taken away';
    is $auth->stop, 0, 'the unit is stopped';
    hand_over();
    ok !-l "$handed/$file{signing}", 'what is handed over is a plain file again';
    $auth->start;
    my $new = log_in();
    is kid_of($new), $second, 'the new key signs';
    is ask($api, 'GET', '/v1/pets', undef, token => $new)->{status}, 200, 'and is known';
    is ask($api, 'GET', '/v1/pets', undef, token => $token)->{status}, 200, 'so is the old one, while its tokens last';
    $database->dbh->do(q{update pets.signing_key set signed_at = now() - interval '1 day' where kid = ?}, undef, $first);
    utime time - 86400, time - 86400, "$store/$first.stopped";
    ($status, undef, $err) = petsctl($auth, 'key', 'retire', $first, @why);
    is $status, 0, 'then it is taken away' or diag $err;
    is join(' ', grep { /\Q$first/ } glob("$store/*"), glob("$public/*")), '', 'all of it';
    ($status, undef, $err) = run([bin('petsctl'), '-c', $auth->file, 'key', 'activate', $second, @why], env => { CREDENTIALS_DIRECTORY => $handed });
    is $status, 0, 'within the unit nothing is to be done' or diag $err;
    ($status, undef, $err) = run([bin('petsctl'), '-c', $auth->file, 'key', 'list']);
    like $err, qr/token\.signing_key_file: .*\$CREDENTIALS_DIRECTORY, which is not set/, 'without the variable petsctl says what it misses';
};

is $_->stop, 0, 'ended as usual' for $auth, $api;
chmod 0700, $handed;
done_testing;
