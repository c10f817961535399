# What becomes of the log behind the program: rsyslog takes lines out of the journal as they are, logrotate keeps
# thirty days, and so does the journal, by what is shipped for each.
use v5.36;
use IO::Socket::UNIX;
use JSON::PP ();
use Pets::Env qw(src run slurp spawn spew test_dir sock_dir tool wait_until find_program);
use Pets::Pool;
use Pets::Service;
use Test::More;

my $dir     = test_dir();
my $logging = src() . '/packaging/logging';

subtest 'rsyslog' => sub {
    my $shipped  = slurp("$logging/rsyslog-pets-api.conf");
    my $rsyslogd = tool('rsyslogd');
    my ($status, $out, $err) = run([$rsyslogd, '-N1', '-f', "$logging/rsyslog-pets-api.conf"]);
    is $status, 0, 'takes what is shipped' or diag "$out$err";
    ($status, $out, $err) = run([$rsyslogd, '-N1', '-f', spew("$dir/bad.conf", $shipped =~ s/omfile/nothing/r)]);
    isnt $status, 0, '... and would say if it did not';
    (my $remote = $shipped) =~ s/^  # (?=action|  )/  /mg;
    ($status, $out, $err) = run([$rsyslogd, '-N1', '-f', spew("$dir/remote.conf", $remote)]);
    ok $remote =~ /^  action\(type="omfwd"/m && "$out$err" !~ /syntax|parameter/, '... with what is commented out, too' or diag "$out$err";

    # An instance of our own, with the pipe that journald would have in its place.
    my $socket = sock_dir() . '/log';
    (my $config = $shipped) =~ s{/var/log/pets-api/petsd\.log}{$dir/rsyslog/petsd.log} or die 'no file';
    $config =~ s/fileGroup="adm"// or die 'no group';
    spew("$dir/rsyslog.conf", qq(global(workDirectory="$dir")\nmodule(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="$socket" CreatePath="off")\n$config\naction(type="omfile" file="$dir/rest.log")\n));
    my $rsyslog = spawn(name => 'rsyslogd', cmd => [$rsyslogd, '-n', '-i', "$dir/rsyslog.pid", '-f', "$dir/rsyslog.conf"], stderr => "$dir/rsyslog.err");
    wait_until { -S $socket } 30, 'rsyslog';
    my $service = Pets::Service->new->make_secrets;
    my $pool    = Pets::Pool->new(name => 'api', config => {
        log      => { level => 'debug' },
        database => { host => sock_dir(), user => 'pets_api' },
        token    => { issuer => $service->issuer, public_keys_dir => $service->public_keys_dir },
        http     => { cursor_key_file => $service->cursor_key_file('api') },
    });
    $pool->start(wait => 'up');
    $pool->log_wait(sub ($event) { ($event->{event} // '') eq 'database_connect_failed' });
    $pool->stop;
    my @lines = split /\n/, slurp($pool->log_file);
    cmp_ok scalar @lines, '>', 1, 'lines of a real pool';
    push @lines, JSON::PP->new->canonical->encode({ time => 'x', text => 'x' x 3900 });
    my $door = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $socket) or die "$socket: $!\n";
    $door->send("<30>Nov 24 18:00:00 petsd-api[12]: $_") for @lines;
    $door->send('<30>Nov 24 18:00:00 other[13]: {"event":"none of ours"}');
    $door->send('<30>Nov 24 18:00:00 petsd-api[12]: words of systemd');
    wait_until { -e "$dir/rest.log" && slurp("$dir/rest.log") =~ /words of systemd/ } 30, 'all of them';
    is slurp("$dir/rsyslog/petsd.log"), join('', map { "$_\n" } @lines), 'it writes them as they are';
    is((stat "$dir/rsyslog/petsd.log")[2] & 0777, 0640, '... not for everybody');
    my $rest = slurp("$dir/rest.log");
    is scalar(split /\n/, $rest), 2, 'what is not ours, or not a line of the program, goes its way';
    $rsyslog->stop;
};

subtest 'logrotate' => sub {
    my $shipped = slurp(src() . '/packaging/logrotate/pets-api');
    my %days;
    for my $block ($shipped =~ /^\S+ \{\n(.*?)^\}/msg) {
        $days{ join ' ', $block =~ /^\t(daily|rotate \d+|maxage \d+)\n/mg }++;
    }
    is $days{'daily rotate 30 maxage 30'}, scalar(() = $shipped =~ /^\/.*\{$/mg), 'thirty days, wherever a log is';
    my @places = $shipped =~ m{^(/\S+) \{}mg;
    my ($written) = slurp("$logging/rsyslog-pets-api.conf") =~ /file="([^"]+)"/;
    ok scalar(grep { my $pattern = quotemeta($_) =~ s/\\\*/[^\/]*/gr; $written =~ /\A$pattern\z/ } @places), 'that of rsyslog, too';

    # Old files go, new ones stay.
    mkdir "$dir/rotate";
    spew("$dir/rotate/petsd.log", "a line\n");
    my ($block) = $shipped =~ m{^(/var/log/pets-api/\*\.log \{.*?^\})}ms;
    $block =~ s{/var/log/pets-api}{$dir/rotate} or die 'no place';
    $block =~ s{^\tpostrotate.*?endscript\n}{}ms or die 'no postrotate';
    spew("$dir/rotate.conf", "$block\n");
    # Number 20 is older than it should be, as if nothing had been rotated for a while.
    for my $number (2 .. 30) {
        my $changed = time - ($number == 20 ? 40 : $number) * 86400 + 3600;
        utime $changed, $changed, spew("$dir/rotate/petsd.log.$number.gz", '');
    }
    my ($status, $out, $err) = run([tool('logrotate'), '--force', '--state', "$dir/rotate.state", "$dir/rotate.conf"]);
    is $status, 0, 'it rotates' or diag "$out$err";
    my @kept = sort { $a <=> $b } map { /\.log\.(\d+)/ ? $1 : () } glob "$dir/rotate/*";
    is "@kept", join(' ', 1, 3 .. 20, 22 .. 30), '... and keeps thirty, and nothing that is older than thirty days';
};

subtest 'the journal' => sub {
    my $shipped = slurp("$logging/journald-pets-api.conf");
    my %option = $shipped =~ /^(\w+)=(\S+)$/mg;
    is $option{MaxRetentionSec}, '30day', 'thirty days';
    is $option{MaxFileSec}, '1day', '... to a day';
    my $analyze = find_program('systemd-analyze');
    SKIP: {
        skip 'systemd is not here (./t/run system has it)', 1 if !$analyze;
        my ($status, $out) = run([$analyze, 'timespan', @option{qw(MaxRetentionSec MaxFileSec)}]);
        like $out, qr/: 2592000000000\n.*: 86400000000\n/s, 'systemd reads them so';
    }
};

done_testing;
