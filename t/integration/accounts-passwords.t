# What a new password must be, as a client is told: every rule that it breaks, at its place, together with what else is
# wrong, and never the password itself. And the lists of those that are refused: checked before they are used, and
# never read as a whole.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use Digest::SHA qw(sha1_hex);
use Encode qw(encode_utf8);
use Pets::Env qw(built slurp spew test_dir);
use Pets::Service;
use Test::More;

my $list     = test_dir() . '/breached';
my $breached = 'a password that has leaked';

# A file in the form of the Pwned Passwords: hashes of these and of some that nobody has.
sub dump_of (@passwords) {
    return join '', map { "$_:3\r\n" } sort map { uc } ((map { sha1_hex(encode_utf8($_)) } @passwords), map { sha1_hex("nobody's $_") } 1 .. 500);
}

spew($list, dump_of($breached, 'пароль, который утёк'), 0644);
my $service = Pets::Service->new(config => { auth => { password => { breached_list_file => $list } } })->start;
my $client  = $service->client;
my $number  = 0;

sub register ($password, %more) {
    return $client->post('/v1/auth/register', { email => 'p' . ++$number . '@example.org', password => $password, display_name => 'Nobody Special', %more });
}

# The same on a connection of its own, which only the newest generation accepts.
sub register_now ($password) {
    return $service->auth->connect->request(method => 'POST', uri => '/v1/auth/register',
        body => { email => 'p' . ++$number . '@example.org', password => $password, display_name => 'Nobody Special' });
}

sub reload () { return $service->auth->reload(gone => 1) }

