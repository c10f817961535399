package Pets::FastCGI;

=head1 NAME

Pets::FastCGI - a FastCGI client that can also behave badly

=head1 WHY

nginx only ever sends what is right. To see what a pool does with the rest, a test must own every byte:
records out of order, cut short, interleaved, dribbled, with lengths that lie. So there are two levels. A
whole, proper request:

    my $connection = Pets::FastCGI->new('/path/api.sock');         # or host:port
    my $reply = $connection->request(method => 'GET', uri => '/v1/pets', token => $token);
    is $reply->{status}, 200;   # also: headers (lower-case names), body, json, stderr, app_status, protocol_status

and single records, of which that is made:

    $connection->begin(1, keep => 1);
    $connection->params(1, \%params);      # as many as wanted; params_end ends the stream
    $connection->params_end(1);
    $connection->stdin(1, 'half a bo');
    $connection->abort(1);
    my $record = $connection->read_record(2);      # {type, id, content}; undef at the end of the stream
    my $reply  = $connection->response(1, 2);      # collects until END_REQUEST or the end of the stream
    $connection->raw($bytes);                      # anything at all
    $connection->dribble($bytes, 3, 0.01);         # three bytes at a time

Waiting is always bounded; a time-out dies.

=cut

use v5.36;
use Errno qw(EAGAIN EINTR EPIPE ECONNRESET);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use Pets::Env qw(random_hex);
use Pets::Secrets qw(note_secret note_secrets_in);
use Time::HiRes qw(sleep time);

use constant {
    FCGI_BEGIN_REQUEST     => 1,
    FCGI_ABORT_REQUEST     => 2,
    FCGI_END_REQUEST       => 3,
    FCGI_PARAMS            => 4,
    FCGI_STDIN             => 5,
    FCGI_STDOUT            => 6,
    FCGI_STDERR            => 7,
    FCGI_DATA              => 8,
    FCGI_GET_VALUES        => 9,
    FCGI_GET_VALUES_RESULT => 10,
    FCGI_UNKNOWN_TYPE      => 11,

    FCGI_RESPONDER  => 1,
    FCGI_AUTHORIZER => 2,
    FCGI_FILTER     => 3,
};

