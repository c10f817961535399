# Another pepper, another cost: hashes are made anew as people log in, who notice nothing. A pepper is introduced, used
# and taken away while everybody logs in all the time; who has not come meanwhile is shut out only when the old one is
# gone, and a link lets her in again. A hash that cannot be made anew fails no login.
use v5.36;
use Pets::Env qw(slurp spew test_dir wait_until);
use Pets::Service;
use POSIX ();
use Test::More;

my $service = Pets::Service->new(config => { auth => { pool => { workers => 2 } } })->start;
my $root    = $service->database->dbh;
my $auth    = $service->auth;
my $admin   = $service->admin;
my ($old, $new) = ($service->pepper_file, test_dir() . '/new.pepper');
my $number  = 0;
Pets::Service::petsctl('pepper', 'new', $new);

# On a connection of its own, which only the newest generation accepts: the status, or 0 when no answer came.
sub login ($email, $password) {
    my $reply = $auth->connect->request(method => 'POST', uri => '/v1/auth/login', keep => 0, body => { email => $email, password => $password });
    return $reply->{status} // 0;
}

# Until the former workers are gone, too: what nginx has kept open goes to them, and they hash with what they have.
sub reload (%password) {
    my $mark = $auth->log_mark;
    $auth->set(password => \%password);
    $auth->signal('HUP');
    my $event = $auth->log_wait(sub ($event) { $event->{event} =~ /\Areload(?:ed|_failed)\z/ }, 60, $mark);
    is $event->{event}, 'reloaded', 'reloaded' or diag explain $event;
    wait_until { !grep { $_->{generation} < $event->{generation} } $auth->status(full => 1)->{processes}->@* } 60, 'the former workers to be gone';
    return;
}

sub credential ($id) { return $root->selectrow_hashref('select hash, pepper_id, updated_at::text from pets.credential where account_id = ?', undef, $id) }
sub pepper_of  ($id) { return credential($id)->{pepper_id} }

