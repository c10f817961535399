# FastCGI, record by record, against one worker: what is right in any form is served, what is wrong costs its
# sender the connection and nobody else anything. After every row the same worker must still serve.
use v5.36;
use Pets::Direct;
use Pets::Env qw(wait_until);
use Pets::FastCGI;
use Test::More;
use Time::HiRes qw(time sleep);

use constant MAX_BODY => 4096;
my $F = 'Pets::FastCGI';
my $service
    = Pets::Direct->new(config => { api => { pool => { io_timeout_ms => 1000 }, http => { max_body_bytes => MAX_BODY } } })->start;
my $api   = $service->api;
my $token = $service->token;
my ($pid) = $service->serving;

# The worker is the same and serves, at once.
sub healthy ($after) {
    my $start = time;
    my $reply = $api->connect->request(uri => '/v1/pets', token => $token);
    my $took  = time - $start;
    ok $reply->{status} == 200 && $took < 4, "$after: then others are served"
        or diag sprintf '%s after %.3f s', $reply->{status} // 'nothing', $took;
    is join(' ', $service->serving), $pid, "$after: by the same worker";
    return;
}

# Sends bytes; the connection must be closed without an answer, within the time that a peer is given.
sub refused ($name, $bytes) {
    my $connection = $api->connect;
    my $start      = time;
    $connection->raw($bytes);
    my $reply = eval { $connection->response(1, 20) };
    my $took  = time - $start;
    ok $reply && !$reply->{complete} && $reply->{raw} eq '', "$name: closed without an answer" or diag $@, explain $reply;
    cmp_ok $took, '<', 4, "$name: in time";
    return;
}