# Connects; dies when that fails, with the reason.
sub new($class, $address, %option) {
    my $socket = $address =~ m{^/}
        ? IO::Socket::UNIX->new(Peer => $address)
        : IO::Socket::INET->new(PeerAddr => $address, Timeout => 20);
    $socket or die "cannot connect to $address: $!\n";
    return bless { socket => $socket, in => '', timeout => $option{timeout} // 30, last_id => 0 }, $class;
}

sub socket($self) { return $self->{socket} }

sub close($self) {
    CORE::close($self->{socket}) if $self->{socket};
    $self->{socket} = undef;
    return;
}

# --- records --------------------------------------------------------------------------------------------

# The bytes of one record. Options to lie with: version, length, padding, reserved.
sub record($class, $type, $id, $content = '', %option) {
    my $padding = $option{padding} // 0;
    return pack('CCnnCC',
        $option{version} // 1, $type, $id, $option{length} // length $content, $padding, $option{reserved} // 0)
        . $content . "\0" x $padding;
}

# The bytes of name-value pairs, from a hash or from a list of [name, value].
sub pairs($class, $params) {
    my @list = ref $params eq 'HASH' ? map { [$_, $params->{$_}] } sort keys %$params : @$params;
    my $bytes = '';
    for my $pair (@list) {
        my ($name, $value) = @$pair;
        $bytes .= join '', map { length > 127 ? pack('N', 0x80000000 | length) : pack('C', length) } $name, $value;
        $bytes .= $name . $value;
    }
    return $bytes;
}

# The bytes of a stream: as many records as it takes, and the empty one that ends it.
sub stream($class, $type, $id, $bytes, %option) {
    my $size    = $option{record} // 32_768;
    my $records = '';
    for (my $at = 0; $at < length $bytes; $at += $size) {
        $records .= $class->record($type, $id, substr $bytes, $at, $size);
    }
    return $records . ($option{open} ? '' : $class->record($type, $id));
}

# Writes bytes as they are. False when the other side has closed.
sub raw($self, $bytes) {
    my $end = time + $self->{timeout};
    while (length $bytes) {
        my $wrote = syswrite $self->{socket}, $bytes;
        if (!defined $wrote) {
            next if $! == EINTR;
            return 0 if $! == EPIPE || $! == ECONNRESET;
            die "writing to the pool: $!\n";
        }
        substr $bytes, 0, $wrote, '';
        die "the pool takes no more bytes\n" if time > $end;
    }
    return 1;
}

# Writes so many bytes at a time with a pause after each.
sub dribble($self, $bytes, $size, $pause) {
    while (length $bytes) {
        $self->raw(substr $bytes, 0, $size, '') or return 0;
        sleep $pause;
    }
    return 1;
}

sub send_record($self, $type, $id, $content = '', %option) {
    return $self->raw($self->record($type, $id, $content, %option));
}

sub begin($self, $id, %option) {
    return $self->send_record(FCGI_BEGIN_REQUEST, $id, pack('nCx5', $option{role} // FCGI_RESPONDER, $option{keep} ? 1 : 0));
}

sub params($self, $id, $params) { return $self->send_record(FCGI_PARAMS, $id, $self->pairs($params)) }
sub params_end($self, $id)      { return $self->send_record(FCGI_PARAMS, $id) }
sub stdin($self, $id, $bytes)   { return $self->raw($self->stream(FCGI_STDIN, $id, $bytes, open => 1)) }
sub stdin_end($self, $id)       { return $self->send_record(FCGI_STDIN, $id) }
sub abort($self, $id)           { return $self->send_record(FCGI_ABORT_REQUEST, $id) }

# The next record; undef at the end of the stream (or a reset). Dies when the time is up.
sub read_record($self, $seconds = $self->{timeout}) {
    my $end = time + $seconds;
    while (1) {
        if (length $self->{in} >= 8) {
            my (undef, $type, $id, $length, $padding) = unpack 'CCnnC', $self->{in};
            if (length $self->{in} >= 8 + $length + $padding) {
                my $content = substr $self->{in}, 8, $length;
                substr $self->{in}, 0, 8 + $length + $padding, '';
                return { type => $type, id => $id, content => $content };
            }
        }
        $self->fill($end - time) or return undef;
    }
}

# Reads what there is, waiting for it; false at the end of the stream.
sub fill($self, $seconds) {
    IO::Select->new($self->{socket})->can_read($seconds > 0 ? $seconds : 0) or die "the pool did not answer in time\n";
    my $got = sysread $self->{socket}, $self->{in}, 65_536, length $self->{in};
    return 1 if $got || (!defined $got && $! == EINTR);
    return 0;
}

# Whether the pool closes the connection within so many seconds (what it sends before is thrown away).
sub closes($self, $seconds) {
    my $end = time + $seconds;
    while (1) {
        my $open = eval { $self->fill($end - time) } // return 0;
        return 1 if !$open;
        $self->{in} = '';
    }
}

# --- requests -------------------------------------------------------------------------------------------

# The parameters nginx would pass for such a request. Known options: method, uri, type, body, token,
# accept, if_match, if_none_match, user_agent, address, id (the request's), length, and params (a hash that
# is added at last; an undefined value takes one away).
sub request_params($class, %option) {
    my %params = (
        REQUEST_METHOD => $option{method} // 'GET',
        REQUEST_URI    => $option{uri}    // '/',
        CONTENT_TYPE   => $option{type}   // (defined $option{body} ? 'application/json' : ''),
        CONTENT_LENGTH => $option{length} // (defined $option{body} ? length $option{body} : ''),
        REQUEST_ID     => $option{id} // random_hex(16),
        REMOTE_ADDR    => $option{address} // '127.0.0.1',
    );
    $params{HTTP_AUTHORIZATION} = "Bearer $option{token}" if defined $option{token};
    note_secret(token => $option{token});
    note_secrets_in($option{body});
    for my $name (qw(accept if_match if_none_match user_agent)) {
        $params{ 'HTTP_' . uc $name } = $option{$name} if defined $option{$name};
    }
    my $more = $option{params} // {};
    for my $name (keys %$more) {
        if (defined $more->{$name}) { $params{$name} = $more->{$name} }
        else                        { delete $params{$name} }
    }
    return \%params;
}

# The bytes of a whole request. Options as above, and keep, id_number (the record's request id).
sub request_bytes($class, %option) {
    my $id   = $option{id_number} // 1;
    my $body = $option{body}      // '';
    $body = JSON::PP->new->utf8->canonical->encode($body) if ref $body;
    return $class->record(FCGI_BEGIN_REQUEST, $id, pack 'nCx5', FCGI_RESPONDER, $option{keep} ? 1 : 0)
        . $class->stream(FCGI_PARAMS, $id, $class->pairs($class->request_params(%option, defined $option{body} ? (body => $body) : ())))
        . $class->stream(FCGI_STDIN, $id, $body);
}

# Sends a whole request and waits for its reply. Keeps the connection unless told keep => 0.
sub request($self, %option) {
    my $id = $option{id_number} // ++$self->{last_id};
    $self->raw($self->request_bytes(keep => 1, %option, id_number => $id));
    return $self->response($id, $option{timeout} // $self->{timeout});
}

# Collects the records of one request until it ends. A reply that the end of the stream cut short has no
# app_status; complete says so too.
sub response($self, $id, $seconds = $self->{timeout}) {
    my $end = time + $seconds;
    my ($out, $err) = ('', '');
    my %reply = (complete => 0);
    while (my $record = $self->read_record($end - time)) {
        next if $record->{id} != $id;
        if    ($record->{type} == FCGI_STDOUT) { $out .= $record->{content} }
        elsif ($record->{type} == FCGI_STDERR) { $err .= $record->{content} }
        elsif ($record->{type} == FCGI_END_REQUEST) {
            @reply{qw(app_status protocol_status)} = unpack 'NC', $record->{content};
            $reply{complete} = 1;
            last;
        }
    }
    return { %reply, stderr => $err, raw => $out, %{ $self->parse($out) } };
}

# A CGI answer: status, headers (names in lower case; several values joined by commas), body, and json if
# it is that.
sub parse($class, $out) {
    my ($head, $body) = split /\r?\n\r?\n/, $out, 2;
    my %headers;
    for my $line (split /\r?\n/, $head // '') {
        my ($name, $value) = $line =~ /^([^:\s]+):\s*(.*?)\s*$/ or next;
        $name = lc $name;
        $headers{$name} = exists $headers{$name} ? "$headers{$name}, $value" : $value;
    }
    my ($status) = ($headers{status} // '') =~ /^(\d{3})/;
    $status //= length $out ? 200 : undef;
    my $json;
    if (($headers{'content-type'} // '') =~ m{^application/(?:[\w.-]+\+)?json\b} && length($body // '')) {
        $json = eval { JSON::PP->new->utf8->decode($body) };
        note_secrets_in($json);
    }
    return { status => $status, headers => \%headers, body => $body // '', json => $json };
}

# One request on a connection of its own.
sub get($class, $address, $uri, %option) {
    my $connection = $class->new($address);
    my $reply      = $connection->request(uri => $uri, keep => 0, %option);
    $connection->close;
    return $reply;
}

1;
