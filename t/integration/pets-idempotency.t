# Idempotency-Key: who repeats a request gets the answer of the first time, whatever became of the pet; the same
# key with anything else is refused; and however often and however parallel it is sent, there is one pet.
use v5.36;
use IO::Select;
use IO::Socket::INET;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Pets::Service;
use Pets::Sql qw(call);
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new(
    config => { api => { pool => { workers => 3, request_timeout_ms => 2000, queue_max_wait_ms => 1800 }, database => { statement_timeout_ms => 1900 } } },
    nginx  => { plain_api => 1 },
)->start;
my $super = $service->database->dbh;
my $ann   = $service->user;
my $ben   = $service->user;
my %pet   = (name => 'Rex', species => 'dog');
my $last  = 0;

sub new_key () { return sprintf '"key %d of %d"', ++$last, $$ }

sub post ($who, $key, $body = \%pet, %option) {
    return $who->post($option{path} // '/v1/pets', $body, headers => { 'idempotency-key' => $key });
}

sub pets_of ($who) { return $super->selectrow_array('select count(*) from pets.pet where owner_id = $1', undef, $who->id) }
sub keys_of ($who) { return $super->selectrow_array('select count(*) from pets.idempotency_key where account_id = $1', undef, $who->id) }

# What makes an answer: status, Location, ETag, body.
sub essence ($reply) { return [$reply->status, $reply->location, $reply->etag, $reply->type, $reply->body] }

subtest 'the same again' => sub {
    my $key   = new_key();
    my $first = post($ann, $key);
    is $first->status, 201, 'created' or return diag $first->summary;
    is_deeply essence(post($ann, $key)), essence($first), 'the same answer';
    is pets_of($ann), 1, 'one pet';
    my $path = $first->location;
    is $ann->patch($path, { name => 'Max' })->status, 200, 'the pet is changed';
    is_deeply essence(post($ann, $key)), essence($first), 'the same answer, as it was then';
    is $ann->delete($path)->status, 204, 'the pet is deleted';
    is_deeply essence(post($ann, $key)), essence($first), 'the same answer, even so';
    is pets_of($ann), 0, 'and no pet';
    my $second = post($ann, new_key());
    is $second->status, 201, 'another key: another pet';
    isnt $second->location, $first->location, 'with another id';
    my $metrics = $service->api->metrics;
    is $metrics->{pets_requests_repeated_total}, 3, 'three repetitions are counted';
    is $super->selectrow_array(q{select count(*) from pets.audit_event where action = 'pet_created' and actor_id = $1}, undef, $ann->id), 2, 'and two creations recorded';
};

subtest 'something else' => sub {
    my $key   = new_key();
    my $first = post($ann, $key);
    for my $case (
        ['another field',   { %pet, name => 'Max' }],
        ['another order',   '{"species":"dog","name":"Rex"}'],
        ['another spacing', '{ "name":"Rex","species":"dog"}'],
    ) {
        my ($what, $body) = @$case;
        my $reply = post($ann, $key, $body);
        is $reply->status, 422, "$what: 422" or diag $reply->summary;
        is $reply->code, 'idempotency_key_reused', "$what: idempotency_key_reused";
    }
    is_deeply essence(post($ann, $key)), essence($first), 'and still the same answer to the same';
    my $theirs = post($ben, $key, { %pet, name => 'Ben\'s' });
    is $theirs->status, 201, 'the same key of somebody else is another key';
    is $theirs->json->{owner_id}, $ben->id, 'and his pet';
    is keys_of($ben), 1, 'of which there is one';
};

subtest 'what failed is not kept' => sub {
    my $key = new_key();
    my $had = keys_of($ann);
    is post($ann, $key, { name => '', species => 'dog' })->status, 422, 'a pet that is not valid';
    my $chip = '900000000000001';
    is $ben->post('/v1/pets', { %pet, microchip => $chip })->status, 201, 'a chip that is Ben\'s';
    is post($ann, $key, { %pet, microchip => $chip })->code, 'microchip_taken', 'a chip that is taken';
    is keys_of($ann), $had, 'no answer is stored';
    is post($ann, $key)->status, 201, 'then the same key is good';
    is keys_of($ann), $had + 1, 'and an answer stored';
    is post($ann, $key, undef)->status, 415, 'a body of no type is refused as ever';
    is post($ann->with_token('none'), $key)->status, 401, 'and so is who is nobody';
};

subtest 'keys' => sub {
    my $long = 'k' x 255;
    for my $case (
        ['"x"',                    201, 'one character'],
        ['  "a b"  ',              201, 'with blanks around'],
        ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', 201, 'a UUID'],
        ['"\\"\\\\"',              201, 'a quote and a backslash, escaped'],
        [qq("$long"),              201, '255 characters'],
        [qq("${long}k"),           400, '256 characters'],
        ['""',                     400, 'none'],
        ['8e03978e-40d5-43dd-bc93-6894a57f9324', 400, 'without quotes'],
        ['"open',                  400, 'not closed'],
        ['open"',                  400, 'not opened'],
        ['"a" "b"',                400, 'two'],
        ['"a", "b"',               400, 'a list'],
        ['"a";b=1',                400, 'a parameter'],
        ['"a\\n"',                 400, 'an escape that is none'],
        ['"a\\',                   400, 'a backslash at the end'],
        ["\"a\tb\"",               400, 'a tab'],
        [':YQ==:',                 400, 'bytes'],
        ['?1',                     400, 'a boolean'],
        ['1',                      400, 'a number'],
    ) {
        my ($key, $status, $what) = @$case;
        my ($count, $reply) = (pets_of($ann), post($ann, $key));
        is $reply->status, $status, "$what: $status" or diag $reply->summary;
        is $reply->code, 'invalid_idempotency_key', "$what: said so" if $status == 400;
        is pets_of($ann) - $count, $status == 201 ? 1 : 0, "$what: " . ($status == 201 ? 'a pet' : 'no pet');
    }
    is $ann->get('/v1/pets', headers => { 'idempotency-key' => 'bad' })->status, 200, 'GET does not look at it';
};

subtest 'a day later' => sub {
    my $key   = new_key();
    my $first = post($ann, $key);
    my $older = sub ($hours) { $super->do(q{update pets.idempotency_key set created_at = now() - make_interval(hours => $1) where location = $2}, undef, $hours, $first->location) };
    $older->(23);
    is_deeply essence(post($ann, $key)), essence($first), 'after 23 hours: the same answer';
    $older->(24);
    my $next = post($ann, $key, { %pet, name => 'Max' });
    is $next->status, 201, 'after 24 hours the key is free' or diag $next->summary;
    is $next->json->{name}, 'Max', 'and makes another pet';
    is_deeply essence(post($ann, $key, { %pet, name => 'Max' })), essence($next), 'whose answer is the one from then on';
    is post($ann, $key)->code, 'idempotency_key_reused', 'and the former request is not known any more';

    my $count = sub { $super->selectrow_array('select count(*) from pets.idempotency_key') };
    my $prune = $service->database->dbh('pets_prune');
    my $all   = $count->();
    is call($prune, 'idempotency_prune', most => 100)->[0]{gone}, 0, 'nothing is removed yet';
    $super->do(q{update pets.idempotency_key set created_at = now() - case when account_id = $1 then interval '24 hours 59 minutes' else interval '25 hours' end}, undef, $ben->id);
    my $kept = keys_of($ben);
    cmp_ok $kept, '>', 0, 'some are kept for another minute';
    is call($prune, 'idempotency_prune', most => 3)->[0]{gone}, 3, 'three are removed';
    is call($prune, 'idempotency_prune', most => 100)->[0]{gone}, $all - $kept - 3, 'then the others';
    is $count->(), $kept, 'and those whose day and hour are not over stay';
};

# Requests as bytes, to nginx's plain port, so that they can be sent at once and be given up.
sub bytes ($key, $body = '{"name":"Crowd","species":"fish"}') {
    my $length = length $body;
    my $token  = $ann->token;
    return "POST /v1/pets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Type: application/json\r\n"
        . "Idempotency-Key: $key\r\nContent-Length: $length\r\nConnection: close\r\n\r\n$body";
}

sub socket_to_nginx () {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $service->nginx->plain_port) // die "connecting: $!";
}