# "pointer code" of everything that is wrong.
sub faults ($reply) {
    return join ', ', map { "$_->{pointer} $_->{code}" } @{ ($reply->json // {})->{errors} // [] };
}

subtest 'what is refused, and why' => sub {
    for my $case (
        ['fourteen chars',           'too_short'],
        ['',                         'too_short'],
        ["\0" x 14,                  'too_short common_password'],
        ['🐕' x 14,                  'too_short common_password'],
        [join('', map { chr 33 + $_ * $_ / 7 % 90 } 1 .. 1025), 'too_long'],
        ['x' x 20_000,               'too_long'],
        ['1qaz2wsx3edc4rfv',         'common_password'],
        ['Manchester' . 'United',    'common_password'],
        ['abcdefghijklmnopqrst',     'common_password'],
        ['passwordpassword',         'common_password'],
        ['Password12345678',         'common_password'],
        ['iloveyouiloveyouilo',      'common_password'],
        ['zq9!zq9!zq9!zq9!zq9!',     'common_password'],
        ['aaaaaaaaaaaaaaaaaaaa',     'common_password'],
        [$breached,                  'breached_password'],
        ['пароль, который утёк',     'breached_password'],
        ['we are nobody special',    'contains_identity'],
        ['we are NOBODY SPECIAL',    'contains_identity'],
        ['mail to longer.name now',  'contains_identity', email => 'Longer.Name@example.org'],
        ['mail to me@example.org',   'contains_identity', email => 'me@example.org'],
        ['so says Δήμητρα today',    'contains_identity', display_name => 'ΔΉΜΗΤΡΑ'],
    ) {
        my ($password, $codes, %more) = @$case;
        my $name  = length $password > 40 ? length($password) . ' characters' : $password =~ s/\0/\\0/gr;
        my $reply = register($password, %more);
        is $reply->status, 422, "$name: 422";
        is faults($reply), join(', ', map { "/password $_" } split / /, $codes), "$name: $codes";
        ok length $password == 0 || index($reply->body, encode_utf8($password)) < 0, "$name: is not repeated" or diag $reply->body;
    }
};

subtest 'all at once' => sub {
    my $reply = register('monkeymonkey', email => 'no address', display_name => '');
    is faults($reply), '/email invalid_format, /display_name too_short, /password too_short, /password common_password', 'everything that is wrong';
    is faults($client->post('/v1/auth/register', { email => 1, password => 'monkeymonkey', display_name => ['x'] })),
        '/email wrong_type, /display_name wrong_type, /password too_short, /password common_password', 'whatever else is not even a string';
    is faults(register(undef)), '/password wrong_type', 'null';
    is faults(register(15)), '/password wrong_type', 'a number';
};

subtest 'what is taken' => sub {
    for my $password (
        'fifteen letters', "\0\x01\x02\x03 and control", 'me and my dog at ex', 'correct horse battery staple', 'we are nobody at all',
        "e\x{301}" x 4 . ' is 8 +', "\x{202e}from right to left", "\x{1F9D1}\x{200D}\x{1F4BB} is three of 15",
        join('', map { chr 0x1F400 + $_ } 1 .. 15), 'three words monkey, dragon', 'aBcDeFgH aBcDeFgH', join('', map { chr 0x4e00 + $_ * 41 } 1 .. 341) . 'x',
    ) {
        my $name  = length $password > 40 ? length($password) . ' characters' : $password =~ s/([\0-\x1f])/sprintf '\\x%02x', ord $1/ger;
        my $email = 'taken' . ++$number . '@example.org';
        my $reply = $client->register($email, $password);
        is $reply->status, 201, "$name: registered" or diag $reply->body;
        is $client->post('/v1/auth/login', { email => $email, password => $password })->status, 200, "$name: logs in";
        is $client->post('/v1/auth/login', { email => $email, password => substr $password, 0, -1 })->status, 401, "$name: but not without its end";
    }
    my $door = $service->auth->connect;
    my $raw  = sub ($uri, $text) {
        return $door->request(method => 'POST', uri => $uri, body => $text, params => { CONTENT_TYPE => 'application/json' })->{status};
    };
    is $raw->('/v1/auth/register', '{"email":"nul@example.org","display_name":"N","password":"behind a \u0000, this"}'), 201, '\u0000 in JSON';
    is $raw->('/v1/auth/login', '{"email":"nul@example.org","password":"behind a \u0000, this"}'), 200, 'logs in';
    is $raw->('/v1/auth/login', '{"email":"nul@example.org","password":"behind a \u0000, that"}'), 401, 'what stands behind it counts';
    is $raw->('/v1/auth/login', '{"email":"nul@example.org","password":"behind a "}'), 401, 'it is not where it ends';
};

subtest 'a change of password has the same rules' => sub {
    my $eve = $service->user(email => 'evelyn@example.org', display_name => 'Eve Nobody');
    for my $case (
        ['fourteen chars', 'too_short'], ['passwordpassword', 'common_password'], [$breached, 'breached_password'],
        ['now for EVE NOBODY', 'contains_identity'], ['now for Evelyn again', 'contains_identity'],
    ) {
        my ($password, $code) = @$case;
        my $reply = $eve->put('/v1/me/password', { current_password => $eve->password, new_password => $password });
        is $reply->status . ' ' . faults($reply), "422 /new_password $code", $code;
        ok index($reply->body, $password) < 0, "$code: is not repeated";
    }
    is $eve->put('/v1/me/password', { current_password => $eve->password, new_password => 'a good one of hers' })->status, 204, 'a good one is taken';
};

subtest 'petsctl has the same rules' => sub {
    my $refused = sub ($password, $code) {
        ok !eval { $service->add_user('ctl' . ++$number . '@example.org', $password); 1 }, "$code: refused";
        like $@, qr/\($code\)/, "$code: and why";
        unlike $@, qr/\Q$password\E/, "$code: the password is not repeated";
    };
    $refused->('fourteen chars', 'too_short');
    $refused->('passwordpassword', 'common_password');
    $refused->('mail for ctl' . ($number + 1) . ' in here', 'contains_identity');
};

subtest 'a list that is replaced' => sub {
    my $new = 'another one that has leaked';
    spew("$list.new", dump_of($breached, $new), 0644);
    rename "$list.new", $list or die "$list: $!";
    is register_now($new)->{status}, 201, 'by rename: the old one is used';
    reload();
    is register_now($new)->{json}{errors}[0]{code}, 'breached_password', 'until the next reload';

    truncate $list, 0 or die "$list: $!";
    my $reply = register_now('a good one, unchecked');
    is "$reply->{status} $reply->{json}{code}", '503 unavailable', 'in place: no password is taken unchecked';
    my $event = $service->auth->log_wait(sub ($event) { $event->{event} eq 'password_list_unusable' });
    is $event->{list}, 'breached_list_file', 'which list it is is logged';
    my @ended = $service->auth->log_grep(sub ($event) { $event->{event} eq 'worker_ended' && $event->{ending} ne 'replaced' });
    is scalar @ended, 0, 'no worker dies of it';
    spew("$list.new", dump_of($breached), 0644);
    rename "$list.new", $list or die "$list: $!";
    reload();
    is register_now('a good one, unchecked')->{status}, 201, 'a good one and a reload mend it';
};

subtest 'petsd -t looks at the lists' => sub {
    my $pool = Pets::Pool->new(name => 'auth', dir => test_dir() . '/lists', config => $service->pool_config('auth'));
    my $file = test_dir() . '/a-list';
    my $try  = sub ($option, $content, $why, $mode = 0644) {
        unlink $file;
        spew($file, $content, $mode) if defined $content;
        $pool->set(password => { common_list_file => built('common-passwords'), breached_list_file => undef, $option => $file });
        my ($status, $out, $err) = $pool->check('-t');
        my $bad = $why ne 'good';
        is $status != 0, $bad, "$option: " . ($bad ? $why : 'good') or diag $err;
        like $err, qr/\Q$file\E: \Q$why\E/, 'and told' if $bad;
    };
    $try->(breached_list_file => dump_of('x'), 'good');
    $try->(breached_list_file => undef, 'No such file or directory');
    $try->(breached_list_file => '', 'is empty');
    $try->(breached_list_file => join('', reverse split /^/, dump_of('x')), 'byte 44: is not in order');
    $try->(breached_list_file => "password\n", 'byte 0: is not a line of 40 hex digits');
    $try->(breached_list_file => dump_of('x'), 'may be written by group or others', 0666);
    $try->(common_list_file => "alpha\nbeta\n", 'good');
    $try->(common_list_file => undef, 'No such file or directory');
    $try->(common_list_file => "beta\nalpha\n", 'byte 5: is not in order');
    # Large enough to be looked at in places: what is wrong everywhere is found.
    my $large = join '', map { sprintf "%08X%s:1\n", $_, '0' x 32 } reverse 0 .. 400_000;
    $try->(breached_list_file => $large, 'byte ');
};

subtest 'nothing secret is written down' => sub {
    my $dir = $service->dir;
    kill USR1 => $service->nginx->pid;
    for my $file (grep { -f } glob("$dir/*.log"), glob("$dir/nginx/logs/*"), $service->database->log_file) {
        my $text = slurp($file);
        ok !(grep { index($text, $_) >= 0 } 'has leaked', 'passwordpassword', 'a good one', 'fourteen chars', 'longer.name'), substr $file, 1 + length $dir;
    }
};

done_testing;
