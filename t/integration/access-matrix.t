# Who may do what: every route of both pools, as petsd itself lists them, tried by nobody, by the owner of what it
# is about, by a stranger, and by an administrator. A route that this file does not know fails, so that nobody can
# add one without saying here what it allows.
use v5.36;
use Pets::Env qw(bin run);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $owner   = $service->user;
my $other   = $service->user;
my $admin   = $service->admin;
my $nobody  = $service->client;
my %who     = (nobody => $nobody, own => $owner, foreign => $other, admin => $admin);

my ($status, $table, $err) = run([bin('petsd'), '--routes']);
is $status, 0, 'petsd --routes' or BAIL_OUT($err);
my @routes = map { [split /\t/] } split /\n/, $table;
cmp_ok scalar @routes, '>', 10, 'lists them';

# What is sent, and the status for each of the four. A fresh pet of the owner's stands for {id}, or what `make` returns.
my %pet    = (name => 'Pet', species => 'dog');
my $number = 0;
my $login  = sub { +{ email => $owner->email, password => $owner->password } };
my %expect = (
    'api GET /v1/pets'              => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'api POST /v1/pets'             => { nobody => 401, own => 201, foreign => 201, admin => 201, body => sub { +{%pet} } },
    'api POST /v1/pets:batch'       => { nobody => 401, own => 201, foreign => 201, admin => 201, body => sub { [{%pet}, {%pet}] } },
    'api GET /v1/pets/{id}'         => { nobody => 401, own => 200, foreign => 404, admin => 200 },
    'api PUT /v1/pets/{id}'         => { nobody => 401, own => 200, foreign => 404, admin => 200, body => sub { +{%pet} } },
    'api PATCH /v1/pets/{id}'       => { nobody => 401, own => 200, foreign => 404, admin => 200, body => sub { +{ name => 'Changed' } } },
    'api DELETE /v1/pets/{id}'      => { nobody => 401, own => 204, foreign => 404, admin => 204 },
    'api GET /v1/pets/{id}/history' => { nobody => 401, own => 200, foreign => 404, admin => 200 },
    'api POST /v1/pets/{id}/restore' => { nobody => 401, own => 200, foreign => 404, admin => 200, make => \&deleted_pet },
    'api POST /v1/pets/{id}/transfers' => { nobody => 401, own => 201, foreign => 404, admin => 404, body => sub { +{ to_email => 'who@example.org' } } },
    'api GET /v1/transfers'         => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'api GET /v1/transfers/{id}'    => { nobody => 401, own => 200, foreign => 404, admin => 404, make => sub { offer($owner, 'who@example.org') } },
    'api POST /v1/transfers/{id}/accept'   => { nobody => 401, own => 200, foreign => 404, admin => 404, make => sub { offer($service->user, $owner->email) } },
    'api POST /v1/transfers/{id}/decline'  => { nobody => 401, own => 200, foreign => 404, admin => 404, make => sub { offer($service->user, $owner->email) } },
    'api POST /v1/transfers/{id}/withdraw' => { nobody => 401, own => 200, foreign => 404, admin => 404, make => sub { offer($owner, 'who@example.org') } },
    'auth GET /v1/me'               => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'auth PUT /v1/me/password'      => { nobody => 401, own => 422, foreign => 422, admin => 422, body => sub { +{ current_password => 'not this', new_password => 'a password that is long' } } },
    'auth GET /v1/me/sessions'      => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'auth DELETE /v1/me/sessions/{id}' => { nobody => 401, own => 404, foreign => 404, admin => 404 },
    'auth GET /v1/me/api-keys'      => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'auth POST /v1/me/api-keys'     => { nobody => 401, own => 201, foreign => 201, admin => 201, body => sub { +{ name => 'A script', scopes => ['pets:read'] } } },
    'auth DELETE /v1/me/api-keys/{id}' => { nobody => 401, own => 404, foreign => 404, admin => 404 },
    'auth GET /v1/users'            => { nobody => 401, own => 403, foreign => 403, admin => 200 },
    'auth GET /v1/users/{id}'       => { nobody => 401, own => 403, foreign => 403, admin => 404 },
    'auth PATCH /v1/users/{id}'     => { nobody => 401, own => 403, foreign => 403, admin => 404, body => sub { +{ state => 'disabled', reason => 'a test' } } },
    'auth POST /v1/users/{id}/reset-link' => { nobody => 401, own => 403, foreign => 403, admin => 404, body => sub { +{ reason => 'a test' } } },
    'auth POST /v1/users/{id}/revoke' => { nobody => 401, own => 403, foreign => 403, admin => 404, body => sub { +{ reason => 'a test' } } },
    'auth POST /v1/auth/refresh'    => { nobody => 200, own => 200, foreign => 200, admin => 200, body => sub { +{ refresh_token => $service->user->refresh_token } } },
    'auth POST /v1/auth/register'   => { nobody => 201, own => 201, foreign => 201, admin => 201, body => \&new_account },
    # Without mail there is nothing to verify and no link to ask for; an administrator's link works.
    'auth POST /v1/auth/verify-email'   => { nobody => 404, own => 404, foreign => 404, admin => 404, body => sub { +{ token => 'pl_' . 'A' x 43 } } },
    'auth POST /v1/auth/password-reset' => { nobody => 404, own => 404, foreign => 404, admin => 404, body => sub { +{ email => $owner->email } } },
    'auth POST /v1/auth/password-reset/confirm' => { nobody => 410, own => 410, foreign => 410, admin => 410, body => sub { +{ token => 'pl_' . 'A' x 43, password => 'a password that is long' } } },
    'auth POST /v1/auth/login/second-factor' => { nobody => 422, own => 422, foreign => 422, admin => 422, body => sub { +{} } },
    'auth POST /v1/auth/step-up'    => { nobody => 401, own => 422, foreign => 422, admin => 422, body => sub { +{ code => '000000' } } },
    'auth GET /v1/me/second-factor' => { nobody => 401, own => 200, foreign => 200, admin => 200 },
    'auth POST /v1/me/second-factor' => { nobody => 401, own => 201, foreign => 201, admin => 201, once => 1 },
    'auth POST /v1/me/second-factor/confirm' => { nobody => 401, own => 404, foreign => 404, admin => 404, once => 1, body => sub { +{ code => '000000' } } },
    'auth DELETE /v1/me/second-factor' => { nobody => 401, own => 404, foreign => 404, admin => 404, once => 1 },
    'auth POST /v1/me/recovery-codes' => { nobody => 401, own => 404, foreign => 404, admin => 404, once => 1 },
    'auth POST /v1/auth/login'      => { nobody => 200, own => 200, foreign => 200, admin => 200, body => $login },
    'auth POST /v1/auth/logout'     => { nobody => 401, own => 204, foreign => 204, admin => 204, once => 1 },
    'auth GET /.well-known/jwks.json' => { nobody => 200, own => 200, foreign => 200, admin => 200 },
);