subtest 'a request may come in any pieces' => sub {
    my $body    = { name => 'Piece', species => 'dog' };
    my %request = (method => 'POST', uri => '/v1/pets', body => $body, token => $token, keep => 1);
    my $whole   = $F->request_bytes(%request);
    my $connection = $api->connect;
    my $bad = 0;
    for my $at (1 .. length($whole) - 1) {
        $connection->raw(substr $whole, 0, $at);
        select undef, undef, undef, 0.0005 if $at % 7 == 0;
        $connection->raw(substr $whole, $at);
        my $reply = $connection->response(1, 30);
        $bad++ if ($reply->{status} // 0) != 201;
    }
    is $bad, 0, 'split at every one of ' . (length($whole) - 1) . ' boundaries, on one connection';
    my $get = $F->request_bytes(uri => '/nowhere', keep => 1);
    ok $connection->dribble($get, 1, 0), 'a byte at a time';
    is $connection->response(1, 30)->{status}, 404, '... is answered';
    healthy('pieces');
};

subtest 'padding, many records, reserved bytes' => sub {
    my $connection = $api->connect;
    my $params     = $F->pairs($F->request_params(uri => '/v1/pets', token => $token, method => 'POST', body => '{"name":"P","species":"cat"}'));
    for my $padding (0, 1, 7, 255) {
        for my $size (1, 3, 100, 65_535) {
            my $bytes = $F->record(1, 1, pack('nCx5', 1, 1), reserved => 255);
            for (my $at = 0; $at < length $params; $at += $size) {
                $bytes .= $F->record(4, 1, substr($params, $at, $size), padding => $padding);
            }
            # libfcgi knows no padding of BEGIN and of the empty records; no web server pads them.
            $bytes .= $F->record(4, 1);
            $bytes .= $F->record(5, 1, $_, padding => $padding) for '{"name":"P",', '"species":"cat"}';
            $bytes .= $F->record(5, 1);
            $connection->raw($bytes);
            my $reply = eval { $connection->response(1, 30) } // {};
            is $reply->{status}, 201, "$padding bytes of padding, records of $size" or diag explain $reply;
        }
    }
    healthy('padding');
};

subtest 'parameters of every size' => sub {
    my $connection = $api->connect;
    for my $size (0, 1, 127, 128, 129, 8191, 8192, 8193, 70_000) {
        my $reply = $connection->request(uri => '/v1/pets', token => $token, params => { X_LONG => 'x' x $size, '' => '', X_EMPTY => '' });
        is $reply->{status}, 200, "a value of $size bytes";
    }
    my $reply = $connection->request(uri => '/v1/pets?q=' . 'x' x 20_000, token => $token);
    is $reply->{json}{code}, 'invalid_parameter', 'a long query string is refused as such';
    $reply = $connection->request(uri => '/' . 'x' x 60_000, token => $token);
    is $reply->{status}, 404, 'a long path';
    $reply = $connection->request(uri => '/v1/pets', token => 'x' x 60_000);
    is $reply->{json}{code}, 'token_invalid', 'a long token';
    $reply = $connection->request(uri => '/v1/pets', params => { map { ("X_$_" => $_) } 1 .. 2000 });
    is $reply->{json}{code}, 'token_missing', 'two thousand parameters';
    $connection->raw($F->request_bytes(uri => '/nowhere', keep => 1) =~ s/REQUEST_URI/request_uri/r);
    is $connection->response(1)->{status}, 404, 'names are told apart by case';
    refused('an endless name', $F->record(1, 1, pack 'nCx5', 1, 1) . $F->record(4, 1, pack('NN', 0xffffffff, 0xffffffff) . 'x' x 1000) . $F->record(4, 1) . $F->record(5, 1));
    refused('a name cut short',  $F->record(1, 1, pack 'nCx5', 1, 1) . $F->record(4, 1, pack('CC', 100, 1) . 'x') . $F->record(4, 1) . $F->record(5, 1));
    refused('a length cut short', $F->record(1, 1, pack 'nCx5', 1, 1) . $F->record(4, 1, "\x80\x00") . $F->record(4, 1) . $F->record(5, 1));
    healthy('parameters');
};

subtest 'bodies at their limits' => sub {
    my $connection = $api->connect;
    my $body = sub ($size) {
        my $text = '{"name":"B","species":"dog"}';
        return $text . ' ' x ($size - length $text);
    };
    my %post = (method => 'POST', uri => '/v1/pets', token => $token);
    is $connection->request(%post, body => $body->(MAX_BODY - 1))->{status}, 201, 'one byte less';
    is $connection->request(%post, body => $body->(MAX_BODY))->{status}, 201, 'exactly as much as is allowed';
    for my $more (1, 2, 10_000, 1_000_000) {
        my $reply = $connection->request(%post, body => $body->(MAX_BODY + $more));
        is $reply->{json}{code}, 'payload_too_large', "$more bytes more: 413, and the connection is kept";
    }
    is $connection->request(%post, body => '')->{json}{code}, 'invalid_json', 'none at all';
    for my $length ('-1', '+5', '5x', ' 5', '1e3', '0x10', '18446744073709551615', '99999999999999999999', '4', '6', '1000000') {
        refused("CONTENT_LENGTH '$length' for 5 bytes", $F->request_bytes(%post, body => 'xxxxx', length => $length, keep => 1));
    }
    refused('CONTENT_LENGTH absent', $F->request_bytes(%post, body => 'xxxxx', params => { CONTENT_LENGTH => undef }, keep => 1));
    is $connection->request(%post, body => '', params => { CONTENT_LENGTH => undef })->{status}, 400, 'absent, and no body either';
    healthy('bodies');
};

subtest 'what is no request' => sub {
    my $params = $F->stream(4, 1, $F->pairs($F->request_params(uri => '/nowhere')));
    my $begin  = $F->record(1, 1, pack 'nCx5', 1, 1);
    my $end    = $F->record(5, 1);
    refused('role authorizer',  $F->record(1, 1, pack 'nCx5', 2, 1) . $params . $end);
    refused('role filter',      $F->record(1, 1, pack 'nCx5', 3, 1) . $params . $end);
    refused('role 0',           $F->record(1, 1, pack 'nCx5', 0, 1) . $params . $end);
    refused('role 65535',       $F->record(1, 1, pack 'nCx5', 65_535, 1) . $params . $end);
    refused('version 0',        $F->record(1, 1, pack('nCx5', 1, 1), version => 0) . $params . $end);
    refused('version 2 inside', $begin . $params . $F->record(5, 1, '', version => 2));
    refused('request id 0',     $F->record(1, 0, pack 'nCx5', 1, 1) . $params . $end);
    refused('a short BEGIN',    $F->record(1, 1, pack 'nC', 1, 1) . $params . $end);
    refused('a long BEGIN',     $F->record(1, 1, pack('nCx5', 1, 1) . 'x') . $params . $end);
    refused('no BEGIN',         $params . $end);
    refused('another language', "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    refused('zeros',            "\0" x 100);
    refused('ones',             "\xff" x 100);
    refused('an abort', $begin . $F->record(2, 1));
    refused('an abort in the body', $begin . $params . $F->record(5, 1, 'half') . $F->record(2, 1));
    refused('half a header', "\1");
    refused('no more than BEGIN', $begin);
    refused('parameters without end', $begin . $F->record(4, 1, 'x' x 10));
    refused('a body without end', $begin . $params . $F->record(5, 1, 'x'));
    refused('an unknown record', $F->record(99, 1, 'x'));
    healthy('nonsense');
};

subtest 'management records and multiplexing' => sub {
    my $connection = $api->connect;
    $connection->send_record(9, 0, $F->pairs({ FCGI_MPXS_CONNS => '' }));
    my $record = eval { $connection->read_record(20) };
    ok !$@, 'GET_VALUES alone: an answer or an end, no hanging';
    healthy('GET_VALUES');

    # A second request on the connection, while the first is not whole.
    $connection = $api->connect;
    my $params = $F->stream(4, 1, $F->pairs($F->request_params(uri => '/nowhere')));
    $connection->raw($F->record(1, 1, pack 'nCx5', 1, 1) . $params . $F->record(1, 2, pack 'nCx5', 1, 1)
            . $F->stream(4, 2, $F->pairs($F->request_params(uri => '/v1/pets'))) . $F->record(5, 2) . $F->record(5, 1));
    my %ended;
    while (keys %ended < 2 && (my $next = $connection->read_record(30))) {
        $ended{ $next->{id} } = [unpack 'NC', $next->{content}] if $next->{type} == 3;
    }
    is_deeply $ended{2}, [0, 1], 'multiplexed: CANT_MPX_CONN for the second';
    is_deeply $ended{1}, [0, 0], 'multiplexed: the first is served';
    is $connection->request(uri => '/nowhere')->{status}, 404, 'and the connection can be used further';

    # Records of other requests do not become part of this one.
    $connection->raw($F->record(1, 1, pack 'nCx5', 1, 1) . $F->record(5, 7, 'x') . $params . $F->record(5, 7, 'y') . $F->record(5, 1));
    is eval { $connection->response(1, 30)->{status} }, 404, 'foreign records are skipped';
    healthy('multiplexing');

    # libfcgi can be made to end the process by this; then the worker is replaced and the pool serves on.
    my %deadly = (
        'a flood of GET_VALUES' => $F->record(9, 0, $F->pairs([map { ['FCGI_MPXS_CONNS', ''] } 1 .. 40])),
    );
    for my $name (sort keys %deadly) {
        $connection = $api->connect;
        $connection->raw($deadly{$name});
        eval { $connection->closes(2) };
        my $served = wait_until { (eval { $api->connect->request(uri => '/v1/pets', token => $token) } // {})->{status} } 30, 'a worker';
        is $served, 200, "$name: the pool serves";
    }
    ($pid) = $service->serving;
};

subtest 'the connection is kept, or not' => sub {
    my $connection = $api->connect;
    my $reply      = $connection->request(uri => '/nowhere', keep => 0);
    is $reply->{status}, 404, 'without keep_conn: answered';
    ok $connection->closes(30), '... and closed';
    $connection = $api->connect;
    my $served = 0;
    for my $i (1 .. 1000) {
        my $answer = $connection->request(uri => $i % 2 ? '/v1/pets?limit=1' : '/nowhere', token => $token);
        $served++ if $answer->{complete} && $answer->{status} == ($i % 2 ? 200 : 404);
    }
    is $served, 1000, 'a thousand requests on one connection';

    # A request whose end came with it is answered; then the connection goes.
    my $before = $api->status->{connections};
    my @half   = map { $api->connect } 1 .. 5;
    for my $each (@half) {
        $each->raw($F->request_bytes(uri => '/nowhere', keep => 1));
        shutdown $each->socket, 1;
    }
    is scalar(grep { (eval { $_->response(1, 30)->{status} } // 0) == 404 } @half), 5, 'half-closed by the peer: answered';
    is scalar(grep { $_->closes(30) } @half), 5, '... and closed';
    wait_until { $api->status->{connections} <= $before } 30, 'the connections to be forgotten';
    healthy('half-closed');
};

subtest 'methods' => sub {
    my $connection = $api->connect;
    my $get  = $connection->request(uri => '/v1/pets?limit=1', token => $token);
    my $head = $connection->request(uri => '/v1/pets?limit=1', token => $token, method => 'HEAD');
    is $head->{status}, 200, 'HEAD';
    is $head->{body},   '',  '... has no body';
    is $head->{headers}{'content-length'}, length $get->{body}, '... and says how long it would be';
    my $options = $connection->request(uri => '/v1/pets', method => 'OPTIONS');
    is $options->{status}, 204, 'OPTIONS needs no token';
    is $options->{headers}{allow}, 'GET, HEAD, POST, OPTIONS', '... and tells the methods';
    for ([PUT => 405], [BREW => 501], [get => 501], ['' => 501], ["GET\r\nX: y" => 501], ['x' x 5000 => 501]) {
        my $reply = $connection->request(uri => '/v1/pets', method => $_->[0], token => $token);
        is $reply->{status}, $_->[1], 'method ' . substr($_->[0], 0, 10) =~ s/[\r\n]/./gr;
        ok defined $reply->{json}{trace_id}, '... a problem';
    }
    is $connection->request(uri => '/v1/pets', params => { REQUEST_METHOD => undef })->{status}, 501, 'no method';
    is $connection->request(params => { REQUEST_URI => undef })->{status}, 404, 'no target';
    my $reply = $connection->request(uri => "/v1/pets/\xff\"\r\nX: y", token => $token);
    is $reply->{status}, 404, 'a target of odd bytes';
    is $reply->{json}{instance}, '/v1/pets/%FF%22%0D%0AX:%20y', '... is shown in ASCII';
    is $reply->{headers}{x}, undef, '... and makes no header';
    $connection->request(method => 'POST', uri => '/v1/pets', token => $token, body => { name => 'L', species => 'cat' }) for 1 .. 2;
    $reply = $connection->request(uri => '/v1/%70ets?limit=1&q=l%0d%0aX:%20y', token => $token);
    is $reply->{json}{code}, 'invalid_parameter', 'CR and LF are no part of a search';
    $reply = $connection->request(uri => '/v1/%70ets?limit=1&q=L', token => $token);
    like $reply->{headers}{link}, qr{\A</v1/%70ets\?limit=1&cursor=[\w-]+&q=L>; rel="next"\z}, 'Link holds nothing else';
    healthy('methods');
};

is $api->stop, 0, 'the pool ends in order';
done_testing;
