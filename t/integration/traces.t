# A trace that a request is part of (traceparent) is told wherever the request is: in problems, of nginx too, in both logs,
# in pg_stat_activity while a statement runs, and in the audit record. One that is not valid is passed over.
use v5.36;
use Pets::Env qw(random_hex wait_until);
use Pets::Service;
use Test::More;

my $service = Pets::Service->new(config => { both => { log => { access => 'on' } }, api => { pool => { slow_request_ms => 50 } } })->start;
my $super   = $service->database->dbh;
my $ann     = $service->user;
my $nginx   = $service->nginx;

sub new_trace () { return random_hex(16) }
sub parent_of ($trace) { return "00-$trace-00f067aa0ba902b7-01" }
sub traced ($trace) { return (headers => { traceparent => parent_of($trace) }) }

# The line of nginx's access log, and the events of a pool, about one request.
sub line_of ($id) {
    my $line;
    wait_until { ($line) = grep { $_->{request_id} eq $id } $nginx->access_log } 30, 'the access log';
    return $line;
}
sub events_of ($pool, $id) { return grep { ($_->{request_id} // '') eq $id } $service->$pool->log_events }
sub record_of ($id) { return $super->selectrow_hashref('select action, trace_id from pets.audit_event where request_id = ?', undef, $id) }

subtest 'a problem' => sub {
    for my $case (
        ['of the program',    sub (%o) { $ann->get('/v1/pets/x', %o) }],
        ['of the auth pool',  sub (%o) { $ann->get('/v1/me/sessions', query => { limit => 0 }, %o) }],
        ['of nginx',          sub (%o) { $ann->get('/nowhere', %o) }],
        ['of nobody',         sub (%o) { $ann->get('/v1/pets', token => undef, %o) }],
    ) {
        my ($what, $do) = @$case;
        my $trace = new_trace();
        my $reply = $do->(traced($trace));
        my $id    = $reply->header('x-request-id');
        is $reply->json->{trace_id}, $trace, "$what: the trace that was given";
        isnt $id, $trace, "$what: the id of the request is its own";
        is line_of($id)->{trace_id}, $trace, "$what: the access log has both";
        $reply = $do->();
        is $reply->json->{trace_id}, $reply->header('x-request-id'), "$what: without one it is the id";
        is line_of($reply->header('x-request-id'))->{trace_id}, $reply->header('x-request-id'), "$what: in the access log, too";
    }
};

subtest 'what is not valid' => sub {
    my $trace = new_trace();
    for my $parent (
        "00-$trace-00f067aa0ba902b7-01-x", "00-$trace-00f067aa0ba902b7-1", "00-$trace-00f067aa0ba902b7", "ff-$trace-00f067aa0ba902b7-01",
        '00-' . '0' x 32 . '-00f067aa0ba902b7-01', "00-$trace-0000000000000000-01", uc(parent_of($trace)) =~ s/\d/a/gr, "00-$trace-00f067aa0ba902b7-zz",
        "00-${trace}0-00f067aa0ba902b7-01", $trace, '00-0-0-00', 'x' x 500, '"', parent_of($trace) . ', ' . parent_of(new_trace()),
    ) {
        for my $path ('/v1/pets/x', '/nowhere') {
            my $reply = $ann->get($path, headers => { traceparent => $parent });
            is $reply->status, 404, "$path with " . substr($parent, 0, 70);
            is $reply->json->{trace_id}, $reply->header('x-request-id'), '... is another trace';
        }
    }
    for my $parent ("01-$trace-00f067aa0ba902b7-01", "cc-$trace-00f067aa0ba902b7-01-more") {
        is $ann->get($_, headers => { traceparent => $parent })->json->{trace_id}, $trace, "$_ with a version to come: $parent" for '/v1/pets/x', '/nowhere';
    }
};

subtest 'logs and the record' => sub {
    my $trace = new_trace();
    my $reply = $ann->post('/v1/pets', { name => 'Traced', species => 'dog' }, traced($trace));
    my $id    = $reply->header('x-request-id');
    is_deeply [map { "$_->{event} $_->{trace_id}" } events_of(api => $id)], ["access $trace"], 'the log of the api pool';
    is_deeply record_of($id), { action => 'pet_created', trace_id => $trace }, 'the audit record';
    my $login = $service->client->post('/v1/auth/login', { email => $ann->email, password => 'not this one' }, traced($trace));
    $id = $login->header('x-request-id');
    is_deeply [sort grep { !/^slow_request/ } map { "$_->{event} $_->{trace_id}" } events_of(auth => $id)], ["access $trace", "authn_login_fail $trace"], 'the log of the auth pool, before anybody is known';
    is_deeply record_of($id), { action => 'authn_login_fail', trace_id => $trace }, 'and the record';
    my $script = $ann->with_token($ann->post('/v1/me/api-keys', { name => 'k', scopes => ['pets:write'] })->json->{key});
    $id = $script->post('/v1/pets', { name => 'By a key', species => 'dog' }, traced($trace))->header('x-request-id');
    is_deeply record_of($id), { action => 'pet_created', trace_id => $trace }, 'also by an API key';
    $id = $script->get('/v1/pets', traced($trace))->header('x-request-id');
    is_deeply record_of($id), { action => 'authz_fail', trace_id => $trace }, 'and of what is refused';

    $id = $ann->post('/v1/pets', { name => 'Untraced', species => 'dog' })->header('x-request-id');
    is_deeply [map { [$_->{event}, exists $_->{trace_id}] } events_of(api => $id)], [['access', !!0]], 'without one the log has the id alone';
    is_deeply record_of($id), { action => 'pet_created', trace_id => undef }, 'and so has the record';
};

subtest 'in PostgreSQL' => sub {
    my $pet   = $service->pet($ann);
    my $names = sub { join ' ', sort $super->selectcol_arrayref(q{select application_name from pg_stat_activity where usename = 'pets_api' and wait_event_type = 'Lock'})->@* };
    my $held  = $service->database->dbh;
    for my $trace (new_trace(), undef) {
        $held->begin_work;
        $held->do('select from pets.pet where id = $1 for update', undef, $pet->{id});
        pipe my $read, my $write or die;
        my $pid = fork // die;
        if (!$pid) {
            my $reply = $ann->with_token($ann->token)->patch("/v1/pets/$pet->{id}", { notes => 'x' }, defined $trace ? traced($trace) : ());
            syswrite $write, $reply->status . ' ' . $reply->header('x-request-id');
            require POSIX;
            POSIX::_exit(0);
        }
        close $write;
        my $name;
        wait_until { $name = $names->() } 30, 'the statement to wait';
        my $slow = $service->api->log_wait(sub ($event) { ($event->{event} // '') eq 'slow_request' && (!defined $trace || ($event->{trace_id} // '') eq $trace) });
        $held->rollback;
        my ($status, $id) = split / /, <$read>;
        waitpid $pid, 0;
        is $status, 200, 'the request is served';
        is $name, 'pets-api/api ' . ($trace // $id), defined $trace ? 'the connection has the name of the trace' : 'or of the request';
        is $slow->{request_id}, $id, 'it was slow, and logged with its trace' if defined $trace;
        is join(' ', sort { $a cmp $b } keys %{ { map { $_ => 1 } $super->selectcol_arrayref(q{select application_name from pg_stat_activity where usename = 'pets_api'})->@* } }), 'pets-api/api', 'afterwards it has its own again';
    }
    like $_, qr/\Apets-api\/auth [\w-]+\z/, 'connections of the auth pool keep the name that says with which key it signs'
        for $super->selectcol_arrayref(q{select distinct application_name from pg_stat_activity where usename = 'pets_auth' and application_name <> 'pets-api/auth'})->@*;
    is $super->selectrow_array(q{select count(*) from pets.pet_history where pet_id = $1}, undef, $pet->{id}), 3, 'both changes were made';
};

done_testing;
