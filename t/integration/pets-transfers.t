# A pet changes its owner by an offer and its acceptance: nobody learns from an offer who exists, each side may do
# what is its own, and whatever comes at once, exactly one of it happens.
use v5.36;
use Pets::Service;
use Pets::Sql qw(call uuid7);
use Test::More;

my $service = Pets::Service->new(config => { api => { pool => { workers => 2 } } })->start;
my $super   = $service->database->dbh;
my ($ann, $ben, $eve) = map { $service->user(display_name => $_) } qw(Ann Ben Eve);
my $none = '019b0000-0000-7000-8000-00000000dead';

sub offer ($who, $pet, %to) { return $who->post("/v1/pets/$pet->{id}/transfers", \%to) }
sub offered ($who, $pet, %to) { my $reply = offer($who, $pet, %to); die $reply->summary if $reply->status != 201; return $reply->json }
sub act ($who, $transfer, $verb, %option) { return $who->post("/v1/transfers/$transfer->{id}/$verb", undef, %option) }
sub list ($who, %query) { return $who->get('/v1/transfers', query => { limit => 100, %query })->json->{items}->@* }
sub state_for ($who, $transfer) { return $who->get("/v1/transfers/$transfer->{id}")->json->{state} }

sub events ($pet) {
    return $super->selectrow_array(q{select string_agg(action || ' ' || (select email from pets.account a where a.id = actor_id), ', ' order by id)
        from pets.audit_event where target_id = $1 and action like 'pet_transfer%'}, undef, $pet->{id}) // '';
}

subtest 'offered and accepted' => sub {
    for my $by (qw(to_email to_id)) {
        my %to    = ($by => $by eq 'to_id' ? $ben->id : $ben->email =~ s/p/P/r);
        my $pet   = $service->pet($ann, name => "By $by", species => 'cat', tags => ['a'], notes => 'n');
        my $reply = offer($ann, $pet, %to);
        is $reply->status, 201, "$by: offered" or return diag $reply->summary;
        my $offer = $reply->json;
        is $reply->location, "/v1/transfers/$offer->{id}", "$by: Location";
        is_deeply $offer, {
            id => $offer->{id}, pet_id => $pet->{id}, pet_name => "By $by", pet_species => 'cat', from_id => $ann->id, from_name => 'Ann',
            to_id => $to{to_id}, to_email => $to{to_email}, state => 'offered', created_at => $offer->{created_at}, expires_at => $offer->{expires_at}, ended_at => undef,
        }, "$by: the offer";
        is_deeply $_->get("/v1/transfers/$offer->{id}")->json, $offer, "$by: both can read it" for $ann, $ben;
        is $_->get("/v1/transfers/$offer->{id}")->status, 404, "$by: nobody else can" for $eve, $service->admin;
        is $ben->get("/v1/pets/$pet->{id}")->status, 404, "$by: the pet is not to be seen yet";
        is_deeply [list($ann, direction => 'outgoing')]->[0], $offer, "$by: she finds it as outgoing";
        is_deeply [list($ben, direction => 'incoming')]->[0], $offer, "$by: he finds it as incoming";
        is_deeply [grep { $_->{id} eq $offer->{id} } list($ann, direction => 'incoming'), list($ben, direction => 'outgoing'), list($eve)], [], "$by: and not the other way round";

        my $taken = act($ben, $offer, 'accept');
        is $taken->status, 200, "$by: accepted" or return diag $taken->summary;
        is_deeply $taken->json, { %$offer, state => 'accepted', to_id => $ben->id, ended_at => $taken->json->{ended_at} }, "$by: the offer says so";
        is_deeply $_->get("/v1/transfers/$offer->{id}")->json, $taken->json, "$by: to both" for $ann, $ben;
        my $now = $ben->get("/v1/pets/$pet->{id}");
        is_deeply $now->json, { %$pet, owner_id => $ben->id, version => 2, updated_at => $now->json->{updated_at} }, "$by: the pet is his";
        is $now->etag, '"2"', "$by: at a new version";
        is $ben->patch("/v1/pets/$pet->{id}", { name => 'x' }, if_match => '"1"')->status, 412, "$by: no ETag of before fits";
        is $ann->get("/v1/pets/$pet->{id}")->status, 404, "$by: and hers no more";
        is $ann->patch("/v1/pets/$pet->{id}", { name => 'x' })->status, 404, "$by: nor to be changed";
        is $ann->delete("/v1/pets/$pet->{id}")->status, 404, "$by: nor deleted";
        is_deeply [map { "$_->{version} $_->{action}" } $ann->get("/v1/pets/$pet->{id}/history")->json->{items}->@*], ['1 create'], "$by: she keeps the history that was hers";
        my @history = $ben->get("/v1/pets/$pet->{id}/history")->json->{items}->@*;
        is_deeply [map { [@$_{qw(version action actor_id old new)}] } @history],
            [[2, 'transfer', $ben->id, map { my %was = (%$pet, owner_id => $_->id); delete @was{qw(id created_at updated_at version)}; \%was } $ann, $ben]], "$by: his begins there";
        is events($pet), "pet_transfer_offered @{[$ann->email]}, pet_transferred @{[$ben->email]}", "$by: both are in the audit record";
        is $ben->delete("/v1/pets/$pet->{id}")->status, 204, "$by: he may delete it";
    }
};

