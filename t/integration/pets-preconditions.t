# Entity tags: unchanged reads cost no body, and of two writers who have seen the same version exactly one wins,
# also when both write at once.
use v5.36;
use JSON::PP ();
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $ann     = $service->user;
my $pet     = $service->pet($ann, name => 'Rex');
my $path    = "/v1/pets/$pet->{id}";
$ann->patch($path, { weight_grams => 2 });    # now at version 2

subtest 'If-None-Match' => sub {
    for my $case (
        ['"2"',            304],
        ['W/"2"',          304],
        ['"1", "2"',       304],
        ['"1","2" , "x"',  304],
        ['*',              304],
        ['"1"',            200],
        ['"02"',           200],
        ['"22"',           200],
        ['2',              200],
        ['"x"',            200],
    ) {
        my ($tag, $status) = @$case;
        my $reply = $ann->get($path, if_none_match => $tag);
        is $reply->status, $status, "$tag: $status" or diag $reply->summary;
        is $reply->etag, '"2"', "$tag: ETag";
        is length $reply->body, 0, "$tag: no body" if $status == 304;
        is $ann->head($path, if_none_match => $tag)->status, $status, "$tag: HEAD: $status";
    }
};

subtest 'If-Match refuses' => sub {
    for my $tag ('"1"', '"3"', 'W/"2"', '"x"', '"02"', '"1", "3"', '"99999999999999999999"', '2') {
        for my $write (
            ['PUT',    sub { $ann->put($path, { name => 'x', species => 'dog' }, if_match => $tag) }],
            ['PATCH',  sub { $ann->patch($path, { name => 'x' }, if_match => $tag) }],
            ['DELETE', sub { $ann->delete($path, if_match => $tag) }],
        ) {
            my ($method, $do) = @$write;
            my $reply = $do->();
            is $reply->status, 412, "$method, $tag: 412" or diag $reply->summary;
            is $reply->code, 'precondition_failed', "$method, $tag: precondition_failed";
        }
    }
    is $ann->get($path)->etag, '"2"', 'nothing has changed';
    my $reply = $ann->patch($path, { name => '' }, if_match => '"1"');
    ok $reply->status == 412 || $reply->status == 422, 'what is wrong in two ways is refused for one of them';
};

subtest 'If-Match admits' => sub {
    my $version = 2;
    for my $tags (sub ($v) { qq("$v") }, sub ($v) { qq("1", "$v") }, sub ($v) { '*' }) {
        for my $write (
            ['PATCH', sub ($tag) { $ann->patch($path, { weight_grams => 10 + $version }, if_match => $tag) }],
            ['PUT',   sub ($tag) { $ann->put($path, { name => 'Rex', species => 'dog' }, if_match => $tag) }],
        ) {
            my ($method, $do) = @$write;
            my $tag   = $tags->($version);
            my $reply = $do->($tag);
            is $reply->status, 200, "$method, $tag" or diag $reply->summary;
            $version++;
            is $reply->etag, qq("$version"), 'the new tag';
        }
    }
    is $ann->delete($path, if_match => qq("$version"))->status, 204, 'DELETE';
};

subtest 'of what is not there or not hers' => sub {
    my $foreign = $service->pet($service->user);
    for my $id ($pet->{id}, '00000000-0000-7000-8000-000000000000', $foreign->{id}) {
        for my $tag ('"1"', '*') {
            is $ann->patch("/v1/pets/$id", { name => 'x' }, if_match => $tag)->status, 404, "PATCH, $tag: 404";
            is $ann->delete("/v1/pets/$id", if_match => $tag)->status, 404, "DELETE, $tag: 404";
        }
        is $ann->get("/v1/pets/$id", if_none_match => '*')->status, 404, 'GET: 404';
    }
};

subtest 'many writers at once' => sub {
    my $contested = $service->pet($ann, name => 'start');
    my $target    = "/v1/pets/$contested->{id}";
    my ($writers, $rounds) = (4, 10);
    pipe my $read, my $write or die "pipe: $!";
    my @children;
    for my $writer (1 .. $writers) {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $mine = $ann->with_token($ann->token);    # a connection of its own
            my @won;
            for my $round (1 .. $rounds) {
                my $tag   = qq("$round");
                my $reply = $mine->patch($target, { name => "$writer.$round" }, if_match => $tag);
                push @won, $reply->status;
                # Until this round is over, whoever won it.
                for (1 .. 10_000) {
                    last if $mine->get($target)->etag ne $tag;
                    select undef, undef, undef, 0.005;
                }
            }
            syswrite $write, "$writer @won\n";
            require POSIX;
            POSIX::_exit(0);
        }
        push @children, $pid;
    }
    close $write;
    my %statuses = map { my ($writer, @all) = split ' '; $writer => \@all } <$read>;
    waitpid $_, 0 for @children;
    is scalar keys %statuses, $writers, 'all have written';
    for my $round (1 .. $rounds) {
        is join(' ', sort map { $_->[$round - 1] } values %statuses), join(' ', 200, (412) x ($writers - 1)), "round $round: exactly one wins";
    }
    is $ann->get($target)->etag, '"' . ($rounds + 1) . '"', 'as many versions as rounds';
    my @history = $ann->get("$target/history", query => { limit => 100 })->json->{items}->@*;
    is scalar @history, $rounds + 1, 'and as many lines of history';
};

done_testing;
