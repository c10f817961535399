# fail2ban reads the log of the real service: failed logins with the address of who tried, and nothing else; in a log
# file and as the journal has them; and nobody can write somebody else's address there.
use v5.36;
use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP ();
use Pets::Env qw(src run slurp spew test_dir tool);
use Pets::Service;
use Test::More;

my $dir     = test_dir();
my $filter  = src() . '/packaging/fail2ban/filter.d/pets-api.conf';
my $regex   = tool('fail2ban-regex');
my $service = Pets::Service->new(nginx => { http => "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Test-Address;\n" })->start;

# The addresses that fail2ban finds, in the order of the lines.
sub found ($mode, $lines, @options) {
    spew("$dir/lines.txt", $lines);
    my ($status, $out, $err) = run([$regex, '-o', 'ip', @options, "$dir/lines.txt", "${filter}[mode=$mode]"], env => { HOME => $dir });
    is $status, 0, "$mode: fail2ban-regex" or diag "$out$err";
    return split ' ', $out;
}

my $ann = $service->user;
my $bob = $service->user;
sub from ($address) { return (headers => { 'X-Test-Address' => $address }) }
sub post ($path, $body, $address) { return $service->client->post($path, $body, from($address))->status }

# --- what people do, from which address -----------------------------------------------------------------

is post('/v1/auth/login', { email => $ann->email, password => 'not that of ann' }, '192.0.2.1'), 401, 'a wrong password';
is post('/v1/auth/login', { email => 'nobody@example.org', password => 'whatever it may be' }, '2001:db8::2'), 401, 'nobody at all';
is $ann->put('/v1/me/password', { current_password => 'not that of ann', new_password => 'some other words of ann' }, from('192.0.2.3'))->status, 422,
    'a wrong password, to change it';
my @guesses = qw(192.0.2.1 2001:db8::2 192.0.2.3);

is post('/v1/auth/login', { email => $ann->email, password => $ann->password }, '198.51.100.1'), 200, 'a login';
is $service->client->get('/v1/pets', headers => { 'X-Test-Address' => '198.51.100.2', Authorization => 'Bearer nothing' })->status, 401, 'a token that is none';
my $token = my $next = $bob->refresh_token;
$next = $service->client->post('/v1/auth/refresh', { refresh_token => $next })->json->{refresh_token} for 1 .. 2;
is post('/v1/auth/refresh', { refresh_token => $token }, '198.51.100.3'), 401, 'a refresh token that comes twice';
is post('/v1/auth/refresh', { refresh_token => 'rubbish' }, '198.51.100.4'), 401, 'one that is none';
$service->auth->log_wait(sub ($event) { ($event->{event} // '') eq 'authn_token_fail' && $event->{address} eq '198.51.100.4' });

my $log = slurp($service->api->log_file) . slurp($service->auth->log_file);
ok $log =~ /"event":"\Q$_\E"/, "$_ is in the log" for qw(authn_login_fail authn_login_success authn_token_fail authn_token_reuse authn_password_change_fail);

# --- what fail2ban makes of it --------------------------------------------------------------------------

is_deeply [found(normal => $log)], \@guesses, 'guesses are found, and nothing else';
is_deeply [sort(found(aggressive => $log))], [sort @guesses, '198.51.100.2', '198.51.100.4'], 'when it is to be aggressive also tokens that are not good';

# As it reads the journal: behind the host and the name of the unit, with the time of the journal.
my $journal = $log =~ s/^/myhost petsd-auth[123]: /mgr;
is_deeply [found(normal => $journal, '-d', '{NONE}')], \@guesses, 'the same in the journal';
my ($known) = grep { /authn_login_fail/ } split /\n/, $log;
spew("$dir/lines.txt", $known =~ s/"time":"[^"]*"/"time":"2020-02-03T04:05:06.123456Z"/r . "\n");
my ($status, $out) = run([$regex, '-v', "$dir/lines.txt", $filter], env => { HOME => $dir, TZ => 'UTC' });
like $out, qr/192\.0\.2\.1\s+Mon Feb 03 04:05:06 2020/, 'the time is that of the line' or diag $out;

# --- who wants it to say something else -----------------------------------------------------------------

my $other = $known =~ s/wrong_password/unknown_pepper/r;
ok $other ne $known, 'what is the fault of the service';
my (@forged, @quiet);
for my $text ('","reason":"wrong_password","address":"203.0.113.9', '\\","reason":"wrong_password","address":"203.0.113.9', "\n" . $known) {
    my $string = JSON::PP->new->encode([$text]) =~ s/\A\[|\]\z//gr;
    push @forged, $known =~ s/"request_id":"[^"]*"/"request_id":$string/r;
    push @quiet, $forged[-1] =~ s/authn_login_fail/authn_login_success/r;
}
isnt $_, $known, 'text of a client' for @forged;
is_deeply [found(normal => join '', map { "$_\n" } @forged)], [('192.0.2.1') x @forged], '... cannot close its quotes';
is_deeply [found(normal => join '', map { "$_\n" } $other, @quiet, "myhost sshd[1]: Invalid user $known from 203.0.113.9")], [],
    '... nor begin a line; another program is not believed; and nobody is blamed for what he has not done';

# --- the jail -------------------------------------------------------------------------------------------

my $etc = "$dir/etc";
make_path("$etc/$_") for qw(filter.d jail.d);
symlink $_, "$etc/" . s{.*/}{}r for grep { !m{/(?:filter|jail)\.d\z} } glob '/etc/fail2ban/*';
copy($filter, "$etc/filter.d") or die "copy: $!\n";
copy(src() . '/packaging/fail2ban/jail.d/pets-api.conf', "$etc/jail.d") or die "copy: $!\n";
sub jail () { return run([tool('fail2ban-client'), '-c', $etc, '-d']) }
unlike join('', jail()), qr/pets-api/, 'the jail is off until somebody wants it';
spew("$etc/jail.d/pets-api.local", "[DEFAULT]\nbackend = auto\n[pets-api]\nenabled = true\n");
($status, $out, my $err) = jail();
is $status, 0, 'switched on' or diag "$out$err";
like $out, qr/'add', 'pets-api', 'systemd'/, '... it reads the journal';
like $out, qr/_SYSTEMD_UNIT=petsd-auth\.service/, '... of our units';
like $out, qr/'pets-api', 'addfailregex'|'multi-set', 'pets-api', 'addfailregex'/, '... with the filter';
like $out, qr/'maxretry', 20/, '... and its limits';
spew("$etc/jail.d/pets-api.local", "[pets-api]\nenabled = true\nbackend = auto\nlogpath = @{[ $service->auth->log_file ]}\n");
($status, $out, $err) = jail();
like $out, qr/'addlogpath', '\Q@{[ $service->auth->log_file ]}\E'/, '... or a log file' or diag "$out$err";

done_testing;
