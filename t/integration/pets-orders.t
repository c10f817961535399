# Orders, filters, fields and counts of the list of pets: every order is walked page by page with every filter, and
# gives what a sort of all pets gives, each exactly once; also while pets come and go; and what is wrong with a
# parameter is said with its name. There are more pets than a walk looks at (4,000), so that what is rare is
# looked up, and a piece of a name that cannot be looked up makes pages that are short.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use Encode qw(encode);
use JSON::PP ();
use Pets::Env qw(src slurp);
use Pets::Service;
use Test::More;

my $data    = JSON::PP->new->utf8->decode(slurp(src() . '/t/data/pets-list.json'));
my $service = Pets::Service->new->start;
my ($ann, $bob, $admin) = ($service->user, $service->user, $service->admin);
my $super  = $service->database->dbh(undef, pg_enable_utf8 => 1);
my @orders = (undef, qw(name -name born_on -born_on created_at -created_at));
my @fields = qw(id owner_id name species breed sex born_on weight_grams microchip notes tags created_at updated_at version);

# So many pets of somebody's, with many ties, and some things rare.
sub add_pets ($who, $number) {
    $super->do(q{
        insert into pets.pet (id, owner_id, name, species, sex, born_on, tags, created_at)
        select gen_random_uuid(), $1::uuid,
               (array['Rex', 'REX', 'rex', 'Luna', 'Zoe', 'zoë', 'ZOË', 'Ärger', 'ärger', 'Äh', '日本', '100% wolf', '1000', 'a_b', 'axb', 'a\b', 'O''Hara', 'ß'])[1 + floor(18 * random())]
                 || case when random() < 0.8 then ' ' || floor(12 * random()) else '' end,
               case when random() < 0.002 then 'horse' else (array['dog', 'cat', 'fish'])[1 + floor(3 * random())] end,
               (array['female', 'male', 'unknown'])[1 + floor(3 * random())],
               case when random() < 0.75 then date '2000-01-01' + floor(300 * random())::int end,
               case when random() < 0.004 then '{rare}' when random() < 0.5 then '{common,house}' else '{}' end::pets.tag[],
               timestamptz '2025-01-01 00:00:00Z' + floor(1000 * random()) * interval '1 ms'
        from generate_series(1, $2)}, undef, $who->id, $number);
    return;
}
$super->do('select setseed(0.5)');
add_pets($ann, 5000);
add_pets($bob, 300);