# People who log in, one after the other and again and again: a process, and a file with a line a login.
sub crowd (@people) {
    my $file = test_dir() . '/crowd' . ++$number;
    spew($file, '');
    my $pid = fork // die "fork: $!";
    return { pid => $pid, file => $file } if $pid;
    open my $out, '>>', $file or POSIX::_exit(1);
    $out->autoflush(1);
    while (!-e "$file.stop") {
        for my $person (@people) {
            print $out (eval { login($person->{email}, $person->{password}) } // "died $@") =~ s/\n/ /gr, "\n";
        }
    }
    POSIX::_exit(0);
}

sub statuses ($crowd) { return [split /\n/, slurp($crowd->{file})] }

# Each of them has logged in since: whatever was on its way at the time is over.
sub rounds ($crowd, $people) {
    my $before = statuses($crowd)->@*;
    wait_until { statuses($crowd)->@* >= $before + 2 * $people } 120, 'everybody to log in';
    return;
}

subtest 'a pepper is changed while people log in' => sub {
    my @people = map { my $who = $service->user; { email => $who->email, password => $who->password, id => $who->id } } 1 .. 8;
    my ($late, $never) = map { $service->user } 1 .. 2;
    my ($first)  = pepper_of($people[0]{id});
    my @crowds   = map { crowd(@people[$_ * 4 .. $_ * 4 + 3]) } 0, 1;
    my $everyone = sub { rounds($_, 4) for @crowds };
    $everyone->();

    reload(previous_pepper_file => $new);
    $everyone->();
    is_deeply [map { pepper_of($_->{id}) } @people], [($first) x 8], 'a second pepper is known: nothing changes yet';

    reload(pepper_file => $new, previous_pepper_file => $old);
    my $count = sub { $root->selectrow_array('select count(*) from pets.credential where pepper_id = ? and account_id = any (?)', undef, $first, [map { $_->{id} } @people]) };
    ok eval { wait_until { $count->() == 0 } 120, 'all hashes to be made anew'; 1 }, 'it is used: every hash is made anew' or diag $@;
    is pepper_of($late->id), $first, 'but of those who have not logged in';
    is login($late->email, $late->password), 200, 'one of them comes late';
    ok eval { wait_until { pepper_of($late->id) ne $first } 30, 'her hash'; 1 }, 'and has a new hash, too';
    my $second = pepper_of($late->id);
    is_deeply [sort map { pepper_of($_->{id}) } @people], [($second) x 8], 'all with the same pepper';

    rename $old, "$old.gone" or die "$old: $!";
    reload(previous_pepper_file => undef);
    $everyone->();
    is login($never->email, $never->password), 401, 'the other one is shut out when the old pepper is gone';
    my ($event) = $auth->log_grep(sub ($event) { $event->{event} eq 'authn_login_fail' });
    is $event->{reason}, 'unknown_pepper', 'and the log says why';
    my $link = $admin->post('/v1/users/' . $never->id . '/reset-link', { reason => 'her pepper is gone' });
    is $link->status, 201, 'an administrator makes a link' or diag $link->summary;
    is $service->client->post('/v1/auth/password-reset/confirm', { token => $link->json->{token}, password => 'what she chooses now' })->status, 204, 'she chooses another password';
    is login($never->email, 'what she chooses now'), 200, 'and is in again';

    for my $crowd (@crowds) {
        spew("$crowd->{file}.stop", '');
        waitpid $crowd->{pid}, 0;
        my @all = statuses($crowd)->@*;
        is scalar(grep { $_ ne '200' } @all), 0, 'of ' . @all . ' logins none failed' or diag join ' ', grep { $_ ne '200' } @all;
    }
    is $auth->metrics->{'pets_password_rehashes_total'}, 9, 'each hash was made anew once';
};

subtest 'another cost' => sub {
    my $ann = $service->user;
    my $before = credential($ann->id);
    reload(bcrypt_cost => 11);
    is login($ann->email, 'not her password, whatever'), 401, 'a wrong password';
    is credential($ann->id)->{hash}, $before->{hash}, 'changes no hash';
    is login($ann->email, $ann->password), 200, 'the right one logs in';
    ok eval { wait_until { credential($ann->id)->{hash} ne $before->{hash} } 30, 'another hash'; 1 }, 'and its hash is made anew';
    my $after = credential($ann->id);
    like $after->{hash}, qr/\A\$2b\$11\$/, 'at the new cost';
    is $after->{updated_at}, $before->{updated_at}, 'which is no change of password';
    is login($ann->email, $ann->password), 200, 'she logs in as before';
    is $root->selectrow_array(q{select count(*) from pets.session where account_id = ? and revoked_at is null}, undef, $ann->id), 3, 'and none of her sessions has ended';
};

subtest 'a password is changed at the moment its hash is made anew' => sub {
    for my $round (1 .. 4) {
        my $eve = $service->user(password => "the one before $round");
        reload(bcrypt_cost => 10 + $round % 2);
        my $door  = $auth->connect;
        my $token = $door->request(method => 'POST', uri => '/v1/auth/login', body => { email => $eve->email, password => $eve->password })->{json}{access_token};
        is $door->request(method => 'PUT', uri => '/v1/me/password', token => $token, body => { current_password => $eve->password, new_password => "the one after $round" })->{status},
            204, 'changed right after the login';
        wait_until { $auth->metrics->{'pets_password_hashes_pending'} == 0 } 30, 'nothing to be hashed';
        is login($eve->email, "the one after $round"), 200, 'the new one is right';
        is login($eve->email, $eve->password), 401, 'and the old one is not';
    }
};

subtest 'a hash that cannot be stored' => sub {
    my $ben = $service->user;
    my $before = credential($ben->id);
    reload(bcrypt_cost => $before->{hash} =~ /\A\$2b\$10/ ? 11 : 10);
    $root->do('revoke update (hash, pepper_id, updated_at) on pets.credential from pets_auth');
    my $mark = $auth->log_mark;
    is login($ben->email, $ben->password), 200, 'fails no login';
    my $event = $auth->log_wait(sub ($event) { $event->{event} eq 'password_rehash_failed' }, 30, $mark);
    is $event->{account_id}, $ben->id, 'it is logged';
    is credential($ben->id)->{hash}, $before->{hash}, 'the old hash stays';
    $root->do('grant update (hash, pepper_id, updated_at) on pets.credential to pets_auth');
    is login($ben->email, $ben->password), 200, 'the next login';
    ok eval { wait_until { credential($ben->id)->{hash} ne $before->{hash} } 30, 'another hash'; 1 }, 'makes up for it';
};

subtest 'a worker that leaves while a hash is made' => sub {
    my $cat = $service->user;
    reload(bcrypt_cost => 13);
    is login($cat->email, $cat->password), 200, 'she is in';
    is $auth->stop, 0, 'the pool ends as usual';
};

$root->disconnect;
done_testing;
