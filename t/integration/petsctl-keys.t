# The life of a signing key by petsctl, step by step: published, active, retired, gone; too early is refused, the files
# say what is, every step is recorded. What workers do is played here, by connections that say what theirs would; how it
# goes with real ones while the service is busy is tried by rotation.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run slurp spew test_dir);
use Pets::Pool;
use Pets::Service;
use Test::More;

my $service = Pets::Service->new;
$service->make_secrets;
$service->start_database;
my $private = test_dir() . '/secrets/private';
my $public  = $service->public_keys_dir;
my $link    = "$private/signing.pem";
my $config  = $service->pool_config('auth');
$config->{token}{signing_key_file} = $link;
my $auth = Pets::Pool->new(name => 'auth', dir => test_dir(), config => $config);
my $root = $service->database->dbh;
my $me   = getpwuid $<;
my @why  = ('--reason', 'yearly');

sub petsctl (@arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $auth->file, @arguments], timeout => 60);
    return ($status >> 8, $out, $err);
}

sub done_ok (@arguments) {
    my ($status, $out, $err) = petsctl(@arguments);
    is $status, 0, "@arguments[0, 1]" or diag $err;
    return $out;
}

sub failed_ok ($code, $why, @arguments) {
    my ($status, $out, $err) = petsctl(@arguments);
    is "$status $out", "$code ", "@arguments[0, 1]: exit status $code";
    like $err, $why, 'and why';
    return;
}

# Each key as "state wait next", by kid.
sub keys_now () {
    my $list = JSON::PP->new->decode(done_ok('key', 'list', '--json'));
    return { map { $_->{kid} => "$_->{state} " . ($_->{wait_s} ? 'wait ' : '') . $_->{next} } @$list };
}

