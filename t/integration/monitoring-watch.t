# What petsd-watch writes for Prometheus: real certificates and backups, and jobs as a systemd of ours tells of them
# (the real one: ./t/run system). The file is whole at any time, and the manual lists what is in it.
use v5.36;
use Pets::CA;
use Pets::Env qw(src run slurp spew test_dir);
use Pets::Ops qw(parse_metrics);
use POSIX ();
use Test::More;

my $dir    = test_dir();
my $script = src() . '/packaging/watch';
my $file   = "$dir/pets-api.prom";

# Answers what the files say: enabled.NAME, and show.NAME.
mkdir "$dir/bin";
spew("$dir/bin/systemctl", <<"END", 0755);
#!/bin/sh
for last do :; done
case \$* in
  *is-enabled*) [ -e "$dir/enabled.\$last" ] ;;
  *=Version) [ ! -e "$dir/deaf" ] ;;
  *' show '* | 'show '*) cat "$dir/show.\$last" ;;
esac
END

sub state_is ($job, $active, $result, $code, $ended) {
    spew("$dir/show.petsd-$job.service", "ActiveState=$active\nResult=$result\nExecMainStatus=$code\nExecMainExitTimestamp=" . ($ended ? "\@$ended" : '') . "\n");
}

sub watch (%env) {
    my ($status, $out, $err) = run(['sh', $script, $file], env => { PATH => "$dir/bin:$ENV{PATH}", %env });
    is $status, 0, 'petsd-watch' or diag "$out$err";
    return parse_metrics(slurp($file))->{value};
}

sub success ($value, $task) { return $value->{qq(pets_job_success_seconds{task="$task"})} }

# --- jobs -----------------------------------------------------------------------------------------------

spew("$dir/enabled.petsd-prune.timer", '');
state_is(prune => 'inactive', 'success', 0, 0);
state_is(mail  => 'inactive', 'success', 0, 1_700_000_000);
my $before = time;
my $value  = watch();
is success($value, 'mail'), undef, 'a job that nobody wants is not watched';
cmp_ok success($value, 'prune'), '>=', $before, 'one that has never run is late from now on';
cmp_ok $value->{pets_watch_run_seconds}, '>=', $before, 'and when this was';
is((stat $file)[2] & 0777, 0644, 'others may read it');

spew("$dir/enabled.petsd-mail.timer", '');
is success(watch(), 'mail'), 1_700_000_000, 'when it has succeeded';
state_is(mail => 'activating', 'success', 0, 0);
is success(watch(), 'mail'), 1_700_000_000, '... is still known while it runs';
state_is(mail => 'failed', 'exit-code', 1, 1_700_000_060);
is success(watch(), 'mail'), 1_700_000_000, '... and when it fails';
state_is(mail => 'inactive', 'success', 0, 0);
is success(watch(), 'mail'), 1_700_000_000, '... and behind a boot';
state_is(mail => 'inactive', 'success', 0, 1_700_000_120);
is success(watch(), 'mail'), 1_700_000_120, 'until it succeeds again';

spew("$dir/enabled.petsd-doctor.timer", '');
state_is(doctor => 'inactive', 'success', 1, 1_700_000_180);
is success(watch(), 'doctor'), 1_700_000_180, 'a doctor who finds nothing but warnings has succeeded';
state_is(doctor => 'failed', 'exit-code', 2, 1_700_000_240);
is success(watch(), 'doctor'), 1_700_000_180, '... and has not when there is an error';
spew("$dir/deaf", '');
my $written = slurp($file);
isnt((run(['sh', $script, $file], env => { PATH => "$dir/bin:$ENV{PATH}" }))[0], 0, 'when systemd does not answer it fails');
is slurp($file), $written, '... and writes nothing, so that its file grows old';
unlink "$dir/deaf";

# --- backups and certificates ---------------------------------------------------------------------------

is success(watch(), 'backup'), undef, 'backups are watched when it is known where they are';
is success(watch(WATCH_BACKUP => "$dir/backup/*.dump"), 'backup'), 0, 'none';
mkdir "$dir/backup";
for my $n (1 .. 3) {
    spew("$dir/backup/$n.dump", '');
    utime 1_700_000_000 - $n * 60, 1_700_000_000 - $n * 60, "$dir/backup/$n.dump";
}
is success(watch(WATCH_BACKUP => "$dir/backup/*.dump $dir/backup/none"), 'backup'), 1_700_000_000 - 60, 'the newest counts';

my $ca = Pets::CA->new(dir => "$dir/tls");
my ($status, $ends) = run(['openssl', 'x509', '-noout', '-enddate', '-in', $ca->cert_file]);
chomp($ends = (run(['date', '-u', '-d', $ends =~ s/\AnotAfter=|\s+\z//gr, '+%s']))[1]);
spew(qq($dir/with "quotes" and \\.pem), 'nothing');
$value = watch(WATCH_CERTIFICATES => $ca->cert_file . " $dir/with*.pem");
is $value->{ qq(pets_certificate_expires_seconds{file="@{[ $ca->cert_file ]}"}) }, $ends, 'a certificate expires when openssl says';
is $value->{ qq(pets_certificate_expires_seconds{file="$dir/with \\"quotes\\" and \\\\.pem"}) } // $value->{ qq(pets_certificate_expires_seconds{file="$dir/with "quotes" and \\.pem"}) }, 0,
    'what is none has expired, and its name is escaped';

# --- whole at any time ----------------------------------------------------------------------------------

my $good = slurp($file);
spew("$dir/bin/date", "#!/bin/sh\nexit 1\n", 0755);
($status) = run(['sh', $script, $file], env => { PATH => "$dir/bin:$ENV{PATH}" });
isnt $status, 0, 'when it cannot go on it fails';
is slurp($file), $good, '... and leaves what there was';
is_deeply [glob "$file.*"], [], '... and nothing else';

my $metrics = parse_metrics($good);
my ($section) = slurp(src() . '/docs/manual.md') =~ /^## Monitoring\n(.*?)^## /ms;
my %listed = $section =~ /^\| `(pets_\w+)`(?: by \w+)? \| (\w+) \|/mg;
is_deeply \%listed, $metrics->{type}, 'the manual lists these';

done_testing;