subtest 'nobody learns who exists' => sub {
    my $plain = sub ($reply) { [$reply->status, [sort keys $reply->{headers}->%*], $reply->body =~ s/"(?:id|pet_id|to_id|created_at|expires_at)":"[^"]*"//gr =~ s/"to_email":"[^"]*"//r] };
    my @email = map { offer($ann, $service->pet($ann), to_email => $_) } $ben->email, 'nobody.at.all@example.org';
    is_deeply $plain->($email[1]), $plain->($email[0]), 'an address that nobody has: the same answer';
    my @id = map { offer($ann, $service->pet($ann), to_id => $_) } $ben->id, $none;
    is_deeply $plain->($id[1]), $plain->($id[0]), 'an id that nobody has: the same answer';
    is_deeply [map { $_->status } @email, @id], [(201) x 4], 'which is good';
    for my $pair (\@email, \@id) {
        my @seen = map { $ann->get($_->location)->json } @$pair;
        is_deeply [map { $_->{state} } @seen], ['offered', 'offered'], 'nor is it seen later';
        is $seen[0]{to_id}, $pair == \@email ? undef : $ben->id, 'an address does not become an id';
        is act($ann, $_->json, 'withdraw')->status, 200, 'or when it ends' for @$pair;
    }
    my $late  = 'late.comer@example.org';
    my $offer = offered($ann, $service->pet($ann), to_email => uc $late);
    my $comer = $service->user(email => $late);
    is_deeply [map { $_->{id} } list($comer)], [$offer->{id}], 'who registers later finds what was offered to the address';
    is act($comer, $offer, 'accept')->status, 200, 'and can accept it';
};

subtest 'what is refused' => sub {
    my $pet = $service->pet($ann);
    for my $case (
        ['nothing',          {},                                             ''],
        ['both',             { to_email => $ben->email, to_id => $ben->id }, ''],
        ['no address',       { to_email => 'ben' },                          '/to_email'],
        ['no id',            { to_id => 'ben' },                             '/to_id'],
        ['null',             { to_email => undef },                          '/to_email'],
        ['oneself by id',    { to_id => $ann->id },                          '/to_id'],
        ['oneself',          { to_email => uc $ann->email },                 '/to_email'],
        ['something more',   { to_email => $ben->email, note => 'x' },       '/note'],
    ) {
        my ($what, $to, $pointer) = @$case;
        my $reply = $ann->post("/v1/pets/$pet->{id}/transfers", $to);
        is_deeply [$reply->status, $reply->code, $reply->pointers], [422, 'validation_failed', $pointer], "to $what: 422" or diag $reply->summary;
    }
    is offer($ben, $pet, to_email => $eve->email)->status, 404, 'who does not own the pet';
    is offer($service->admin, $pet, to_email => $eve->email)->status, 404, 'an administrator neither';
    is offer($ann, { id => $none }, to_email => $eve->email)->status, 404, 'what is not there';
    is events($pet), '', 'nothing of it was done';
    my $offer = offered($ann, $pet, to_email => $ben->email);
    is offer($ann, $pet, to_email => $eve->email)->code, 'transfer_open', 'a second offer of the same pet';
    is_deeply [map { act($_->[0], $offer, $_->[1])->status } [$ann, 'accept'], [$ann, 'decline'], [$ben, 'withdraw'], [$eve, 'accept'], [$eve, 'decline'], [$eve, 'withdraw']], [(404) x 6], 'neither side can do what is the other\'s, and strangers nothing';
    is $ann->get("/v1/pets/$pet->{id}")->etag, '"1"', 'the pet is as it was';
    is $ann->get('/v1/transfers', query => { direction => 'up' })->code, 'invalid_parameter', 'a direction that is none';
    my ($read, $write) = map { $ann->with_token($ann->post('/v1/me/api-keys', { name => 'k', scopes => [$_] })->json->{key}) } 'pets:read', 'pets:write';
    is $read->get("/v1/transfers/$offer->{id}")->status, 200, 'an API key can read';
    is act($write, $offer, 'withdraw')->code, 'insufficient_scope', 'and not withdraw';
    is offer($write, $service->pet($ann), to_email => $ben->email)->code, 'insufficient_scope', 'nor offer';
};

subtest 'how else it ends' => sub {
    for my $case (['declined', $ben, 'decline'], ['withdrawn', $ann, 'withdraw']) {
        my ($state, $who, $verb) = @$case;
        my $pet   = $service->pet($ann);
        my $offer = offered($ann, $pet, to_email => $ben->email);
        my $reply = act($who, $offer, $verb);
        is_deeply [$reply->status, $reply->json->{state}], [200, $state], "$state" or diag $reply->summary;
        is state_for($_, $offer), $state, "$state: for both" for $ann, $ben;
        is_deeply [map { act(@$_)->code } [$ben, $offer, 'accept'], [$ben, $offer, 'decline'], [$ann, $offer, 'withdraw']], [('transfer_ended') x 3], "$state: and that was the end";
        is $ann->get("/v1/pets/$pet->{id}")->etag, '"1"', "$state: the pet is as it was";
        is events($pet), "pet_transfer_offered @{[$ann->email]}, pet_transfer_$state @{[$who->email]}", "$state: in the audit record";
        is offer($ann, $pet, to_email => $eve->email)->status, 201, "$state: the pet can be offered again";
    }
    my $pet   = $service->pet($ann);
    my $offer = offered($ann, $pet, to_email => $ben->email);
    $super->do(q{update pets.transfer set created_at = created_at - interval '7 days', expires_at = expires_at - interval '7 days' where id = $1}, undef, $offer->{id});
    is state_for($_, $offer), 'expired', 'after seven days its time is over' for $ann, $ben;
    is_deeply [map { $_->{state} } grep { $_->{id} eq $offer->{id} } list($ben)], ['expired'], 'in the list, too';
    is_deeply [map { act(@$_)->code } [$ben, $offer, 'accept'], [$ben, $offer, 'decline'], [$ann, $offer, 'withdraw']], [('transfer_ended') x 3], 'and nothing more comes of it';
    my $next = offered($ann, $pet, to_email => $eve->email);
    is_deeply [map { state_for($ann, $_) } $offer, $next], ['expired', 'offered'], 'the pet can be offered again';

    is $ann->delete("/v1/pets/$pet->{id}")->status, 204, 'the pet is deleted';
    is state_for($eve, $next), 'withdrawn', 'which withdraws its offer';
    is act($eve, $next, 'accept')->code, 'transfer_ended', 'so it is not accepted';
    is $ann->post("/v1/pets/$pet->{id}/restore")->status, 200, 'the pet comes back';
    is act($eve, $next, 'accept')->code, 'transfer_ended', 'and the offer does not';
    my $admins = offered($ann, $pet, to_email => $eve->email);
    is $service->admin->delete("/v1/pets/$pet->{id}")->status, 204, 'an administrator deletes it';
    is state_for($eve, $admins), 'withdrawn', 'which withdraws the offer, too';
};

subtest 'pages' => sub {
    my ($giver, $taker) = ($service->user, $service->user);
    my @all = map { offered($giver, $service->pet($giver), $_ % 2 ? (to_email => $taker->email) : (to_id => $taker->id)) } 1 .. 7;
    my @back = map { offered($taker, $service->pet($taker), to_email => $giver->email) } 1 .. 2;
    for my $case ([$taker, 'incoming', \@all], [$giver, 'outgoing', \@all], [$giver, 'incoming', \@back], [$taker, undef, [@all, @back]]) {
        my ($who, $direction, $want) = @$case;
        my (@got, $next);
        do {
            my $page = $who->get('/v1/transfers', query => { limit => 2, defined $direction ? (direction => $direction) : (), defined $next ? (cursor => $next) : () })->json;
            push @got, $page->{items}->@*;
            $next = $page->{page}{next};
        } while (defined $next);
        is_deeply \@got, [reverse sort { $a->{id} cmp $b->{id} } @$want], ($direction // 'both ways') . ': page by page, newest first, each once';
    }
};

# What all of them are told, as "status status ...", sorted; each in a process and on a connection of its own.
sub at_once (@requests) {
    pipe my $read, my $write or die "pipe: $!";
    pipe my $wait, my $go    or die "pipe: $!";
    my @pids = map {
        my $request = $_;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $mine = $request->[0]->with_token($request->[0]->token);
            $mine->get('/v1/transfers', query => { limit => 1 });
            close $go;
            sysread $wait, my $byte, 1;    # until the parent closes
            my $reply = $mine->request($request->[1], $request->[2]);
            syswrite $write, "$request->[2]=" . $reply->status . "\n";
            require POSIX;
            POSIX::_exit(0);
        }
        $pid;
    } @requests;
    close $write;
    close $go;
    my @lines = <$read>;
    waitpid $_, 0 for @pids;
    return join ' ', sort map { /=(\d+)/ } @lines;
}

subtest 'at once' => sub {
    my $pet   = $service->pet($ann);
    my $offer = offered($ann, $pet, to_email => $ben->email);
    is at_once(map { [$ben, 'POST', "/v1/transfers/$offer->{id}/accept"] } 1 .. 8), join(' ', 200, (409) x 7), 'of eight acceptances exactly one';
    is $ben->get("/v1/pets/$pet->{id}")->etag, '"2"', 'and one new version';

    for my $round (1 .. 5) {
        $pet   = $service->pet($ann);
        $offer = offered($ann, $pet, to_email => $ben->email);
        my $path = "/v1/transfers/$offer->{id}";
        is at_once([$ben, 'POST', "$path/accept"], [$ann, 'POST', "$path/withdraw"], [$ben, 'POST', "$path/decline"]), '200 409 409', "round $round: accepted, withdrawn or declined, one of them";
        my $state = state_for($ann, $offer);
        is $ann->get("/v1/pets/$pet->{id}")->status, $state eq 'accepted' ? 404 : 200, "round $round: $state, and the pet is whose it should be";
        is $super->selectrow_array('select count(*) from pets.pet_history where pet_id = $1', undef, $pet->{id}), $state eq 'accepted' ? 2 : 1, "round $round: so is its history";

        $pet   = $service->pet($ann);
        $offer = offered($ann, $pet, to_email => $ben->email);
        my $both = at_once([$ben, 'POST', "/v1/transfers/$offer->{id}/accept"], [$ann, 'DELETE', "/v1/pets/$pet->{id}"]);
        like $both, qr/\A(?:200 404|204 409)\z/, "round $round: accepted or deleted, one of them ($both)";
        is $ben->get("/v1/pets/$pet->{id}")->status, $both eq '200 404' ? 200 : 404, "round $round: and so it is";
    }
};

subtest 'repeated' => sub {
    my $pet   = $service->pet($ann);
    my @offer = map { $ann->post("/v1/pets/$pet->{id}/transfers", { to_email => $ben->email }, headers => { 'idempotency-key' => '"o"' }) } 1, 2;
    is_deeply [map { $_->status } @offer], [201, 201], 'an offer that is repeated with its key';
    is $offer[1]->body, $offer[0]->body, 'is the same';
    my @taken = map { act($ben, $offer[0]->json, 'accept', headers => { 'idempotency-key' => '"a"' }) } 1, 2;
    is_deeply [map { $_->status } @taken], [200, 200], 'so is an acceptance';
    is $taken[1]->body, $taken[0]->body, 'to the byte';
};

subtest 'not too many' => sub {
    my $giver = $service->user;
    my @pets  = map { $giver->post('/v1/pets:batch', [map { +{ name => 'P', species => 'dog' } } 1 .. $_])->json->{items}->@* } 100, 1;
    my $last  = pop @pets;
    is scalar(grep { offer($giver, $_, to_email => $ben->email)->status == 201 } @pets), 100, 'one hundred open offers';
    is offer($giver, $last, to_email => $ben->email)->code, 'too_many_transfers', 'and not one more';
    my ($offer) = list($giver);
    is act($giver, $offer, 'withdraw')->status, 200, 'unless one ends';
    is offer($giver, $last, to_email => $ben->email)->status, 201, 'then there is room';
};

subtest 'removed in the end' => sub {
    my $prune = $service->database->dbh('pets_prune');
    my $count = sub { $super->selectrow_array('select count(*) from pets.transfer') };
    my $all   = $count->();
    is call($prune, 'transfer_prune', most => 1000)->[0]{gone}, 0, 'nothing is old enough';
    $super->do(q{update pets.transfer set created_at = created_at - interval '60 days', expires_at = now() - interval '30 days' where from_id = $1}, undef, $ann->id);
    my $old = $super->selectrow_array('select count(*) from pets.transfer where from_id = $1', undef, $ann->id);
    is call($prune, 'transfer_prune', most => 2)->[0]{gone}, 2, 'two go';
    is call($prune, 'transfer_prune', most => 1000)->[0]{gone}, $old - 2, 'then the others';
    is $count->(), $all - $old, 'those that are not old stay';
};

done_testing;
