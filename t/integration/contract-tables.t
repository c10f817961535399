# docs/openapi.yaml says what the tables of the program say, no more and no less: the routes with who may use them
# (petsd --routes), their fields with types, bounds and words (petsd --fields), and the errors (docs/errors.md, which
# docs-errors compares with the program and nginx).
use v5.36;
use Pets::Contract;
use Pets::Env qw(bin run slurp src);
use Test::More;

my $contract = Pets::Contract->new;
my %operation = map { $_->{name} => $_ } $contract->operations;

sub table ($option) {
    my ($status, $out, $err) = run([bin('petsd'), $option]);
    is $status, 0, "petsd $option" or BAIL_OUT($err);
    return map { [split /\t/, $_, -1] } split /\n/, $out;
}

# Two lines of single-line text, and of text with line breaks and tabs.
my $LINE = '^[^\u0000-\u001F\u007F-\u009F]*$';
my $TEXT = '^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*$';

# --- routes ---------------------------------------------------------------------------------------------

my @routes = grep { $_->[0] ne 'ops' } table('--routes');
cmp_ok scalar @routes, '>', 30, 'the routes were read';
is_deeply [sort keys %operation], [sort map { "$_->[1] $_->[2]" } @routes], 'every route is an operation, and every operation a route';

for my $route (@routes) {
    my ($pool, $method, $path, $access, $scope, $more) = @$route;
    my $operation = $operation{"$method $path"} // next;
    subtest "who may: $method $path" => sub {
        my %role = (user => [], admin => ['ADMIN']);
        my @security = $access eq 'public' ? () : { accessToken => $role{$access} };
        push @security, { apiKey => [$scope] } if $scope ne '-';
        is_deeply $operation->{security}, \@security, "security: $access, $scope";
        my $responses = $contract->responses($operation);
        my %codes = map { $_ => 1 } map { $contract->codes($_ // {}) } @$responses{401, 403};
        is !!$codes{token_missing},      $access ne 'public',    'token_missing is said where a token is needed';
        is !!$codes{insufficient_scope}, $access ne 'public',    'so is insufficient_scope';
        is !!$codes{mfa_required},       $access eq 'admin',     'mfa_required, where the second factor is';
        is !!$codes{step_up_required},   $more eq 'step-up',     'step_up_required, where a fresh proof is';
        my @keys = grep { $_->{name} eq 'Idempotency-Key' } $operation->{parameters}->@*;
        is !!@keys, $more eq 'repeats', 'an Idempotency-Key, where it is taken';
    };
}

# --- fields ---------------------------------------------------------------------------------------------

# What handlers demand beyond their tables.
my ($MIN, $MIN_MFA, $MAX) = map { slurp(src() . '/src/auth/password.h') =~ /\b$_ = (\d+),/ or die "$_ is gone\n"; $1 } qw(PASSWORD_MIN PASSWORD_MIN_MFA PASSWORD_MAX);
my ($DAYS)  = slurp(src() . '/src/api/api_keys.c') =~ /\bDAYS_DEFAULT = (\d+)/;
my ($LIMIT) = slurp(src() . '/src/http/page.h') =~ /\bPAGE_LIMIT_DEFAULT = (\d+)/;
my %password = (maxLength => $MAX, 'x-max-bytes' => $MAX);
my %more = (
    'POST /v1/auth/register json password'               => { %password, minLength => $MIN },
    'POST /v1/auth/password-reset/confirm json password' => { %password, minLength => $MIN_MFA },
    'PUT /v1/me/password json new_password'              => { %password, minLength => $MIN_MFA },
    'POST /v1/me/api-keys json scopes'                   => { minItems => 1 },
    'POST /v1/me/api-keys json expires_in_days'          => { default => $DAYS },
    'PATCH /v1/users/{id} merge reason'                  => { required => 1 },
);

# What a row of the table says, as facets of a schema.
sub expected ($where, $row) {
    my ($name, $type, $flags, $min, $max, $items, $words, $initial) = @$row;
    my %flag  = map { $_ => 1 } split /,/, $flags;
    my @words = $words eq '-' ? () : (enum => [split /,/, $words]);
    my %text  = (type => 'string', minLength => $min, $max eq '-' ? () : (maxLength => $max));
    my %facets = (
        string  => sub { return (%text, $flag{checked} ? (format => 'email') : (pattern => $LINE)) },
        text    => sub { return (%text, pattern => $TEXT) },
        secret  => sub { return (%text, format => 'password', $max eq '-' ? () : ('x-max-bytes' => $max)) },
        word    => sub { return (type => 'string', @words) },
        digits  => sub { return (%text, pattern => '^[0-9]{' . ($min == $max ? $min : "$min,$max") . '}$') },
        integer => sub { return (type => 'integer', format => 'int32', minimum => $min, maximum => $max) },
        date    => sub { return (type => 'string', format => 'date', minLength => 10, maxLength => 10, $flag{past} ? ('x-past' => 1) : ()) },
        strings => sub { return (type => 'array', $where eq 'query' ? (minItems => 1, uniqueItems => 1) : (), maxItems => $items, items => { type => 'string', @words ? @words : (minLength => $min, maxLength => $max, pattern => $LINE) }) },
        uuid    => sub { return (type => 'string', format => 'uuid', minLength => 36, maxLength => 36, pattern => '^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$') },
        cursor  => sub { return (%text, pattern => '^[A-Za-z0-9_-]+$') },
    );
    my $facets = $facets{$type} // do { fail("what is a field of type $type in the contract?"); return {} };
    my %expected = $facets->();
    # With a merge patch, null gives back the initial value, if there is one.
    my $reset = $where eq 'merge' && ($initial ne '-' || $type eq 'strings');
    $expected{nullable} = 1 if $flag{nullable} || $reset;
    $expected{required} = 1 if $flag{required} && $where ne 'merge';
    $expected{default} = $initial if $initial ne '-' && $where ne 'merge';
    return \%expected;
}

sub actual ($schema, $required) {
    my $flat = $contract->flat($schema);
    $flat->{items} = $contract->flat($flat->{items}) if $flat->{items};
    delete $_->{description} for $flat, $flat->{items} // {};
    $flat->{'x-past'} = 1 if $flat->{'x-past'};
    $flat->{uniqueItems} = 1 if $flat->{uniqueItems};
    $flat->{required} = 1 if $required;
    return $flat;
}

my %fields;
for my $row (table('--fields')) {
    my ($method, $path, $where, @row) = @$row;
    push $fields{"$method $path"}{$where}->@*, \@row;
}
cmp_ok scalar keys %fields, '>', 20, 'the fields were read';

for my $route (@routes) {
    my $name = "$route->[1] $route->[2]";
    my $operation = $operation{$name} // next;
    subtest "fields: $name" => sub {
        my $known = $fields{$name} // {};
        compare_query($name, $known->{query} // [], $operation);
        my ($kind) = grep { $_ ne 'query' } keys %$known;
        my $body = $contract->follow($operation->{op}{requestBody});
        is !!$body, !!$kind, $kind ? "a body: $kind" : 'no body' or return;
        compare_body($name, $kind, $known->{$kind}, $body, $operation) if $kind;
    };
}

sub compare_query ($name, $rows, $operation) {
    my %parameter = map { $_->{name} => $_ } grep { $_->{in} eq 'query' } $operation->{parameters}->@*;
    is_deeply [sort keys %parameter], [sort map { $_->[0] } @$rows], 'the parameters of the query string';
    for my $row (@$rows) {
        my $parameter = $parameter{ $row->[0] } // next;
        my $expected = expected('query', $row);
        $expected->{default} = $LIMIT if $row->[0] eq 'limit';
        is_deeply actual($parameter->{schema}, $parameter->{required}), $expected, "parameter $row->[0]";
    }
    my @ids = grep { $_->{in} eq 'path' } $operation->{parameters}->@*;
    is_deeply [map { $_->{name} } @ids], [$name =~ /\{(\w+)\}/g], 'the parameters of the path';
    return;
}

sub compare_body ($name, $kind, $rows, $body, $operation) {
    my $type = $kind eq 'merge' ? 'application/merge-patch+json' : 'application/json';
    is !!$body->{required}, $kind ne 'optional', 'whether there must be one';
    is_deeply [keys $body->{content}->%*], [$type], "it is $type";
    my $schema   = $contract->flat($body->{content}{$type}{schema});
    if ($kind eq 'list') {
        my ($most) = slurp(src() . '/src/http/route.h') =~ /\bROUTE_LIST_MAX = (\d+)/;
        is_deeply [@$schema{qw(type minItems maxItems)}], ['array', 1, $most], 'an array, so long';
        $schema = $contract->flat($schema->{items});
    }
    my %required = map { $_ => 1 } ($schema->{required} // [])->@*;
    my @taken    = grep { $_->[2] !~ /read-only/ } @$rows;
    is_deeply [sort keys $schema->{properties}->%*], [sort map { $_->[0] } @taken], 'its members';
    ok exists $schema->{additionalProperties} && !$schema->{additionalProperties}, 'and no others';
    for my $row (@taken) {
        my $property = $schema->{properties}{ $row->[0] } // next;
        my %expected = (expected($kind, $row)->%*, ($more{"$name $kind $row->[0]"} // {})->%*);
        is_deeply actual($property, $required{ $row->[0] }), \%expected, "member $row->[0]";
    }
    # A table that is rendered, too, has every member of the answer.
    return if !grep { $_->[2] =~ /read-only/ } @$rows;
    my ($good) = grep { /\A2/ } sort keys $operation->{op}{responses}->%*;
    my $answer = $contract->flat($contract->responses($operation)->{$good}{content}{'application/json'}{schema});
    $answer = $contract->flat($contract->flat($answer->{properties}{items})->{items}) if $kind eq 'list';
    is_deeply [sort keys $answer->{properties}->%*], [sort map { $_->[0] } grep { $_->[2] !~ /write-only/ } @$rows], 'the members of the answer';
    return;
}

# --- errors ---------------------------------------------------------------------------------------------

my $docs = slurp(src() . '/docs/errors.md');
my (%status, %title);
while ($docs =~ /^### ([a-z_]+)\n\n(\d{3}) · (.+)\n/mg) {
    ($status{$1}, $title{$1}) = ($2, $3);
}
cmp_ok scalar keys %status, '>', 30, 'the errors were read';

my (%said, @wrong);
for my $operation (values %operation) {
    my $responses = $contract->responses($operation);
    for my $key (keys %$responses) {
        for my $code ($contract->codes($responses->{$key})) {
            $said{$code} = 1;
            push @wrong, "$operation->{name} $key $code" if !$status{$code} || ($key ne 'default' && $status{$code} ne $key) || ($key eq 'default' && $responses->{ $status{$code} } && !grep { $_ eq $code } $contract->codes($responses->{ $status{$code} }));
        }
    }
}
is_deeply [sort keys %said], [sort keys %status], 'the codes are those of docs/errors.md';
is "@wrong[0 .. ($#wrong > 5 ? 5 : $#wrong)]", '', 'each under its status';

for my $name (sort keys $contract->document->{components}{responses}->%*) {
    my $content = $contract->document->{components}{responses}{$name}{content}{'application/problem+json'} // next;
    for my $example (values(($content->{examples} // {})->%*)) {
        my $value = $example->{value};
        is "$value->{status} $value->{title}", $status{ $value->{code} } . ' ' . $title{ $value->{code} }, "the example of $name";
        is $value->{type}, "/docs/errors#$value->{code}", '... and its type';
    }
}

my ($section) = $docs =~ /^### validation_failed\n(.*?)^## /ms;
my %explained = map { $_ => 1 } map { /`([a-z_]+)`/g } map { (split /\|/)[1] } grep { /^\| `/ } split /\n/, $section;
is_deeply [sort $contract->document->{components}{schemas}{ViolationCode}{enum}->@*], [sort keys %explained], 'the codes of violations are those of docs/errors.md';

# --- every answer ---------------------------------------------------------------------------------------

my %common = map { $_ => 1 } qw(429 500 502 503 504 default);
for my $name (sort keys %operation) {
    my $operation = $operation{$name};
    my $responses = $contract->responses($operation);
    my @missing = grep { !$responses->{$_} } 400, keys %common, $operation->{op}{requestBody} ? (413, 415, 422) : ();
    push @missing, grep { !$responses->{$_} } 401, 403 if $operation->{security}->@*;
    my %header = (401 => 'WWW-Authenticate', (map { $_ => 'Retry-After' } 429, 502 .. 504));
    for my $status (sort keys %$responses) {
        my $response = $responses->{$status};
        push @missing, "X-Request-Id of $status" if !$response->{headers}{'X-Request-Id'};
        push @missing, "$header{$status} of $status" if $header{$status} && !$response->{headers}{ $header{$status} };
        push @missing, "an example of $status" if grep { !$_->{examples} } values(($response->{content} // {})->%*);
        push @missing, "a problem for $status" if $status =~ /\A[45]|default/ && !$contract->codes($response);
    }
    push @missing, 'an example of the body' if $operation->{op}{requestBody} && grep { !$_->{examples} } values $contract->follow($operation->{op}{requestBody})->{content}->%*;
    is "@missing", '', "$name says what it must";
}

done_testing;
