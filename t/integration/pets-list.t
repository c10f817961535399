# Lists: pages by key, every pet exactly once and newest first however the pages are cut and whatever comes
# and goes meanwhile; filters; and parameters that are refused by name.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use Pets::Service;
use Test::More;

my $service = Pets::Service->new->start;
my $ann     = $service->user;
my $bob     = $service->user;
my $admin   = $service->admin;

my @species = qw(dog cat bird fish rabbit rodent reptile horse other);
my @pets = map { $service->pet($ann, name => "Pet $_", species => $species[$_ % @species]) } 0 .. 44;
my @bobs = map { $service->pet($bob, name => "Bob’s $_") } 0 .. 4;
my @newest_first = map { $_->{id} } reverse @pets;

# All pages of a list: ids in order, and the number of pages.
sub pages ($who, %query) {
    my (@ids, $cursor);
    my $pages = 0;
    while (1) {
        my $reply = $who->get('/v1/pets', query => { %query, defined $cursor ? (cursor => $cursor) : () });
        if ($reply->status != 200) { fail("a page: " . $reply->summary); last }
        my $list = $reply->json;
        push @ids, map { $_->{id} } $list->{items}->@*;
        $pages++;
        my $next = $list->{page}{next};
        my $link = $reply->header('link') // '';
        if (defined $next) {
            like $link, qr{\A<(/v1/pets\?[^>]*)>; rel="?next"?\z}, 'Link says next' if $pages == 1;
            my ($target) = $link =~ /<([^>]+)>/;
            my $followed = $who->get($target)->json->{items} // [];
            my $asked    = $who->get('/v1/pets', query => { %query, cursor => $next })->json->{items} // [];
            is_deeply $followed, $asked, 'Link leads to the same page' if $pages == 1;
        }
        else {
            is $link, '', 'the last page has no Link';
            last;
        }
        last if $pages > 200;
        $cursor = $next;
    }
    return (\@ids, $pages);
}

subtest 'pages' => sub {
    for my $limit (1, 7, 20, 44, 45, 46, 100) {
        my ($ids, $pages) = pages($ann, limit => $limit);
        is_deeply $ids, \@newest_first, "limit $limit: every pet once, newest first";
        is $pages, int((45 + $limit - 1) / $limit), "limit $limit: as many pages as it takes";
    }
    my $list = $ann->get('/v1/pets')->json;
    is scalar $list->{items}->@*, 20, 'without a limit: 20';
    is $list->{page}{limit}, 20, 'and it says so';
    is_deeply [sort keys %$list], ['items', 'page'], 'a list is items and page';
    is_deeply $list->{items}[0], $pets[-1], 'an item is the pet as it is';
};

subtest 'an empty list' => sub {
    my $list = $service->user->get('/v1/pets')->json;
    is_deeply $list, { items => [], page => { limit => 20, next => undef } }, 'is one';
};

subtest 'a cursor stays where it was' => sub {
    my $carl = $service->user;
    my @own  = map { $service->pet($carl) } 1 .. 6;
    my $first = $carl->get('/v1/pets', query => { limit => 2 })->json;
    my $new   = $service->pet($carl);
    is $carl->delete("/v1/pets/$own[3]{id}")->status, 204, 'one that is still to come goes away';
    is $carl->delete("/v1/pets/$own[4]{id}")->status, 204, 'and the very one that the cursor is at';
    my $second = $carl->get('/v1/pets', query => { limit => 2, cursor => $first->{page}{next} })->json;
    is_deeply [map { $_->{id} } $second->{items}->@*], [map { $own[$_]{id} } 2, 1], 'the next page goes on from there';
};