sub events () {
    state $last = 0;
    my $rows = $root->selectall_arrayref('select id, action, outcome, detail from pets.audit_event where id > $1 order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    return join ', ', map {
        my $detail = JSON::PP->new->decode($_->{detail} // '{}');
        join ' ', $_->{action}, $_->{outcome}, map { $_ // '-' } @$detail{qw(operator reason subject)}
    } @$rows;
}

# Workers that sign with a key, so many, and no others: a connection each.
sub workers (%count) {
    state @connections;
    $_->disconnect for splice @connections;
    for my $kid (sort keys %count) {
        for (1 .. $count{$kid}) {
            push @connections, $service->database->dbh('pets_auth');
            $connections[-1]->do("set application_name = 'pets-api/auth $kid'");
        }
    }
    return;
}

# As if a token had been signed with a key so long ago.
sub signed ($kid, $seconds) {
    $root->do(q{insert into pets.signing_key values ($1, now() - make_interval(secs => $2)) on conflict (kid) do update set signed_at = excluded.signed_at}, undef, $kid, $seconds);
    return;
}

sub older ($file, $seconds) { utime time - $seconds, time - $seconds, $file or die "$file: $!"; return }

my ($first) = $service->signing_key_file =~ m{/([\w-]{43})\.pem\z};

subtest 'the first one' => sub {
    is_deeply keys_now(), { $first => 'published wait activate' }, 'published a moment ago';
    failed_ok 1, qr/others may not know this key yet: \d+ s too early/, 'key', 'activate', $first, @why;
    ok !-e $link, 'it does not sign';
    my ($status, $out, $err) = petsctl('key', 'activate', $first, '--now', @why);
    is $status, 0, '--now insists' or diag $err;
    like $err, qr/too early: tokens may be refused/, 'with a warning';
    like $out, qr/^Reload the auth pool now/, 'and says what is to be done';
    is readlink $link, "$first.pem", 'the link names it';
    is_deeply keys_now(), { $first => 'active reload the auth pool: nobody signs with it yet' }, 'active';
    workers($first => 1);
    is_deeply keys_now(), { $first => 'active nothing: activate another one' }, 'with a worker that signs with it';
    is events(), "sensitive_update success $me yearly $first", 'recorded';
    ($status, $out, $err) = petsctl('key', 'activate', $first, @why);
    is "$status $out$err", "0 petsctl: it was so already\n", 'again: nothing to do';
    is((($auth->check('-t'))[0]), 0, 'petsd accepts it');
    failed_ok 1, qr/this key signs/, 'key', 'retire', $first, '--now', @why;
    is events(), '', 'nothing else is recorded';
};

my $second;

subtest 'the second one' => sub {
    chomp($second = done_ok('key', 'new', @why));
    like $second, qr/\A[\w-]{43}\z/, 'prints the kid';
    is sprintf('%04o', (stat "$private/$second.pem")[2] & 07777), '0600', 'its private half is private';
    ok -e "$public/$second.pub.pem", 'its public half is published';
    ok !-e "$private/$second.pub.pem", 'and nowhere else';
    is events(), "sensitive_create success $me yearly $second", 'recorded';
    is_deeply keys_now(), { $first => 'active nothing: activate another one', $second => 'published wait activate' }, 'published';
    failed_ok 1, qr/too early/, 'key', 'activate', $second, @why;
    failed_ok 1, qr/has not been active/, 'key', 'retire', $second, @why;
    older("$public/$second.pub.pem", 355);
    failed_ok 1, qr/: [1-5] s too early/, 'key', 'activate', $second, @why;
    older("$public/$second.pub.pem", 360);
    is_deeply keys_now()->{$second}, 'published activate', 'six minutes later';
    done_ok 'key', 'activate', $second, @why;
    is readlink $link, "$second.pem", 'it is to sign';
    is_deeply keys_now(), { $first => 'retired wait reload the auth pool: it signs still', $second => 'active reload the auth pool: nobody signs with it yet' }, 'and the first one does until the reload';
    workers($second => 1);
    is_deeply keys_now(), { $first => 'retired wait retire', $second => 'active nothing: activate another one' }, 'then not';
    is events(), "sensitive_update success $me yearly $second", 'recorded';
};

subtest 'back, and forth again' => sub {
    workers($first => 1);
    done_ok 'key', 'activate', $first, @why;
    is_deeply keys_now(), { $first => 'active nothing: activate another one', $second => 'retired wait retire' }, 'one that has signed may sign again at once';
    workers($second => 1);
    done_ok 'key', 'activate', $second, @why;
    is_deeply keys_now(), { $first => 'retired wait retire', $second => 'active nothing: activate another one' }, 'and the other';
    events();
};

subtest 'a key that is retired by its files, and signs still' => sub {
    older("$private/$first.stopped", 86400);
    for my $case (['by all workers', $first => 8], ['by one that is left', $first => 1, $second => 8]) {
        my ($name, %count) = @$case;
        workers(%count);
        failed_ok 1, qr/workers still sign with this key: reload the auth pool/, 'key', 'retire', $first, @why;
        is keys_now()->{$first}, 'retired reload the auth pool: it signs still', "$name: the list says so";
    }
    workers();
    failed_ok 1, qr/no worker signs with the active key: is the auth pool running/, 'key', 'retire', $first, @why;
    workers($second => 2);
    signed($first, 0);
    failed_ok 1, qr/may still be good: 6[56]\d s too early/, 'key', 'retire', $first, @why;
    is keys_now()->{$first}, 'retired wait retire', 'its last token counts, not the time at which another was to take over';
    signed($first, 600 + 5 + 55);
    failed_ok 1, qr/may still be good: [1-5] s too early/, 'key', 'retire', $first, @why;
    my ($listed) = grep { $_->{kid} eq $first } JSON::PP->new->decode(done_ok('key', 'list', '--json'))->@*;
    like $listed->{signed_at}, qr/\A\d{4}-\d\d-\d\dT/, 'when that was is listed';
    is $listed->{connections}, 0, 'and who signs with it';
    signed($first, 0);
    workers($first => 1);
    my ($status, $out, $err) = petsctl('key', 'retire', $first, '--now', @why, '--json');
    is $status, 2, 'a wrong command line does nothing';
    ok -e "$public/$first.pub.pem", 'it is there still';
    signed($first, 86400);
    workers($second => 2);
    events();
};

subtest 'the end of the first one' => sub {
    utime time, time, "$private/$first.stopped";
    failed_ok 1, qr/may still be good: 6\d\d s too early/, 'key', 'retire', $first, @why;
    older("$private/$first.stopped", 600 + 5 + 55);
    failed_ok 1, qr/may still be good: [1-5] s too early/, 'key', 'retire', $first, @why;
    ok -e "$public/$first.pub.pem", 'it verifies still';
    older("$private/$first.stopped", 600 + 5 + 60);
    like done_ok('key', 'retire', $first, @why), qr/^Reload both pools/, 'says what is to be done';
    is join(' ', grep { -e } "$public/$first.pub.pem", "$private/$first.pem", "$private/$first.stopped"), '', 'nothing is left of it';
    is_deeply keys_now(), { $second => 'active nothing: activate another one' }, 'one key is left';
    is events(), "sensitive_delete success $me yearly $first", 'recorded';
    failed_ok 3, qr/no such key/, 'key', $_, $first, @why for qw(activate retire);
    failed_ok 2, qr/not the id of a key/, 'key', $_, '../x', @why for qw(activate retire);
};

subtest 'what is not as it should be' => sub {
    chomp(my $kid = done_ok('key', 'new'));
    older("$public/$kid.pub.pem", 360);
    events();
    rename "$private/$kid.pem", "$private/kept";
    is keys_now()->{$kid}, 'published nothing: its private half is not here', 'a key of somebody else';
    failed_ok 1, qr/No such file/, 'key', 'activate', $kid, @why;
    spew("$private/$kid.pem", slurp("$private/$second.pem"), 0600);
    failed_ok 1, qr/holds another key/, 'key', 'activate', $kid, @why;
    rename "$private/kept", "$private/$kid.pem";
    chmod 0644, "$private/$kid.pem";
    failed_ok 1, qr/0600/, 'key', 'activate', $kid, @why;
    chmod 0600, "$private/$kid.pem";
    is readlink $link, "$second.pem", 'nothing has changed';
    is events(), join(', ', ("sensitive_update failure $me yearly $kid") x 3), 'each attempt is recorded';
    unlink $link;
    spew($link, slurp("$private/$second.pem"), 0600);
    is keys_now()->{$second}, 'active nothing: activate another one', 'a copy of a key in the place of the link is that key';
    my $saved = slurp("$private/$second.pem");
    unlink "$private/$second.pem";
    done_ok 'key', 'activate', $kid, @why;
    is readlink $link, "$kid.pem", 'the link takes its place';
    is slurp("$private/$second.pem"), $saved, 'and what it held is kept under its name';
    is sprintf('%04o', (stat "$private/$second.pem")[2] & 07777), '0600', 'as private as before';
    is_deeply [sort values keys_now()->%*], ['active reload the auth pool: nobody signs with it yet', 'retired wait reload the auth pool: it signs still'], 'one has taken over from the other';
    done_ok 'key', 'activate', $second, @why;
    unlink $link;
    spew($link, slurp("$private/$second.pem"), 0600);
    spew("$private/$second.pem", slurp("$private/$kid.pem"), 0600);
    failed_ok 1, qr/holds another key/, 'key', 'activate', $kid, @why;
    ok !-l $link, 'a copy that would be lost stays';
    spew("$private/$second.pem", $saved, 0600);
    chmod 0644, $link;
    failed_ok 1, qr/0600/, 'key', 'list';
    unlink $link;
    symlink "$second.pem", $link;
    $auth->set(token => { signing_key_file => "$private/$second.pem" });
    failed_ok 1, qr/is a key itself: let token.signing_key_file have another name/, 'key', 'activate', $kid, @why;
    $auth->set(token => { signing_key_file => $link });
    workers($second => 1, $kid => 1);
    my ($status, $out, $err) = petsctl('key', 'retire', $kid, '--now', @why);
    is $status, 0, '--now insists' or diag $err;
    like $err, qr/workers still sign with this key.*too early: tokens may be refused/s, 'with what speaks against it';
    workers($second => 1);
    failed_ok 2, qr/directory/, 'key', 'new', $private;
    events();
};

subtest 'secrets' => sub {
    for my $object (qw(pepper secret)) {
        done_ok $object, 'new', "$private/$object", @why;
        failed_ok 1, qr/File exists/, $object, 'new', "$private/$object", @why;
        is events(), "sensitive_create success $me yearly $object, sensitive_create failure $me yearly $object", 'both are recorded';
    }
    is_deeply [map { $_->[0] } $root->selectall_arrayref(q{select distinct target_type from pets.audit_event where action = 'sensitive_create' order by 1})->@*], [qw(key pepper secret)], 'as what they are';
};

subtest 'without the database nothing is done' => sub {
    workers();
    $service->database->stop;
    failed_ok 1, qr/^petsctl: database: /, 'key', 'new';
    is scalar(my @files = glob "$public/*"), 1, 'no key is made';
    my ($status, $out, $err) = petsctl('key', 'list', '--json');
    is $status, 0, 'the files are listed';
    like $err, qr/^petsctl: database: /, 'with a complaint';
    is_deeply [map { [$_->{state}, $_->{connections}, $_->{signed_at}] } JSON::PP->new->decode($out)->@*], [['active', undef, undef]], 'and what only the database knows is unknown';
};

done_testing;