sub new_account () {
    return { email => 'new' . ++$number . '@example.org', password => 'a password that is long', display_name => 'New' };
}

sub offer ($who, $email) {
    my $pet = $service->pet($who);
    return $who->post("/v1/pets/$pet->{id}/transfers", { to_email => $email })->json->{id};
}

sub deleted_pet () {
    my $pet = $service->pet($owner);
    $owner->delete("/v1/pets/$pet->{id}");
    return $pet->{id};
}

my %seen;
for my $route (@routes) {
    my ($pool, $method, $path, $access) = @$route;
    next if $pool eq 'ops';
    my $name = "$pool $method $path";
    $seen{$name} = 1;
    subtest $name => sub { try_route($name, $method, $path, $access) };
}
is_deeply [grep { !$seen{$_} } sort keys %expect], [], 'no route is missing';

# The ops routes are not reachable from outside, whoever asks.
for my $route (grep { $_->[0] eq 'ops' } @routes) {
    is $_->get($route->[2])->status, 404, "ops $route->[2]: not outside" for $nobody, $admin;
}

sub try_route ($name, $method, $path, $access) {
    my $expect = $expect{$name} // return fail("what does $name allow? say it in $0");
    like $access, qr/\A(?:public|user|admin)\z/, 'says who may use it';
    is $expect->{nobody} == 401, $access ne 'public', "nobody: $access";
    for my $who (qw(nobody foreign admin own)) {
        my $client = $expect->{once} && $who ne 'nobody' ? $service->user : $who{$who};
        my $pet    = $path =~ /\{id\}/ && !$expect->{make} ? $service->pet($owner) : undef;
        my $id     = $expect->{make} ? $expect->{make}->() : $pet ? $pet->{id} : '';
        my $target = $path =~ s/\{id\}/$id/r;
        my $type   = $method eq 'PATCH' ? 'application/merge-patch+json' : 'application/json';
        my $reply  = $client->request($method, $target, $expect->{body} ? (body => $expect->{body}->(), type => $type) : ());
        is $reply->status, $expect->{$who}, "$who: $expect->{$who}" or diag $reply->summary;
        next if !$pet || $who eq 'own' || $who eq 'admin';
        is_deeply $owner->get("/v1/pets/$pet->{id}")->json, $pet, "$who: nothing has changed";
        is scalar $owner->get("/v1/pets/$pet->{id}/history")->json->{items}->@*, 1, "$who: nor in its history";
    }
    return;
}

