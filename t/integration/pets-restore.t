# A deleted pet is there for nobody, and comes back as it was within its time; then it goes for good.
use v5.36;
use Pets::Service;
use Pets::Sql qw(call);
use Test::More;

my $service = Pets::Service->new->start;
my $super   = $service->database->dbh;
my $prune   = $service->database->dbh('pets_prune');
my $ann     = $service->user;
my $ben     = $service->user;
my $number  = 0;

sub chip () { return sprintf '9%014d', ++$number }
sub restore ($who, $id, %option) { return $who->post("/v1/pets/$id/restore", undef, %option) }

# A pet that Ann has made, changed, and deleted; and as it was last.
sub deleted (%field) {
    my $pet = $service->pet($ann, %field);
    my $was = $ann->patch("/v1/pets/$pet->{id}", { notes => 'last words' })->json;
    is $ann->delete("/v1/pets/$pet->{id}")->status, 204, 'deleted';
    return $was;
}

subtest 'gone, and back' => sub {
    my $was  = deleted(name => 'Rex', microchip => chip(), tags => ['a', 'b'], born_on => '2020-02-29', weight_grams => 7);
    my $path = "/v1/pets/$was->{id}";
    for my $who ($ann, $ben) {
        is $who->get($path)->status, 404, 'GET: 404';
        is $who->head($path)->status, 404, 'HEAD: 404';
        is $who->put($path, { name => 'x', species => 'dog' })->status, 404, 'PUT: 404';
        is $who->patch($path, { name => 'x' })->status, 404, 'PATCH: 404';
        is $who->delete($path)->status, 404, 'DELETE: 404';
        is scalar(grep { $_->{id} eq $was->{id} } $who->get('/v1/pets', query => { limit => 100 })->json->{items}->@*), 0, 'and in no list';
    }
    my $reply = restore($ann, $was->{id});
    is $reply->status, 200, 'restored' or return diag $reply->summary;
    my $back = $reply->json;
    is_deeply $back, { %$was, version => 4, updated_at => $back->{updated_at} }, 'it is what it was';
    is $reply->etag, '"4"', 'at a version that it never had';
    is_deeply $ann->get($path)->json, $back, 'it can be read again';
    is scalar(grep { $_->{id} eq $was->{id} } $ann->get('/v1/pets', query => { limit => 100 })->json->{items}->@*), 1, 'and listed';
    for my $tag (1 .. 3) {
        is $ann->patch($path, { name => 'x' }, if_match => qq("$tag"))->status, 412, "no ETag of before fits: $tag";
        is $ann->get($path, if_none_match => qq("$tag"))->status, 200, "nor is it unchanged since $tag";
    }
    is $ann->patch($path, { name => 'Max' }, if_match => '"4"')->status, 200, 'its new one does';
    is_deeply [map { "$_->{version} $_->{action}" } $ann->get("$path/history")->json->{items}->@*],
        ['5 update', '4 restore', '3 delete', '2 update', '1 create'], 'its history has no gap';
    is restore($ann, $was->{id})->status, 404, 'what is there is not restored';
};

subtest 'who' => sub {
    my $was   = deleted();
    my $admin = $service->admin;
    my $none  = '019b0000-0000-7000-8000-00000000dead';
    my ($foreign, $missing) = map { restore($ben, $_) } $was->{id}, $none;
    is $foreign->status, 404, 'nobody else';
    is $foreign->body =~ s/$was->{id}|"trace_id":"[^"]*"//gr, $missing->body =~ s/$none|"trace_id":"[^"]*"//gr, 'who is told what he would be of none';
    is restore($service->client, $was->{id})->status, 401, 'nor without a token';
    my ($read, $write) = map { $ann->with_token($ann->post('/v1/me/api-keys', { name => 'k', scopes => [$_] })->json->{key}) } 'pets:read', 'pets:write';
    is restore($read, $was->{id})->code, 'insufficient_scope', 'nor with a key that may only read';
    is restore($write, $was->{id})->status, 200, 'with one that may write';
    $ann->delete("/v1/pets/$was->{id}");
    my $reply = restore($admin, $was->{id});
    is_deeply [$reply->status, $reply->json->{owner_id}], [200, $ann->id], 'an administrator, for its owner';
    my ($events) = $super->selectrow_array(q{select string_agg(action || ' ' || (actor_id = $2), ', ' order by id) from pets.audit_event where target_id = $1 and action in ('pet_deleted', 'pet_restored')}, undef, $was->{id}, $admin->id);
    is $events, 'pet_deleted false, pet_restored false, pet_deleted false, pet_restored true', 'all of it is in the audit record';
};

