# Where secrets may come from: files that nobody else can read, never the environment. Whatever breaks that rule
# is refused at the start, with the name of the file or variable and never with what is in it.
use v5.36;
use Pets::Env qw(bin run slurp spew test_dir);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new;
$service->make_secrets;
$service->start_database;
my $auth = Pets::Pool->new(name => 'auth', config => $service->pool_config('auth'));
my $api  = Pets::Pool->new(name => 'api', config => $service->pool_config('api'));

for my $pool ($auth, $api) {
    my ($status, $out, $err) = $pool->check('-t');
    is $status, 0, $pool->name . ': the configuration is good as it is' or diag $err;
}

subtest 'the environment' => sub {
    for my $name (qw(PGPASSWORD PGPASSFILE PETS_DATABASE_PASSWORD PETS_PEPPER PETS_SIGNING_KEY PETS_TOKEN PETS_SECRET)) {
        for my $arguments (['-t'], []) {
            my ($status, $out, $err) = run([bin('petsd'), '-c', $auth->file, @$arguments], env => { $name => 'a-telling-value' }, timeout => 60);
            isnt $status, 0, "$name, petsd @$arguments: refused";
            like $err, qr/\b$name\b/, "$name, petsd @$arguments: named";
            unlike "$out$err", qr/telling/, "$name, petsd @$arguments: not repeated";
        }
    }
};

# The files, and the pools that read them.
my %files = (
    'signing key' => [$service->signing_key_file,          $auth],
    'pepper'      => [$service->pepper_file,               $auth],
    'cursor key of the auth pool' => [$service->cursor_key_file('auth'), $auth],
    'cursor key of the api pool'  => [$service->cursor_key_file('api'),  $api],
    'password of pets_auth' => [$service->password_file('pets_auth'), $auth],
    'password of pets_api'  => [$service->password_file('pets_api'),  $api],
);

for my $name (sort keys %files) {
    my ($file, $pool) = $files{$name}->@*;
    my $content = slurp($file);
    my $refused = sub ($why) {
        my ($status, $out, $err) = $pool->check('-t');
        isnt $status, 0, "$why: refused";
        like $err, qr/\Q$file\E/, "$why: the file is named" or diag $out;
        my $telling = substr $content =~ s/-----.*?-----\s*//sr, 0, 16;
        ok index("$out$err", $telling) < 0, "$why: its content is not repeated";
    };
    subtest $name => sub {
        for my $mode (0640, 0604, 0620, 0666) {
            chmod $mode, $file;
            $refused->(sprintf 'mode %04o', $mode);
        }
        for my $mode (0600, 0400) {
            chmod $mode, $file;
            my ($status, undef, $err) = $pool->check('-t');
            is $status, 0, sprintf('mode %04o is right', $mode) or diag $err;
        }
        rename $file, "$file.away" or die "$file: $!";
        $refused->('missing');
        mkdir $file, 0700;
        $refused->('a directory');
        rmdir $file;
        spew($file, '', 0600);
        $refused->('empty');
        spew($file, 'x' x 100_000, 0600);
        $refused->('too large');
        unlink $file;
        rename "$file.away", $file or die "$file: $!";
        chmod 0600, $file;
    };
}

subtest 'the directory of public keys' => sub {
    my $dir = $service->public_keys_dir;
    my ($key) = glob "$dir/*.pub.pem";
    my $refused = sub ($why, $what) {
        for my $pool ($api, $auth) {
            my ($status, undef, $err) = $pool->check('-t');
            isnt $status, 0, $pool->name . ": $why: refused";
            like $err, qr/\Q$what\E/, $pool->name . ": $why: named";
        }
    };
    chmod 0777, $dir;
    $refused->('others may write there', $dir);
    chmod 0755, $dir;
    chmod 0666, $key;
    $refused->('others may write a key', $key =~ s{.*/}{}r);
    chmod 0644, $key;
    my $content = slurp($key);
    spew("$dir/" . 'A' x 43 . '.pub.pem', $content);
    $refused->('a key under another name', 'A' x 43);
    unlink "$dir/" . 'A' x 43 . '.pub.pem';
    rename $key, "$key.away";
    $refused->('no key at all', $dir);
    rename "$key.away", $key;
};

subtest 'the pool api needs no secret but its password and a key of its own for cursors' => sub {
    my $text = slurp($api->file);
    unlike $text, qr/signing_key_file|pepper_file/, 'and has none configured';
    isnt slurp($service->cursor_key_file('api')), slurp($service->cursor_key_file('auth')), 'that key is not the auth pool\'s';
    my %names = map { $_ => 1 } $text =~ /^(\w*_file) =/mg;
    is join(' ', sort keys %names), 'cursor_key_file password_file', 'these are all the files';
    my $with_key = Pets::Pool->new(name => 'api', dir => test_dir() . '/with_key', config => $service->pool_config('api'));
    $with_key->set(token => { signing_key_file => $service->signing_key_file });
    my ($status, undef, $err) = $with_key->check('-t');
    isnt $status, 0, 'a signing key in its configuration is refused';
    like $err, qr/signing_key_file/, 'and named';
};

subtest 'a pool that is told to reload with a bad secret keeps what it has' => sub {
    $auth->start;
    my $mark = $auth->log_mark;
    chmod 0644, $service->pepper_file;
    my @before = $auth->workers;
    $auth->signal('HUP');
    my $event = $auth->log_wait(sub ($event) { ($event->{level} // '') eq 'error' }, 30, $mark);
    ok $event, 'it says so';
    is $auth->ops('/ready')->{status}, 200, 'it serves as before';
    ok scalar(grep { my $pid = $_; grep { $_ == $pid } @before } $auth->workers), 'with the workers it had';
    chmod 0600, $service->pepper_file;
    is $auth->stop, 0, 'and ends as usual';
};

done_testing;
