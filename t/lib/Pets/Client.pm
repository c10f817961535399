package Pets::Client;

=head1 NAME

Pets::Client - a person with a JSON client: HTTPS, connections kept, a token once logged in

=head1 WHY

Tests of the API read like its documentation: one line sends, the next ones look at the answer.

    my $client = Pets::Client->new(url => 'https://localhost:8443', ca => $ca_file);
    my $reply = $client->post('/v1/auth/register', { email => ..., password => ..., display_name => ... });
    is $reply->status, 201;
    my $ann = $client->login($email, $password);          # a client of her own, with her token
    my $pet = $ann->post('/v1/pets', { name => 'Rex', species => 'dog' })->json;
    is $ann->patch("/v1/pets/$pet->{id}", { name => 'Max' }, if_match => '"1"')->status, 200;
    is $ann->get('/v1/pets', query => { limit => 1000 })->code, 'invalid_parameter';

A request takes a path and, for those that have one, a body: a hash or an array is sent as JSON, a string
as it is. Options: type, token (undef for none), if_match, if_none_match, accept, headers (a hash), query
(a hash or a list of [name, value]), body. Replies have status, body, json, header(name), code (of a
problem), etag, pointers (the sorted pointers of a problem's errors) and location.

=cut

use v5.36;
use HTTP::Tiny;
use JSON::PP ();
use Pets::Secrets qw(note_secret note_secrets_in);
use Pets::Totp;
use Scalar::Util qw(blessed);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub new($class, %option) {
    my $http = HTTP::Tiny->new(
        agent         => $option{agent} // 'pets-tests',
        keep_alive    => $option{keep_alive} // 1,
        max_redirect  => 0,
        timeout       => $option{timeout} // 60,
        verify_SSL    => 1,
        SSL_options   => { SSL_ca_file => $option{ca}, %{ $option{tls} // {} } },
        proxy         => undef,
        http_proxy    => undef,
        https_proxy   => undef,
    );
    return bless { %option, url => $option{url} =~ s{/\z}{}r, http => $http }, $class;
}

# The same service, another person: with this token, or with none.
sub with_token($self, $token) {
    my %same = map { $_ => $self->{$_} } grep { exists $self->{$_} } qw(url ca agent tls timeout keep_alive);
    return (ref $self)->new(%same, defined $token ? (token => $token) : ());
}

# What belongs to the person: the token, and after login the account's e-mail, password and session.
sub token($self)      { return $self->{token} }
sub email($self)      { return $self->{email} }
sub password($self)   { return $self->{password} }
sub session_id($self) { return $self->{session_id} }
sub refresh_token($self) { return $self->{refresh_token} }
sub app($self)        { return $self->{app} }
sub recovery_codes($self) { return $self->{recovery_codes}->@* }
sub account($self)    { return $self->{account} //= $self->get('/v1/me')->json }
sub id($self)         { return $self->account->{id} }

sub get($self, $path, %option)            { return $self->request('GET',     $path, %option) }
sub head($self, $path, %option)           { return $self->request('HEAD',    $path, %option) }
sub options($self, $path, %option)        { return $self->request('OPTIONS', $path, %option) }
sub delete($self, $path, %option)         { return $self->request('DELETE',  $path, %option) }
sub post($self, $path, $body = undef, %option) { return $self->request('POST', $path, body => $body, %option) }
sub put($self, $path, $body, %option)     { return $self->request('PUT',     $path, body => $body, %option) }

sub patch($self, $path, $body, %option) {
    return $self->request('PATCH', $path, type => 'application/merge-patch+json', body => $body, %option);
}

sub request($self, $method, $path, %option) {
    my %headers = %{ $option{headers} // {} };
    my $token = exists $option{token} ? $option{token} : $self->{token};
    $headers{authorization}   //= "Bearer $token"         if defined $token;
    $headers{accept}          //= $option{accept}         if defined $option{accept};
    $headers{'if-match'}      //= $option{if_match}       if defined $option{if_match};
    $headers{'if-none-match'} //= $option{if_none_match}  if defined $option{if_none_match};
    my %request = (headers => \%headers);
    if (defined(my $body = $option{body})) {
        $request{content} = ref $body ? $json->encode($body) : $body;
        utf8::encode($request{content}) if utf8::is_utf8($request{content});
        $headers{'content-type'} //= $option{type} // 'application/json';
    }
    note_secret(token => map { s/\ABearer +//ir } $headers{authorization} // ());
    note_secrets_in($option{body});
    my $reply = $self->{http}->request($method, $self->{url} . $path . query_string($option{query}), \%request);
    die "$method $path: $reply->{content}" if $reply->{status} == 599;
    note_secrets_in($reply->{content});
    return Pets::Client::Reply->new($reply);
}

sub query_string($query) {
    return '' if !defined $query;
    my @pairs = ref $query eq 'HASH' ? map { [$_, $query->{$_}] } sort keys %$query : @$query;
    return '?' . join '&', map { escape($_->[0]) . '=' . escape($_->[1]) } @pairs;
}

sub escape($text) {
    utf8::encode($text) if utf8::is_utf8($text);
    return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

# --- accounts -------------------------------------------------------------------------------------------

# Registers; returns the reply.
sub register($self, $email, $password, $display_name = 'Somebody') {
    return $self->post('/v1/auth/register', { email => $email, password => $password, display_name => $display_name });
}

# Logs in and returns a client of that person's; dies when it is refused. With a second factor it takes the app
# (a Pets::Totp) too.
sub login($self, $email, $password, $app = undef) {
    my $reply = $self->post('/v1/auth/login', { email => $email, password => $password });
    $reply = $self->second_step($reply->json->{mfa_token}, $app) if $app && ($reply->json // {})->{mfa_token};
    $reply->status == 200 or die "login of $email: " . $reply->status . ' ' . $reply->body . "\n";
    my $person = $self->with_token($reply->json->{access_token});
    @$person{qw(email password)} = ($email, $password);
    @$person{qw(session_id refresh_token)} = $reply->json->@{qw(session_id refresh_token)};
    $person->{app} = $app;
    return $person;
}

# The session that this refresh token is of, as a client; undef when it has ended.
sub resume($self, $refresh_token) {
    my $reply = $self->post('/v1/auth/refresh', { refresh_token => $refresh_token });
    return undef if $reply->status != 200;
    my $person = $self->with_token($reply->json->{access_token});
    @$person{qw(session_id refresh_token)} = $reply->json->@{qw(session_id refresh_token)};
    return $person;
}

# Somebody else with the same app may have used a code: then the next one is tried.
sub second_step($self, $token, $app) {
    my $reply;
    for (1 .. 4) {
        $reply = $self->post('/v1/auth/login/second-factor', { mfa_token => $token, code => $app->code });
        last if $reply->code ne 'invalid_code';
    }
    return $reply;
}

# Gets a second factor: the app and the recovery codes are the person's from then on. Dies when it is refused.
sub enrol($self) {
    my $begun = $self->post('/v1/me/second-factor');
    $begun->status == 201 or die 'enrolling: ' . $begun->summary . "\n";
    my $app  = Pets::Totp->from_uri($begun->json->{uri});
    my $done = $self->post('/v1/me/second-factor/confirm', { code => $app->code });
    $done->status == 200 or die 'confirming: ' . $done->summary . "\n";
    @$self{qw(app recovery_codes)} = ($app, $done->json->{recovery_codes});
    return $self;
}

sub logout($self) { return $self->post('/v1/auth/logout') }

package Pets::Client::Reply;

use v5.36;

sub new($class, $reply) { return bless $reply, $class }

sub status($self) { return $self->{status} }
sub body($self)   { return $self->{content} // '' }

# A header's value; several are joined by commas.
sub header($self, $name) {
    my $value = $self->{headers}{ lc $name };
    return ref $value ? join(', ', @$value) : $value;
}

sub type($self)     { return ($self->header('content-type') // '') =~ s/\s*;.*//r }
sub etag($self)     { return $self->header('etag') }
sub location($self) { return $self->header('location') }

# The body as data; undef when it is not JSON.
sub json($self) {
    return $self->{json} if exists $self->{json};
    return $self->{json} = $self->type =~ m{^application/(?:[\w.-]+\+)?json$} ? eval { $json->decode($self->body) } : undef;
}

# The code of a problem; empty for anything else.
sub code($self) {
    my $problem = $self->type eq 'application/problem+json' ? $self->json : undef;
    return ref $problem eq 'HASH' ? $problem->{code} // '' : '';
}

# Where the errors of a problem are, sorted.
sub pointers($self) {
    my $problem = $self->json;
    my $errors = ref $problem eq 'HASH' && ref $problem->{errors} eq 'ARRAY' ? $problem->{errors} : [];
    return sort map { $_->{pointer} // '?' } @$errors;
}

# In one line, for a diagnostic.
sub summary($self) { return $self->status . ' ' . substr $self->body, 0, 500 }

1;
