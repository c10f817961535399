package Pets::CA;

# A throw-away certificate authority with one server certificate, for tests. Real names and real
# verification (curl --cacert) find mistakes that `curl -k` hides. Everything is made by the openssl
# command, ECDSA P-256, valid for two days unless `days` says otherwise, in a folder of the caller's.
#
#   my $ca = Pets::CA->new(dir => $dir);      # $ca->ca_file, ->cert_file, ->key_file
#   my ($cert, $key) = $ca->issue('client');                # another certificate of the same authority
#   my ($cert, $key) = $ca->issue('old', rsa => 1, names => ['DNS:localhost']);

use v5.36;
use File::Path qw(make_path);

sub new ($class, %option) {
    my $self = bless {dir => $option{dir} // die 'Pets::CA: dir is missing'}, $class;
    make_path($self->{dir});
    $self->{names} = $option{names} // ['DNS:localhost', 'DNS:pets.test', 'IP:127.0.0.1'];
    _openssl(
        qw(req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days), $option{days} // 2, '-subj',
        '/CN=pets-api throw-away CA', '-keyout', $self->_path('ca.key'), '-out', $self->ca_file,
        '-addext', 'keyUsage=critical,keyCertSign,cRLSign'
    );
    $self->issue('server', names => $self->{names}, days => $option{days} // 2);
    return $self;
}

sub ca_file   ($self) { return $self->_path('ca.pem') }
sub cert_file ($self) { return $self->_path('server.pem') }
sub key_file  ($self) { return $self->_path('server.key') }

# Returns the files of a certificate and its key, signed by this authority.
sub issue ($self, $name, %option) {
    my @alternatives = @{$option{names} // ["DNS:$name"]};
    my @algorithm    = $option{rsa} ? ('rsa:2048') : qw(ec -pkeyopt ec_paramgen_curve:P-256);
    my ($request, $extensions) = ($self->_path("$name.csr"), $self->_path("$name.ext"));
    my ($certificate, $key)    = ($self->_path("$name.pem"), $self->_path("$name.key"));
    _openssl(
        qw(req -new -nodes -newkey), @algorithm, '-subj', "/CN=$name",
        '-keyout', $key, '-out', $request
    );
    open my $file, '>', $extensions or die "$extensions: $!";
    say $file 'basicConstraints=critical,CA:FALSE';
    say $file 'subjectAltName=' . join ',', @alternatives;
    close $file or die "$extensions: $!";
    _openssl(
        qw(x509 -req -days), $option{days} // 2, qw(-CAcreateserial -in),
        $request, '-CA', $self->ca_file, '-CAkey', $self->_path('ca.key'),
        '-extfile', $extensions, '-out', $certificate
    );
    return ($certificate, $key);
}

sub _path ($self, $name) { return "$self->{dir}/$name" }

# openssl is talkative on success; what it says is shown only if it fails. Keys come out private.
sub _openssl (@arguments) {
    my $mask = umask 0077;
    my $pid  = open my $output, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die "dup: $!";
        exec 'openssl', @arguments or die "openssl: $!";
    }
    my $said = do { local $/ = undef; <$output> };
    close $output or die "openssl $arguments[0] failed: $said";
    umask $mask;
    return;
}

1;