subtest 'filters' => sub {
    for my $species (@species) {
        my @want = map { $_->{id} } reverse grep { $_->{species} eq $species } @pets;
        my ($ids) = pages($ann, species => $species, limit => 2);
        is_deeply $ids, \@want, "species=$species";
    }
    my $named = $service->user;
    my %id = map { $_ => $service->pet($named, name => $_)->{id} } 'Rex', 'rexona', 'T-REX', 'Max', '100%', '1000', 'a_b', 'axb', 'Käthe', 'a\\b', "O'Hara";
    my $names = sub ($q) {
        return join ' ', sort map { $_->{name} } $named->get('/v1/pets', query => { q => $q })->json->{items}->@*;
    };
    is $names->('rex'),  'Rex T-REX rexona', 'q: a piece of the name, in any case';
    is $names->('100%'), '100%',             'q: % is a character like any other';
    is $names->('a_b'),  'a_b',              'q: and so is _';
    is $names->('KÄ'),   'Käthe',            'q: in any script';
    is $names->('\\'),   'a\\b',             'q: a backslash';
    is $names->("'"),    "O'Hara",           'q: a quote';
    is $names->('zzz'),  '',                 'q: nothing';
    is_deeply [map { $_->{id} } $named->get('/v1/pets', query => { q => 'rex', species => 'cat' })->json->{items}->@*], [], 'both filters hold';
};

subtest 'an administrator' => sub {
    my ($ids) = pages($admin, limit => 50);
    my %all = map { $_ => 1 } @$ids;
    is scalar(grep { !$all{ $_->{id} } } @pets, @bobs), 0, 'sees everybody’s';
    is scalar(keys %all), scalar @$ids, 'each once';
    is_deeply [sort { $b cmp $a } @$ids], $ids, 'newest first';
    my ($bobs) = pages($admin, owner_id => $bob->id, limit => 2);
    is_deeply $bobs, [map { $_->{id} } reverse @bobs], 'owner_id: one owner’s';
    my ($nobody) = pages($admin, owner_id => '00000000-0000-7000-8000-000000000000');
    is_deeply $nobody, [], 'owner_id: of nobody';
    my $reply = $ann->get('/v1/pets', query => { owner_id => $bob->id });
    is $reply->status, 403, 'a user may not ask for another’s' or diag $reply->summary;
    is $reply->code, 'forbidden', 'and is told so';
};

subtest 'refused parameters' => sub {
    my $cursor = $ann->get('/v1/pets', query => { limit => 1 })->json->{page}{next};
    my @cases = (
        ['limit=0',              'invalid_parameter'],
        ['limit=101',            'invalid_parameter'],
        ['limit=-1',             'invalid_parameter'],
        ['limit=',               'invalid_parameter'],
        ['limit=1e1',            'invalid_parameter'],
        ['limit=+5',             'invalid_parameter'],
        ['limit=5%00',           'invalid_parameter'],
        ['limit=99999999999999999999', 'invalid_parameter'],
        ['limit=1&limit=2',      'invalid_parameter'],
        ['species=dragon',       'invalid_parameter'],
        ['species=',             'invalid_parameter'],
        ['owner_id=1',           'invalid_parameter'],
        ['colour=red',           'invalid_parameter'],
        ['Limit=1',              'invalid_parameter'],
        ['q=' . 'x' x 500,       'invalid_parameter'],
        ['q=%ff',                'invalid_parameter'],
        ['q=%00',                'invalid_parameter'],
        ['cursor=x',             'invalid_cursor'],
        ['cursor=',              'invalid_parameter'],
        ["cursor=${cursor}x",    'invalid_cursor'],
        ['cursor=' . substr($cursor, 0, -1), 'invalid_cursor'],
        ['cursor=' . 'A' x 4000, 'invalid_parameter'],
        ['cursor=019b0000-0000-7000-8000-000000000000', 'invalid_cursor'],
    );
    for my $case (@cases) {
        my ($query, $code) = @$case;
        my $reply = $ann->get("/v1/pets?$query");
        my $name  = length $query > 60 ? substr($query, 0, 57) . '...' : $query;
        is $reply->status, 400, "$name: 400" or diag $reply->summary;
        is $reply->code, $code, "$name: $code";
    }
    my $reply = $ann->get('/v1/pets?limit=0&colour=red&species=dragon');
    is_deeply [sort map { $_->{parameter} // $_->{pointer} // '?' } $reply->json->{errors}->@*], [qw(colour limit species)], 'all at once, by name'
        or diag $reply->body;
    my $history = $ann->get("/v1/pets/$pets[0]{id}/history", query => { cursor => $cursor });
    is $history->code, 'invalid_cursor', 'a cursor of one list is none of another';
};

done_testing;