subtest 'its microchip' => sub {
    my $chip  = chip();
    my $was   = deleted(microchip => $chip);
    my $other = $service->pet($ben, microchip => $chip);
    is $other->{microchip}, $chip, 'is free for another';
    my $reply = restore($ann, $was->{id});
    is_deeply [$reply->status, $reply->code], [409, 'microchip_taken'], 'then it cannot come back' or diag $reply->summary;
    is $ben->patch("/v1/pets/$other->{id}", { microchip => undef })->status, 200, 'until it is free again';
    is restore($ann, $was->{id})->status, 200, 'and comes back with it';
};

subtest 'repeated' => sub {
    my $was = deleted();
    my @reply = map { restore($ann, $was->{id}, headers => { 'idempotency-key' => '"back"' }) } 1, 2;
    is_deeply [map { $_->status } @reply], [200, 200], 'the same key, the same answer';
    is $reply[1]->body, $reply[0]->body, 'to the byte';
    is $reply[1]->etag, $reply[0]->etag, 'and its ETag';
    is restore($ann, deleted()->{id}, headers => { 'idempotency-key' => '"back"' })->code, 'idempotency_key_reused', 'which is none to another pet';
};

subtest 'many at once' => sub {
    my $was = deleted();
    pipe my $read, my $write or die "pipe: $!";
    my @pids;
    for (1 .. 8) {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $reply = restore($ann->with_token($ann->token), $was->{id});
            syswrite $write, $reply->status . "\n";
            require POSIX;
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    close $write;
    my %count;
    $count{ 0 + $_ }++ for <$read>;
    waitpid $_, 0 for @pids;
    is_deeply \%count, { 200 => 1, 404 => 7 }, 'exactly one brings it back';
    is $ann->get("/v1/pets/$was->{id}")->etag, '"4"', 'once';
};

subtest 'for good' => sub {
    my ($kept, $over) = (deleted(), deleted());
    my $days = sub ($days) { $super->do(q{update pets.deleted_pet set gone_at = gone_at - make_interval(days => $1), deleted_at = deleted_at - make_interval(days => $1) where id = $2}, undef, $days, $over->{id}) };
    $days->(29);
    is call($prune, 'pet_prune', most => 100)->[0]{gone}, 0, 'after 29 days nothing goes';
    $days->(1);
    is restore($ann, $over->{id})->status, 404, 'after 30 days it is too late';
    is $ann->get("/v1/pets/$over->{id}/history")->status, 200, 'its history can still be read';
    is call($prune, 'pet_prune', most => 100)->[0]{gone}, 1, 'and it goes for good';
    is $ann->get("/v1/pets/$over->{id}/history")->status, 404, 'with its history';
    is $super->selectrow_array('select count(*) from pets.pet_history where pet_id = $1', undef, $over->{id}), 0, 'of which nothing is left';
    is restore($ann, $over->{id})->status, 404, 'it is not there any more';
    is restore($ann, $kept->{id})->status, 200, 'the other one is';

    my $pet = $service->pet($ann);
    $service->api->set(pets => { restore_days => 0 });
    $service->api->reload(gone => 1);
    is $ann->delete("/v1/pets/$pet->{id}")->status, 204, 'with no days to restore it';
    is restore($ann, $pet->{id})->status, 404, 'it is too late at once';
    is call($prune, 'pet_prune', most => 100)->[0]{gone}, 1, 'and the next job removes it';
};

done_testing;
