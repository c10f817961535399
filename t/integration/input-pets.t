# Bodies of POST /v1/pets, case by case as t/data/pet-bodies.json says: every bound at its limit and one past
# it, everything wrong at once, and whatever is not I-JSON. What is accepted is read again and must be the same.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use JSON::PP ();
use POSIX qw(strftime);
use Pets::Env qw(slurp src);
use Pets::Service;
use Test::More;

my $json    = JSON::PP->new->utf8->canonical;
my $service = Pets::Service->new->start;
my $user    = $service->user;
my @cases   = $json->decode(slurp(src() . '/t/data/pet-bodies.json'))->{cases}->@*;

for my $case (@cases) {
    subtest $case->{is} => sub { try_case($case) };
}
is $user->get('/v1/pets')->status, 200, 'it serves as before';
done_testing;

sub try_case ($case) {
    my $body  = body_of($case);
    my $reply = $user->request('POST', '/v1/pets', body => $body, type => $case->{type});
    my $expect = $case->{status} // 201;
    is $reply->status, $expect, "status $expect" or diag $reply->summary;
    if ($expect == 201) {
        accepted($reply, $body);
    }
    else {
        refused($reply, $case);
    }
    return;
}

sub body_of ($case) {
    if (defined $case->{raw}) {
        my $raw = $case->{raw};
        $raw = expand($raw) if $raw =~ /\A\$/;
        utf8::encode($raw);
        return $raw =~ s/%([0-9a-fA-F]{2})/chr hex $1/ger;
    }
    return $json->encode({ map { ("field$_" => 1) } 1 .. $case->{keys} }) if $case->{keys};
    my %body = $case->{body} ? %{ $case->{body} } : (name => 'Rex', species => 'dog', %{ $case->{fields} });
    for my $name (keys %body) {
        $body{$name} = expand($body{$name});
        delete $body{$name} if defined $body{$name} && $body{$name} eq '$absent';
    }
    return $json->encode(\%body);
}

sub expand ($value) {
    if (ref $value eq 'ARRAY') {
        return [($2) x $1] if @$value == 1 && ($value->[0] // '') =~ /\A\$items (\d+) (.*)\z/;
        return [map { expand($_) } @$value];
    }
    return $value if ref $value || !defined $value;
    return $2 x $1 if $value =~ /\A\$repeat (\d+) (.*)\z/;
    return strftime('%Y-%m-%d', gmtime(time + 86_400 * $1)) if $value =~ /\A\$today\+(\d+)\z/;
    return $value;
}

# What comes back, and what is read again, is what was sent; all else has its initial value.
sub accepted ($reply, $body) {
    my $pet  = $reply->json // return fail('the pet comes back');
    my %want = (breed => undef, sex => 'unknown', born_on => undef, weight_grams => undef, microchip => undef, notes => undef, tags => [], %{ $json->decode($body) });
    my %got  = map { $_ => $pet->{$_} } keys %want;
    is_deeply \%got, \%want, 'the answer has what was sent';
    is $reply->etag, '"1"', 'ETag';
    is $reply->location, "/v1/pets/$pet->{id}", 'Location';
    is_deeply $user->get("/v1/pets/$pet->{id}")->json, $pet, 'and so it is read again';
    return;
}

sub refused ($reply, $case) {
    my $status  = $case->{status};
    my $code    = $case->{code} // ($status == 422 ? 'validation_failed' : '');
    my $problem = $reply->json // {};
    is $reply->type,        'application/problem+json', 'a problem';
    is $reply->code,        $code,     "code $code";
    is $problem->{status},  $status,   'its status';
    is $problem->{instance}, '/v1/pets', 'its instance';
    like $problem->{trace_id}, qr/\A[0-9a-f]{32}\z/, 'its trace_id';
    my @errors = ($problem->{errors} // [])->@*;
    if ($case->{errors}) {
        is_deeply { map { $_->{pointer} => $_->{code} } @errors }, $case->{errors}, 'its errors' or diag $reply->body;
        is scalar @errors, scalar keys %{ $case->{errors} }, 'each once';
    }
    if ($status == 422) {
        ok @errors >= 1 && @errors <= 64, 'errors, not without end';
        is scalar(grep { !length($_->{detail} // '') } @errors), 0, 'each says what is wrong';
    }
    return;
}
