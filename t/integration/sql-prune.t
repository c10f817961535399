# What the job deletes, statement by statement, counted exactly: of each kind there are rows that are live, that are
# over but kept, and that have been kept for long enough, and of these alone it takes as many as it is told, oldest
# first. Whatever else its role is asked to do, row-level security lets it touch nothing that is not over.
use v5.36;
use JSON::PP ();
use Pets::Cluster;
use Pets::Env qw(test_dir);
use Pets::Sql qw(call person uuid7);
use Test::More;

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my $job   = $pg->dbh('pets_prune');
my $ann   = person($pg, 'ann@example.org');
my $other = $pg->dbh('pets_prune');
$super->do('delete from pets.known_network');
$super->do('delete from pets.throttle');

sub count ($table, $where = 'true') { return $super->selectrow_array("select count(*) from pets.$table where $where") }

# A row of each kind; $over is an interval since it was over, which may be negative. Days that it is kept, if told.
my $number = 0;
my %kind = (
    mail => [30, mail_outbox => sub ($over) {
        ++$number;
        return $number % 2
            ? (q{insert into pets.mail_outbox (id, kind, created_at, sent_at) values ($1, 'new_sign_in', now() - interval '1 year', now() - $2::interval)}, uuid7(), $over)
            : (q{insert into pets.mail_outbox (id, kind, created_at, failed_at) values ($1, 'new_sign_in', now() - interval '1 year', now() - $2::interval)}, uuid7(), $over);
    }],
    registrations => [undef, registration => sub ($over) {
        return (q{insert into pets.registration (id, link_hash, email, display_name, hash, pepper_id, created_at, expires_at)
            values ($1::uuid, sha256($1::uuid::text::bytea), 'r@example.org', 'R', repeat('x', 60), 'p', now() - interval '1 year', now() - $2::interval)}, uuid7(), $over);
    }],
    reset_links => [undef, reset_link => sub ($over) {
        return (q{insert into pets.reset_link (id, link_hash, account_id, created_at, expires_at, used_at)
            values ($1::uuid, sha256($1::uuid::text::bytea), $2, now() - interval '1 year', now() - $3::interval, case when $4::int % 2 = 0 then now() - interval '8 months' end)}, uuid7(), $ann->{id}, $over, ++$number);
    }],
    login_challenges => [undef, login_challenge => sub ($over) {
        return (q{insert into pets.login_challenge (token_hash, account_id, credential_generation, created_at, expires_at)
            values (sha256($1::uuid::text::bytea), $2, 0, now() - interval '1 year', now() - $3::interval)}, uuid7(), $ann->{id}, $over);
    }],
    second_factors => [undef, totp => sub ($over) {
        my $account = uuid7();
        $super->do(q{insert into pets.account (id, email, display_name) values ($1::uuid, $1::uuid || '@example.org', 'T')}, undef, $account);
        return (q{insert into pets.totp (account_id, secret, key_id, created_at) values ($1::uuid, sha512($1::uuid::text::bytea), 'k', now() - $2::interval)}, $account, $over);
    }],
    sessions => [90, session => sub ($over) {
        my $revoked = ++$number % 2;    # or expired
        return (q{insert into pets.session (id, account_id, refresh_hash, created_at, expires_at, ends_at, revoked_at)
            select $1::uuid, $2::uuid, sha256($1::uuid::text::bytea), now() - interval '2 years', case when r then now() + interval '1 day' else o end, now() + interval '1 year', case when r then o end
            from (values ($4::int = 1, now() - $3::interval)) v (r, o)}, uuid7(), $ann->{id}, $over, $revoked);
    }],
    api_keys => [365, api_key => sub ($over) {
        my $revoked = ++$number % 2;
        return (q{insert into pets.api_key (id, account_id, name, scopes, key_hash, created_at, expires_at, revoked_at)
            select $1::uuid, $2::uuid, 'k', '{pets:read}', sha256($1::uuid::text::bytea), o - interval '1 month', case when r then o + interval '1 day' else o end, case when r then o end
            from (values ($4::int = 1, now() - $3::interval)) v (r, o)}, uuid7(), $ann->{id}, $over, $revoked);
    }],
    known_networks => [60, known_network => sub ($over) {
        return (q{insert into pets.known_network (account_id, network, last_seen) values ($1, set_masklen(inet '10.0.0.0' + 256 * $2::int, 24)::cidr, now() - $3::interval)}, $ann->{id}, ++$number, $over);
    }],
    throttle => [undef, throttle => sub ($over) { return (q{insert into pets.throttle values (gen_random_uuid(), now() - $1::interval)}, $over) }],
);
my %fixed = (registrations => 0, reset_links => 1, login_challenges => 0, second_factors => 1, throttle => 0);    # days