# All pets as they are, for a sort of our own. Text is compared by its code points, without regard to case.
sub all_pets () {
    my $pets = $super->selectall_arrayref(q{select id::text, owner_id::text, name, species, sex, born_on::text, tags::text[], lower(name) as low, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US') as time from pets.pet}, { Slice => {} });
    $_->{low} = encode('UTF-8', $_->{low}) for @$pets;
    return $pets;
}

my %key = (name => 'low', born_on => 'born_on', created_at => 'time');

sub sorted ($order, @pets) {
    return map { $_->{id} } sort { $b->{id} cmp $a->{id} } @pets if !defined $order;
    my ($minus, $name) = $order =~ /^(-?)(\w+)$/;
    my $key  = $key{$name};
    my $sign = $minus ? -1 : 1;
    return map { $_->{id} } sort {
        !defined $a->{$key} <=> !defined $b->{$key} || $sign * (($a->{$key} // '') cmp ($b->{$key} // '') || $a->{id} cmp $b->{id})
    } @pets;
}

sub wanted ($filter, $pet) {
    my %f = %$filter;
    return 0 if defined $f{species} && $pet->{species} ne $f{species};
    return 0 if defined $f{sex} && $pet->{sex} ne $f{sex};
    return 0 if defined $f{tag} && !grep { $_ eq $f{tag} } $pet->{tags}->@*;
    return 0 if defined $f{born_after} && !(defined $pet->{born_on} && $pet->{born_on} gt $f{born_after});
    return 0 if defined $f{born_before} && !(defined $pet->{born_on} && $pet->{born_on} lt $f{born_before});
    return 0 if defined $f{q} && index(lc $pet->{name}, lc $f{q}) < 0;
    return 1;
}

# All pages: the ids in order, and how many pages there were. Between pages, something may be done. Of the pets,
# nothing but the id is asked for.
sub walk ($who, $query, $between = sub { }) {
    my (@ids, $cursor);
    my $pages = 0;
    while (1) {
        my $reply = $who->get('/v1/pets', query => { fields => 'id', %$query, defined $cursor ? (cursor => $cursor) : () });
        if ($reply->status != 200) { fail 'a page: ' . $reply->summary; last }
        my $list = $reply->json;
        $list->{items}->@* <= $query->{limit} or fail 'a page is longer than it may be';
        push @ids, map { $_->{id} } $list->{items}->@*;
        $pages++;
        $cursor = $list->{page}{next} // last;
        if ($pages > 2000) { fail 'it does not end'; last }
        $between->($list);
    }
    return (\@ids, $pages);
}

sub text_of ($query) { return join('&', map { "$_=$query->{$_}" } sort keys %$query) || 'all' }

my $pets = all_pets();
my @anns = grep { $_->{owner_id} eq $ann->id } @$pets;
my @bobs = grep { $_->{owner_id} eq $bob->id } @$pets;
is scalar @anns, 5000, 'there are pets';

for my $order (@orders) {
    subtest 'every pet exactly once: ' . ($order // 'newest first') => sub {
        my @sort = defined $order ? (sort => $order) : ();
        for my $filter ($data->{filters}->@*) {
            my $what = text_of($filter);
            my @want = sorted($order, grep { wanted($filter, $_) } @anns);
            my ($ids, $pages) = walk($ann, { %$filter, @sort, limit => 100 });
            is_deeply $ids, \@want, "$what: " . @want . ' of one\'s own';
            cmp_ok $pages, '<=', @want / 100 + 3, "$what: $pages pages" if ($filter->{q} // 'long') =~ /\w{3}/;
            @want = sorted($order, grep { wanted($filter, $_) } @$pets);
            ($ids) = walk($admin, { %$filter, @sort, limit => 100 });
            is_deeply $ids, \@want, "$what: " . @want . ' of everybody\'s';
        }
        my ($ids, $pages) = walk($bob, { @sort, limit => 7 });
        is_deeply $ids, [sorted($order, @bobs)], 'pages of 7';
        is $pages, 43, 'as many as it takes';
        ($ids) = walk($admin, { @sort, limit => 100, owner_id => $bob->id, sex => 'male' });
        is_deeply $ids, [sorted($order, grep { $_->{sex} eq 'male' } @bobs)], 'somebody\'s, for an administrator';
    };
}

subtest 'while pets come and go' => sub {
    for my $order (@orders) {
        my $who  = $service->user;
        add_pets($who, 120);
        my @own  = grep { $_->{owner_id} eq $who->id } all_pets()->@*;
        my %gone;
        my @coming = ('Aaa', 'Zzz', 'Rex 3', 'zoë', 'ß 9', 'Luna');
        my $step = 0;
        my ($ids) = walk(
            $who,
            { limit => 10, defined $order ? (sort => $order) : () },
            sub ($list) {
                $service->pet($who, name => $coming[$step % 6], $step % 2 ? (born_on => sprintf('2000-%02d-11', 1 + $step % 10)) : ());
                # The one that the cursor is at, and one that may be still to come.
                for my $id ($list->{items}[-1]{id}, $own[$step * 7]{id}) {
                    next if $gone{$id}++;
                    is $who->delete("/v1/pets/$id")->status, 204, 'one goes' or last;
                }
                $step++;
            }
        );
        my %seen;
        $seen{$_}++ for @$ids;
        my $name = $order // 'newest first';
        is join(' ', grep { $seen{$_} > 1 } keys %seen), '', "$name: none twice";
        is join(' ', grep { !$seen{$_} && !$gone{$_} } map { $_->{id} } @own), '', "$name: none of those that stay is missing";
        cmp_ok $step, '>=', 10, "$name: on the way";
    }
};

subtest 'unknown birthdays' => sub {
    my $who = $service->user;
    my %id  = map { my $born = $_->[1]; $_->[0] => $service->pet($who, name => $_->[0], $born ? (born_on => $born) : ())->{id} } ['a', '2001-01-01'], ['b', undef], ['c', '1999-01-01'], ['d', undef], ['e', '2001-01-01'];
    my %name = reverse %id;
    for my $limit (1 .. 6) {
        my $order = sub ($sort) { join '', map { $name{$_} } (walk($who, { sort => $sort, limit => $limit }))[0]->@* };
        is $order->('born_on'),  'caebd', "limit $limit: come last, by id";
        is $order->('-born_on'), 'eacdb', "limit $limit: in the other direction, too";
    }
};

subtest 'a microchip' => sub {
    my $chip = '276098106234567';
    my $pet  = $service->pet($bob, name => 'Chip', microchip => $chip, tags => ['chipped']);
    my $ids  = sub ($who, %query) { [map { $_->{id} } $who->get('/v1/pets', query => { microchip => $chip, %query })->json->{items}->@*] };
    is_deeply $ids->($bob), [$pet->{id}], 'is found';
    is_deeply $ids->($bob, sort => '-name', tag => 'chipped', q => 'CHI'), [$pet->{id}], 'with other parameters';
    is_deeply $ids->($bob, tag => 'other'), [], 'which must hold, too';
    is_deeply $ids->($ann), [], 'by its owner';
    is_deeply $ids->($admin), [$pet->{id}], 'or an administrator';
    is_deeply $ids->($admin, owner_id => $ann->id), [], 'who may ask for an owner\'s';
    is_deeply $ids->($bob, microchip => '276098106234568'), [], 'another is not there';
    is_deeply $bob->get('/v1/pets', query => { microchip => $chip, count => 'estimated' })->json->{page}, { limit => 20, next => undef, estimated_count => 1 }, 'counted';
    is $bob->delete("/v1/pets/$pet->{id}")->status, 204, 'gone';
};

subtest 'fields' => sub {
    my $whole = $ann->get('/v1/pets', query => { limit => 3, sort => 'name' })->json->{items};
    for my $field (@fields) {
        my $reply = $ann->get('/v1/pets', query => { limit => 3, sort => 'name', fields => $field });
        is_deeply $reply->json->{items}, [map { { $field => $_->{$field} } } @$whole], "$field alone";
    }
    my $reply = $ann->get('/v1/pets', query => { limit => 3, sort => 'name', fields => 'tags,name,id' });
    is_deeply $reply->json->{items}, [map { my %one; @one{qw(tags name id)} = @$_{qw(tags name id)}; \%one } @$whole], 'some';
    like $reply->body, qr/\{"id":"[^"]+","name":"[^"]+","tags":\[[^\]]*\]\}/, 'in the order of the whole';
    like $reply->header('link'), qr/[?&]fields=tags%2Cname%2Cid(?:&|>)/, 'the next page has the same';
    $reply = $ann->get('/v1/pets', query => { limit => 3, sort => 'name', fields => join ',', @fields });
    is_deeply $reply->json->{items}, $whole, 'all of them';
    my $first  = $ann->get('/v1/pets', query => { limit => 3, fields => 'name' })->json;
    my $second = $ann->get('/v1/pets', query => { limit => 5, cursor => $first->{page}{next} });
    is_deeply [map { $_->{id} } $second->json->{items}->@*], [(sorted(undef, @anns))[3 .. 7]], 'a cursor is good with other fields and another limit';
};

subtest 'counts' => sub {
    my $page = sub ($who, %query) { $who->get('/v1/pets', query => { count => 'estimated', limit => 1, %query })->json->{page} };
    ok !exists $ann->get('/v1/pets')->json->{page}{estimated_count}, 'none unless asked for';
    for my $filter ({}, { species => 'dog' }, { tag => 'rare' }, { q => 'zoe' }, { q => 'nobody' }) {
        is $page->($ann, %$filter)->{estimated_count}, scalar(grep { wanted($filter, $_) } @anns), 'exact when there are few: ' . text_of($filter);
    }
    is $page->($bob)->{estimated_count}, 300, 'one\'s own are counted';
    is $page->($admin, owner_id => $bob->id)->{estimated_count}, 300, 'or somebody\'s, for an administrator';
    is $page->($service->user)->{estimated_count}, 0, 'or nothing';
    my $next = $page->($ann, sort => 'name', limit => 10)->{next};
    is $page->($ann, sort => 'name', limit => 10, cursor => $next)->{estimated_count}, 5000, 'on every page, of all pages';
    my $reply = $ann->get('/v1/pets', query => { count => 'estimated', limit => 1 });
    like $reply->header('link'), qr/[?&]count=estimated(?:&|>)/, 'the next page is asked for it, too';
    is $ann->get('/v1/pets', query => { count => 'estimated', owner_id => $bob->id })->code, 'forbidden', 'of another\'s not';
    my ($events) = $super->selectrow_array(q{select count(*) from pets.audit_event where detail ->> 'event' = 'pet_list' and actor_id = $1}, undef, $admin->id);
    $page->($admin);
    is $super->selectrow_array(q{select count(*) from pets.audit_event where detail ->> 'event' = 'pet_list' and actor_id = $1}, undef, $admin->id), $events + 1, 'an administrator leaves one event';

    add_pets($ann, 9000);
    $super->do('analyze pets.pet');
    my @more = grep { $_->{owner_id} eq $ann->id } all_pets()->@*;
    for my $filter ({}, { species => 'dog' }, { sex => 'male', tag => 'common' }, { born_after => '2000-05-01' }, { q => 'zo' }) {
        my $exact = grep { wanted($filter, $_) } @more;
        my $said  = $page->($ann, %$filter)->{estimated_count};
        ok $said > 0.8 * $exact && $said < 1.25 * $exact, text_of($filter) . ": $said of $exact";
    }
    for my $filter ({ tag => 'rare' }, { species => 'horse' }, { q => '100% wolf 11' }, { born_after => '2000-02-01', born_before => '2000-02-03' }) {
        is $page->($ann, %$filter)->{estimated_count}, scalar(grep { wanted($filter, $_) } @more), 'what is rare is counted: ' . text_of($filter);
    }
};

subtest 'parameters that are wrong' => sub {
    for my $case ($data->{bad}->@*) {
        my ($query, $parameter, $code) = @$case;
        my $reply = $ann->get("/v1/pets?$query");
        my $error = $reply->json->{errors}[0];
        is join(' ', $reply->status, $reply->code, $error->{parameter} // '-', $error->{code}), join(' ', 400, 'invalid_parameter', $parameter // '-', $code), $query or diag $reply->body;
    }
    my $reply = $ann->get('/v1/pets?sort=x&fields=y&count=z&sex=w&tag=&born_after=v&born_before=u&microchip=t&species=s&colour=r&limit=0');
    is_deeply [sort map { $_->{parameter} } $reply->json->{errors}->@*], [sort qw(sort fields count sex tag born_after born_before microchip species colour limit)], 'all at once';
    is $service->client->get('/v1/pets?sort=x')->status, 401, 'to nobody without a token';
};

done_testing;
