# The examples of docs/openapi.yaml are good: each request is carried out against the running service, mail included, with
# what is secret or somebody's put in (tokens, codes, ids), and gets the success that the contract promises; examples and
# answers are as the schemas say. No example is left out.
use v5.36;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Pets::Contract;
use Pets::Env qw(built spew test_dir);
use Pets::Npm;
use Pets::Service;
use Test::More;

my $json     = JSON::PP->new->utf8->canonical;
my $place    = Pets::Npm->workplace(qw(answers.mjs contract.mjs));
my $contract = Pets::Contract->new;
my %operation = map { $_->{op}{operationId} => $_ } $contract->operations;

my $service = Pets::Service->new(mail => 1)->start;
my $nobody  = $service->client;
my $admin   = $service->admin;

my (@record, %carried_out);

# Carries out an operation; returns the answer. Options: example (of the body), as (a client), id, set (members put in
# place of those of the example), parameters (names of those whose example is sent), status.
sub carry_out ($id, %option) {
    my $operation = $operation{$id} // die "there is no $id\n";
    my (%request, @name);
    if (my $body = $contract->follow($operation->{op}{requestBody})) {
        my ($type) = keys $body->{content}->%*;
        if (my $name = $option{example}) {
            my $example = $contract->follow($body->{content}{$type}{examples}{$name}) // die "$id has no example $name\n";
            my $value = $example->{value};
            %request = (type => $type, body => ref $value eq 'ARRAY' ? $value : { %$value, ($option{set} // {})->%* });
            $carried_out{"$id body $name"} = 1;
            push @name, $name;
        }
    }
    for my $name (($option{parameters} // [])->@*) {
        my ($parameter) = grep { $_->{name} eq $name } $operation->{parameters}->@*;
        $parameter && exists $parameter->{example} or die "$id has no example of $name\n";
        $request{query}{$name} = ref $parameter->{example} ? join(',', $parameter->{example}->@*) : $parameter->{example} if $parameter->{in} eq 'query';
        $request{headers}{ lc $name } = $parameter->{example} if $parameter->{in} eq 'header';
        # A key is for one request, so here it has the request's name in it.
        $request{headers}{ lc $name } =~ s/"\z/join(' ', '', $id, $option{id} \/\/ ()) . '"'/e if $name eq 'Idempotency-Key';
        $carried_out{"$id parameter $name"} = 1;
        push @name, $name;
    }
    my $path  = $operation->{path} =~ s/\{id\}/$option{id}/r;
    my $reply = ($option{as} // $nobody)->request($operation->{method}, $path, %request);
    my $status = $option{status} // (grep { /\A2/ } sort keys $operation->{op}{responses}->%*)[0];
    is $reply->status, $status, "$id @name: $status" or diag $reply->summary;
    push @record, {
        operationId => $id, name => "@name", status => 0 + $reply->status, body => encode_base64($reply->body, ''),
        headers => { map { lc $_ => $reply->header($_) } keys $reply->{headers}->%* },
    };
    return $reply;
}

sub mailed_token () { return { token => ($service->mail)[-1]{token} } }

# --- an account -----------------------------------------------------------------------------------------

carry_out('register', example => 'ann', status => 202);
my $account = carry_out('verifyEmail', example => 'link', set => mailed_token())->json;
my $tokens  = carry_out('login', example => 'ann')->json;
my $ann     = $nobody->with_token($tokens->{access_token});
carry_out('getMe', as => $ann);
carry_out('getMe', as => $ann, parameters => ['If-None-Match'], status => 304);
carry_out('getMe', as => $ann, parameters => ['If-Match']);
carry_out('getKeys');
{
    # The entity tag of the keys is of their contents; the example stands for whatever was read before.
    my $etag = $nobody->get('/.well-known/jwks.json')->etag;
    is $nobody->get('/.well-known/jwks.json', if_none_match => $etag)->status, 304, 'getKeys If-None-Match: 304';
    is $nobody->get('/.well-known/jwks.json', if_match => $etag)->status, 200, 'getKeys If-Match: 200';
    $carried_out{"getKeys parameter $_"} = 1 for qw(If-Match If-None-Match);
}

# --- pets -----------------------------------------------------------------------------------------------

my $dog  = carry_out('createPet', as => $ann, example => 'dog')->json;
my $once = carry_out('createPet', as => $ann, example => 'dog', parameters => ['Idempotency-Key'])->json;
is carry_out('createPet', as => $ann, example => 'dog', parameters => ['Idempotency-Key'])->json->{id}, $once->{id}, 'the same pet';
carry_out('createPet', as => $ann, example => 'least');
carry_out('listPets', as => $ann);
is scalar carry_out('listPets', as => $ann, parameters => [qw(limit species q)])->json->{items}->@*, 2, 'the dogs with re in their name';
is_deeply carry_out('listPets', as => $ann, parameters => [qw(sort fields count sex tag born_after born_before)])->json,
    { items => [map { { id => $_->{id}, name => 'Rex', born_on => '2021-06-01' } } reverse sort { $a->{id} cmp $b->{id} } $dog, $once], page => { limit => 20, next => undef, estimated_count => 2 } }, 'both dogs';
carry_out('listPets', as => $ann, parameters => ['microchip']);
carry_out('getPet', as => $ann, id => $dog->{id});
carry_out('getPet', as => $ann, id => $dog->{id}, parameters => ['If-None-Match'], status => 304);
carry_out('getPet', as => $ann, id => $dog->{id}, parameters => ['If-Match']);
carry_out($_->[0], as => $ann, id => $dog->{id}, example => $_->[1], parameters => ['If-None-Match'], status => 412)
    for ['replacePet', 'dog'], ['updatePet', 'weight'], ['deletePet', undef];
carry_out('replacePet', as => $ann, id => $dog->{id}, example => 'dog', parameters => ['If-Match']);
carry_out('updatePet', as => $ann, id => $dog->{id}, example => 'weight');
carry_out('updatePet', as => $ann, id => $dog->{id}, example => 'reset');
carry_out('updatePet', as => $ann, id => $once->{id}, example => 'weight', parameters => ['If-Match']);
carry_out('listPetHistory', as => $ann, id => $dog->{id}, parameters => ['limit']);
carry_out('deletePet', as => $ann, id => carry_out('createPet', as => $ann, example => 'least')->json->{id}, parameters => ['If-Match']);
carry_out($_->[0], as => $ann, id => $_->[1], example => $_->[2], parameters => ['Prefer'], status => $_->[3])
    for ['createPet', undef, 'dog', 201], ['createPets', undef, 'two', 201], ['replacePet', $dog->{id}, 'dog', 204], ['updatePet', $dog->{id}, 'weight', 204];
carry_out('deletePet', as => $ann, id => $dog->{id});
carry_out('restorePet', as => $ann, id => $dog->{id}, parameters => ['Prefer'], status => 204);
carry_out('deletePet', as => $ann, id => $dog->{id});
carry_out('listPetHistory', as => $ann, id => $dog->{id});
carry_out('restorePet', as => $ann, id => $dog->{id}, parameters => ['Idempotency-Key']);
carry_out('createPets', as => $ann, example => 'two', parameters => ['Idempotency-Key']);
carry_out('listPetHistory', as => $ann, id => $dog->{id});

# --- another owner --------------------------------------------------------------------------------------

# Of the person whom the example offers a pet to.
$nobody->register('ben@example.org', 'battery staple horse correct');
$nobody->post('/v1/auth/verify-email', mailed_token());
my $ben = $nobody->login('ben@example.org', 'battery staple horse correct');
for my $case (['acceptTransfer', $ben], ['declineTransfer', $ben], ['withdrawTransfer', $ann]) {
    my ($end, $who) = @$case;
    my $pet   = $ann->post('/v1/pets', { name => 'Rex', species => 'dog' })->json;
    my $offer = carry_out('offerPet', as => $ann, id => $pet->{id}, example => 'ben')->json;
    carry_out('getTransfer', as => $who, id => $offer->{id});
    is scalar carry_out('listTransfers', as => $ben, parameters => ['limit', 'direction'])->json->{items}->@*, $end eq 'acceptTransfer' ? 1 : $end eq 'declineTransfer' ? 2 : 3, 'he finds it';
    carry_out($end, as => $who, id => $offer->{id}, parameters => ['Idempotency-Key']);
    carry_out('listPetHistory', as => $ben, id => $pet->{id}) if $end eq 'acceptTransfer';
}
for my $case (['acceptTransfer', $ben], ['declineTransfer', $ben], ['withdrawTransfer', $ann]) {
    my ($end, $who) = @$case;
    my $pet = $ann->post('/v1/pets', { name => 'Rex', species => 'dog' })->json;
    my $location = carry_out('offerPet', as => $ann, id => $pet->{id}, example => 'ben', parameters => ['Prefer'])->location;
    carry_out($end, as => $who, id => $location =~ s{.*/}{}r, parameters => ['Prefer'], status => 204);
}
carry_out('offerPet', as => $ann, id => $dog->{id}, example => 'id', parameters => ['Idempotency-Key']);

# --- what is one's own ----------------------------------------------------------------------------------

carry_out('stepUp', as => $ann, example => 'password');
my $key = carry_out('createApiKey', as => $ann, example => 'script')->json;
carry_out('listApiKeys', as => $ann, parameters => ['limit']);
carry_out('revokeApiKey', as => $ann, id => $key->{api_key}{id});
carry_out('getSecondFactor', as => $ann);
my $app   = Pets::Totp->new(carry_out('enrolSecondFactor', as => $ann)->json->{secret});
my $codes = carry_out('confirmSecondFactor', as => $ann, example => 'code', set => { code => $app->code })->json->{recovery_codes};
carry_out('getSecondFactor', as => $ann);
$codes = carry_out('renewRecoveryCodes', as => $ann)->json->{recovery_codes};
my $challenge = carry_out('login', example => 'ann')->json;
carry_out('loginSecondFactor', example => 'code', set => { mfa_token => $challenge->{mfa_token}, code => $app->code });
$challenge = carry_out('login', example => 'ann')->json;
my $other = carry_out('loginSecondFactor', example => 'recovery', set => { mfa_token => $challenge->{mfa_token}, recovery_code => $codes->[0] })->json;
carry_out('removeSecondFactor', as => $ann);
carry_out('listSessions', as => $ann, parameters => ['limit']);
carry_out('endSession', as => $ann, id => $other->{session_id});
$tokens = carry_out('refresh', example => 'token', set => { refresh_token => $tokens->{refresh_token} })->json;
carry_out('changePassword', as => $ann, example => 'ann');
carry_out('logout', as => $ann, example => 'others');
$service->mail;
carry_out('requestPasswordReset', example => 'ann');
carry_out('confirmPasswordReset', example => 'link', set => mailed_token());
$ann = $nobody->login('ann@example.org', 'staple battery horse correct');
carry_out('logout', as => $ann);

# --- people, for administrators -------------------------------------------------------------------------

carry_out('listUsers', as => $admin, parameters => ['limit']);
carry_out('getUser', as => $admin, id => $account->{id});
carry_out('getUser', as => $admin, id => $account->{id}, parameters => ['If-None-Match'], status => 304);
carry_out('getUser', as => $admin, id => $account->{id}, parameters => ['If-Match']);
carry_out('updateUser', as => $admin, id => $account->{id}, example => 'disable', parameters => ['If-None-Match'], status => 412);
carry_out('revokeUser', as => $admin, id => $account->{id}, example => 'lost');
carry_out('createResetLink', as => $admin, id => $account->{id}, example => 'forgotten');
carry_out('updateUser', as => $admin, id => $account->{id}, example => 'disable', parameters => ['If-Match']);

# --- nothing is left out --------------------------------------------------------------------------------

my %there;
for my $id (keys %operation) {
    my $body = $contract->follow($operation{$id}{op}{requestBody});
    for my $content (values(($body // {})->{content}->%*)) {
        $there{"$id body $_"} = 1 for keys $content->{examples}->%*;
    }
    $there{"$id parameter $_->{name}"} = 1 for grep { exists $_->{example} && $_->{in} ne 'path' } $operation{$id}{parameters}->@*;
}
is_deeply [grep { !$carried_out{$_} } sort keys %there], [], 'every example was carried out';
my %seen = map { $_->{operationId} => 1 } @record;
is_deeply [grep { !$seen{$_} } sort keys %operation], [], 'and with them every operation';

my $file = spew(test_dir() . '/record.json', $json->encode(\@record), 0600);
my ($status, $out, $err) = $place->node('answers.mjs', built('openapi.json'), $file);
is $status, 0, 'the judge came to its end' or diag $err;
my $judged = 0;
for my $point (map { $json->decode($_) } split /\n/, $out) {
    $judged++;
    is join("\n", $point->{complaints}->@*), '', $point->{name};
}
cmp_ok $judged, '>', 100, "$judged examples and answers";
done_testing;