# Everything that comes, until all are closed: [status, headers, body] each.
sub read_all (@sockets) {
    my %got  = map { fileno $_ => '' } @sockets;
    my $wait = IO::Select->new(@sockets);
    my $end  = time + 60;
    while ($wait->count && time < $end) {
        for my $socket ($wait->can_read(1)) {
            $wait->remove($socket) if !sysread $socket, $got{ fileno $socket }, 65_536, length $got{ fileno $socket };
        }
    }
    return map { my ($status, $head, $body) = $got{ fileno $_ } =~ m{\AHTTP/1\.1 (\d+)(.*?)\r\n\r\n(.*)\z}s; [$status, $head, $body] } @sockets;
}

subtest 'one hundred at once' => sub {
    for my $round (1 .. 3) {
        my $key     = new_key();
        my $bytes   = bytes($key);
        my $before  = pets_of($ann);
        my $all     = 100;
        my @sockets = map { socket_to_nginx() } 1 .. $all;
        # All but the last byte; then that one, of all of them.
        syswrite $_, substr $bytes, 0, -1 for @sockets;
        syswrite $_, substr $bytes, -1    for @sockets;
        my @answers = read_all(@sockets);
        my %count;
        $count{ $_->[0] // 'nothing' }++ for @answers;
        is_deeply [grep { !/\A(?:201|409)\z/ } sort keys %count], [], "round $round: each is answered 201 or 409" or diag explain \%count;
        is pets_of($ann) - $before, 1, "round $round: exactly one pet";
        my ($made, @others) = map { $_->[2] } grep { $_->[0] == 201 } @answers;
        is scalar(grep { $_ ne $made } @others), 0, "round $round: " . (1 + @others) . ' answers 201, all alike';
        my @refused = grep { $_->[0] == 409 } @answers;
        is scalar(grep { $_->[2] !~ /"request_in_flight"/ || $_->[1] !~ /^Retry-After: 1\r?$/mi } @refused), 0, "round $round: " . @refused . ' answers 409, with Retry-After';
        is 1 + @others + @refused, $all, "round $round: nobody was forgotten";
        my ($later) = read_all(do { my $socket = socket_to_nginx(); syswrite $socket, $bytes; $socket });
        is_deeply [@$later[0, 2]], [201, $made], "round $round: and afterwards it is the same still";
    }
    my $workers = $service->api->status(full => 1)->{processes};
    cmp_ok scalar(grep { $_->{requests} > 0 && $_->{kind} eq 'pool' } @$workers), '>', 1, 'several workers have served them'
        or diag explain [map { [@$_{qw(kind requests)}] } @$workers];
};

# A chip that another transaction has written: a statement with it waits for that one's end.
my $chip = '900000000000500';
sub with_chip_held ($block) {
    $super->begin_work;
    $super->do(q{insert into pets.pet (id, owner_id, name, species, microchip) values (gen_random_uuid(), $1, 'Holder', 'cat', $2)}, undef, $ben->id, ++$chip);
    eval { $block->($chip); 1 } or diag $@;
    $super->rollback;
    return;
}

sub waiting ($how_many = 1) {
    state $other = $service->database->dbh;
    wait_until { $other->selectrow_array(q{select count(*) from pg_stat_activity where usename = 'pets_api' and wait_event_type = 'Lock'}) >= $how_many } 30, 'the statement to wait';
}

subtest 'in flight' => sub {
    my $key = new_key();
    my ($first, $reply, $other);
    my $before = pets_of($ann);
    with_chip_held(sub ($chip) {
        my $bytes = bytes($key, qq({"name":"Slow","species":"cat","microchip":"$chip"}));
        syswrite $first = socket_to_nginx(), $bytes;
        waiting();
        $other = post($ann, new_key());
        syswrite my $second = socket_to_nginx(), $bytes;
        ($reply) = read_all($second);
    });
    is $reply->[0], 409, 'who comes meanwhile is told so';
    like $reply->[2], qr/"request_in_flight"/, 'by its code';
    is $other->status, 201, 'another key does not wait';
    is((read_all($first))[0][0], 201, 'the first is served in the end');
    is pets_of($ann) - $before, 2, 'two pets';
};

subtest 'an answer that nobody takes' => sub {
    my $key    = new_key();
    my $before = pets_of($ann);
    my $bytes;
    with_chip_held(sub ($chip) {
        $bytes = bytes($key, qq({"name":"Left","species":"cat","microchip":"$chip"}));
        my $first = socket_to_nginx();
        syswrite $first, $bytes;
        waiting();
        close $first;
    });
    wait_until { keys_of($ann) && $super->selectrow_array(q{select count(*) from pets.idempotency_key where body like '%"Left"%'}) } 30, 'the answer to be stored';
    is pets_of($ann) - $before, 1, 'the pet is there';
    syswrite my $again = socket_to_nginx(), $bytes;
    my ($reply) = read_all($again);
    is $reply->[0], 201, 'and who comes again gets it';
    is pets_of($ann) - $before, 1, 'and no second one';
};

subtest 'given up, and undone' => sub {
    # Straight to the pool: one worker's only connection is busy, so the request has waited when its turn comes,
    # and its time is over while its statement runs.
    $service->api->set(pool => { workers => 1 }, database => { connections => 1 });
    $service->api->reload;
    my $key  = new_key();
    my $body = '{"name":"Undone","species":"cat","microchip":"900000000000900"}';
    my $F    = 'Pets::FastCGI';
    my $send = sub ($uri, $method, $content, $type, @more) {
        my $connection = ($service->api->pools)[0]->connect;
        $connection->raw($F->request_bytes(uri => $uri, method => $method, token => $ann->token, body => $content, type => $type, params => {@more}, keep => 1));
        return $connection;
    };
    my $pet   = $service->pet($ann);
    my $first = $service->database->dbh;
    my $done  = $service->database->dbh;
    $first->begin_work;
    $first->do('select from pets.pet where id = $1 for update', undef, $pet->{id});
    $done->begin_work;
    $done->do(q{insert into pets.pet (id, owner_id, name, species, microchip) values (gen_random_uuid(), $1, 'Holder', 'cat', '900000000000900')}, undef, $ben->id);
    my $a = $send->("/v1/pets/$pet->{id}", 'PATCH', '{"name":"A"}', 'application/merge-patch+json');
    waiting();
    my $b = $send->('/v1/pets', 'POST', $body, 'application/json', HTTP_IDEMPOTENCY_KEY => $key);
    wait_until { $service->api->status->{queued} } 30, 'the second to be queued';
    my $then = time;
    Time::HiRes::sleep 1.4;
    $first->rollback;
    is $a->response(1)->{status}, 200, 'the first is served';
    my $reply = $b->response(1);
    is $reply->{status}, 503, 'the second is not in time' or diag $reply->{body};
    like $reply->{body}, qr/"outcome_unknown"/, 'and what became of it is not known';
    my $before = pets_of($ann);
    $done->rollback;
    wait_until { !$super->selectrow_array(q{select count(*) from pg_stat_activity where usename = 'pets_api' and state <> 'idle'}) } 30, 'the statement to end';
    is $super->selectrow_array(q{select count(*) from pets.pet where name = 'Undone'}), 0, 'it was undone';
    is scalar($service->api->log_grep(sub ($event) { ($event->{event} // '') eq 'database_error' })), 0, 'which is no error to be logged';
    my $again = post($ann, $key, $body);
    is $again->status, 201, 'the same key makes the pet' or diag $again->summary;
    is $super->selectrow_array(q{select count(*) from pets.pet where name = 'Undone'}), 1, 'one';
};

done_testing;