subtest 'a foreign pet is just not there' => sub {
    my $pet  = $service->pet($owner, microchip => '276' . '0' x 11 . '7');
    my $none = '019b0000-0000-7000-8000-00000000dead';
    for my $method (qw(GET HEAD PUT PATCH DELETE)) {
        my %body = $method eq 'PUT' ? (body => +{%pet}) : $method eq 'PATCH' ? (body => { name => 'x' }, type => 'application/merge-patch+json') : ();
        my ($foreign, $missing) = map { $other->request($method, "/v1/pets/$_", %body) } $pet->{id}, $none;
        is $foreign->status, $missing->status, "$method: the same status as for none";
        is $foreign->body =~ s/$pet->{id}|"trace_id":"[^"]*"//gr, $missing->body =~ s/$none|"trace_id":"[^"]*"//gr, "$method: the same answer";
    }
};

subtest 'what an administrator does to another’s pet is recorded' => sub {
    my $root = $service->database->dbh;
    my $pet  = $service->pet($owner);
    my $path = "/v1/pets/$pet->{id}";
    my $events = sub {
        return join ' ', map { $_->[0] } @{ $root->selectall_arrayref(
            'select action from pets.audit_event where target_id = ? and actor_id = ? order by id', undef, $pet->{id}, $admin->id) };
    };
    is $events->(), '', 'nothing yet';
    my @done;
    for my $do (
        ['read',    sub { $admin->get($path) }],
        ['history', sub { $admin->get("$path/history") }],
        ['patch',   sub { $admin->patch($path, { name => 'Seen' }) }],
        ['put',     sub { $admin->put($path, +{%pet}) }],
        ['delete',  sub { $admin->delete($path) }],
    ) {
        my ($name, $function) = @$do;
        my $before = split ' ', $events->();
        $function->();
        my $after = split ' ', $events->();
        is $after, $before + 1, "$name: one event";
    }
    note $events->();
    my ($history) = $root->selectrow_array(
        q{select string_agg(action || ' ' || (actor_id = ?)::text, ', ' order by version) from pets.pet_history where pet_id = ?}, undef, $admin->id, $pet->{id});
    is $history, 'create false, update true, update true, delete true', 'and the history says who it was';
    $root->disconnect;
};

done_testing;