sub put ($name, $count, $over) {
    for (1 .. $count) {
        my ($sql, @values) = $kind{$name}[2]->($over);
        $super->do($sql, undef, @values);
    }
    return;
}

# How many rows a batch has deleted.
sub prune ($name, $most, $dbh = $job) {
    my $days = $kind{$name}[0];
    my %by   = $name eq 'throttle' ? (after => '00000000-0000-0000-0000-000000000000') : (operator => 'test');
    return call($dbh, "prune_$name", most => $most, defined $days ? (days => $days) : (), %by)->[0]{gone};
}

sub events () {
    state $last = $super->selectrow_array('select coalesce(max(id), 0) from pets.audit_event');
    my $rows = $super->selectall_arrayref('select id, actor_id, action, target_type, outcome, detail from pets.audit_event where id > $1 order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    return @$rows;
}

events();
for my $name (sort keys %kind) {
    my ($days, $table) = $kind{$name}->@*;
    subtest $name => sub {
        my $kept = $days // $fixed{$name};
        my $live = count($table);
        put $name, 4, '-1 hour' if $name !~ /\A(?:mail|known_networks|second_factors|throttle)\z/;
        put $name, 4, $_ for $kept ? ('1 minute', ($kept * 24 - 1) . ' hours') : ();
        put $name, 2, '-1 hour' if $name eq 'throttle';
        my $stays = count($table);
        my @stays = map { $_->[0] } $super->selectall_arrayref("select t::text from pets.$table t order by 1")->@*;
        cmp_ok $stays, '>', 1, 'there are rows that stay';
        put $name, 7, ($kept * 24 + 1) . ' hours';
        put $name, 3, ($kept + 200) . ' days' if $name ne 'api_keys' && $name ne 'second_factors';
        put $name, 3, ($kept + 30) . ' days'  if $name eq 'api_keys' || $name eq 'second_factors';
        is count($table), $stays + 10, 'and ten that go';
        my $oldest = { mail => 'least(sent_at, failed_at)', sessions => 'least(expires_at, revoked_at)', api_keys => 'least(expires_at, revoked_at)', known_networks => 'last_seen', second_factors => 'created_at', throttle => undef }->{$name} // 'expires_at';
        if ($name eq 'throttle') {
            is prune($name, 1000), 10, 'all of them';
        }
        else {
            is prune($name, 3), 3, 'as many as it is told';
            is count($table, "$oldest < now() - interval '@{[$kept + 20]} days'"), 0, 'the oldest first';
            is prune($name, 4), 4, 'and again';
            is prune($name, 4), 3, 'then what is left';
        }
        is prune($name, 4), 0, 'and no more';
        is_deeply [map { $_->[0] } $super->selectall_arrayref("select t::text from pets.$table t order by 1")->@*], \@stays, 'what stays is exactly what did';
        my @events = events();
        is_deeply [map { JSON::PP->new->decode($_->{detail}) } @events], [map { { operator => 'test', gone => $_, defined $days ? (days => $days) : () } } $name eq 'throttle' ? () : (3, 4, 3)], 'an event for each that deleted something';
        is_deeply [grep { defined $_->{actor_id} || $_->{action} ne 'sensitive_delete' || $_->{outcome} ne 'success' } @events], [], 'without an actor';
    };
}

subtest 'a walk through the buckets' => sub {
    $super->do('delete from pets.throttle');
    put 'throttle', 25, '1 minute';
    put 'throttle', 25, '-1 hour';
    my ($after, $gone, $steps) = ('00000000-0000-0000-0000-000000000000', 0, 0);
    while (defined $after) {
        my $row = call($job, 'prune_throttle', after => $after, most => 7)->[0];
        $gone += $row->{gone};
        cmp_ok $row->{gone}, '<=', 7, 'no more than are looked at';
        ($after, $steps) = ($row->{last}, $steps + 1);
    }
    is $gone, 25, 'finds all that are empty';
    is $steps, 9, 'in steps of seven, over all fifty';
    is count('throttle', 'empty_at > now()'), 25, 'the others stay';
};

subtest 'a second factor that is in force' => sub {
    put 'second_factors', 2, '30 days';
    $super->do(q{update pets.totp set confirmed_at = now() where created_at < now() - interval '20 days'});
    is prune('second_factors', 100), 0, 'stays, however old';
};

subtest 'two at once, and rows in hand' => sub {
    for my $name (grep { $_ ne 'throttle' } sort keys %kind) {
        my ($days, $table) = $kind{$name}->@*;
        my $stays = count($table);
        put $name, 10, (($days // $fixed{$name}) + 30) . ' days';
        $_->begin_work for $job, $other;
        is prune($name, 4), 4, "$name: the first takes four";
        is prune($name, 4, $other), 4, 'the second four others, and does not wait';
        $job->rollback;
        $other->commit;
        is count($table), $stays + 6, 'the first has given his back';
        $super->begin_work;
        $super->do("select from pets.$table where ctid = (select ctid from pets.$table order by " . ({ mail => 'least(sent_at, failed_at)', sessions => 'least(expires_at, revoked_at)', api_keys => 'least(expires_at, revoked_at)', known_networks => 'last_seen', second_factors => 'case when confirmed_at is null then created_at end' }->{$name} // 'expires_at') . ' limit 1) for update');
        is prune($name, 100), 5, 'one that somebody has in hand is left to him';
        $super->rollback;
        is prune($name, 100), 1, 'and taken the next time';
        is count($table), $stays, 'that was all';
    }
};

subtest 'what the role may do at all' => sub {
    my $try = sub ($sql, @values) {
        $job->begin_work;
        my $rows  = eval { 0 + $job->do($sql, undef, @values) };
        my $state = $@ ? $job->state : undef;
        $job->rollback;
        return $state // $rows;
    };
    for my $name (sort keys %kind) {
        my $table = $kind{$name}[1];
        $super->do("delete from pets.$table");
        my ($key) = { login_challenge => 'token_hash', totp => 'account_id', known_network => 'account_id' }->{$table} // 'id';
        if ($name eq 'mail') {
            $super->do(q{insert into pets.mail_outbox (id, kind, recipient) values ($1, 'new_sign_in', 'a@example.org')}, undef, uuid7()) for 1, 2;
        }
        elsif ($name eq 'known_networks' || $name eq 'second_factors') { put $name, 2, '23 hours' }
        else                                                           { put $name, 2, '-1 hour' }
        put $name, 3, '2 days';
        is $try->("delete from pets.$table"), 3, "$table: deletes what is over, and nothing else";
        is $try->("select $key from pets.$table"), $name eq 'throttle' ? 5 : 3, '... sees no more of it';
        is $try->("select $key from pets.$table for update"), 3, '... or locks it';
        is $try->("update pets.$table set $key = $key"), '42501', '... and changes none';
        is $try->("truncate pets.$table"), '42501', '... nor empties it';
        is $try->("select * from pets.$table"), $name eq 'throttle' ? 5 : '42501', '... what was in it is not its business';
    }
    is $try->("delete from pets.$_"), '42501', "$_: nothing is deleted" for qw(account credential pet pet_history recovery_code audit_event idempotency_key schema_version);
    is $try->("select count(*) from pets.$_"), '42501', "$_: nor looked at" for qw(account credential pet pet_history recovery_code audit_event idempotency_key schema_version);
    is $try->(q{insert into pets.audit_event (action, outcome) values ('sensitive_delete', 'success')}), 1, 'it records what it deletes';
    is $try->(q{insert into pets.audit_event (action, outcome) values ('authn_login_success', 'success')}), '42501', 'and nothing else';
    is $try->(q{insert into pets.audit_event (action, outcome, actor_id) values ('sensitive_delete', 'success', $1)}, $ann->{id}), '42501', 'in nobody\'s name';
};

subtest 'the audit record' => sub {
    my $count = count('audit_event');
    ok !eval { $super->do('delete from pets.audit_event'); 1 }, 'nobody deletes from it';
    like $@, qr/append-only/, 'by accident';
    # As the manual says.
    my $most = $super->selectrow_array('select max(id) from pets.audit_event');
    $super->do("begin; alter table pets.audit_event disable trigger audit_event_append_only; delete from pets.audit_event where id < $most; alter table pets.audit_event enable always trigger audit_event_append_only; commit");
    is count('audit_event'), 1, 'a superuser who means it does';
    for my $deed ('delete from pets.audit_event', 'set session_replication_role = replica; delete from pets.audit_event') {
        $super->begin_work;
        ok !eval { $super->do($deed); 1 }, "and then it is as before: $deed";
        $super->rollback;
    }
    is count('audit_event'), 1, 'nothing has gone';
};

$_->disconnect for $super, $job, $other;
done_testing;
