# The rules of Prometheus do what they say: each alert fires and does not fire where t/data has it so, has a section in
# the runbook, and the dashboard is one that Grafana takes. That both name what really exists: monitoring-live.
use v5.36;
use File::Copy qw(copy);
use JSON::PP ();
use Pets::Env qw(src run slurp spew test_dir tool);
use Test::More;
use YAML::PP;

my $monitoring = src() . '/packaging/monitoring';
my $dir        = test_dir();
my $promtool   = tool('promtool');
copy("$monitoring/prometheus/pets-api.rules.yml", $dir) or die "copy: $!\n";
copy(src() . '/t/data/pets-api.rules.test.yml', $dir)   or die "copy: $!\n";

sub passes ($name, @command) {
    my ($status, $out, $err) = run(\@command, dir => $dir);
    return is $status, 0, $name || diag "$out$err";
}

passes('the rules are well-formed', $promtool, qw(check rules pets-api.rules.yml));
passes('they fire where they should, and only there', $promtool, qw(test rules pets-api.rules.test.yml));
passes('the example of a configuration is well-formed', $promtool, qw(check config --syntax-only), "$monitoring/prometheus/prometheus.example.yml");
passes('that of Alertmanager, too', tool('amtool'), 'check-config', "$monitoring/alertmanager/alertmanager.example.yml");

my $yaml  = YAML::PP->new;
my $rules = $yaml->load_string(slurp("$dir/pets-api.rules.yml"));
my %alert = map { $_->{alert} ? ($_->{alert} => $_) : () } map { $_->{rules}->@* } $rules->{groups}->@*;

subtest 'both cases are tested' => sub {
    my %cases;
    for my $case (map { $_->{alert_rule_test}->@* } $yaml->load_string(slurp("$dir/pets-api.rules.test.yml"))->{tests}->@*) {
        $cases{ $case->{alertname} }{ $case->{exp_alerts}->@* ? 'fires' : 'rests' } = 1;
    }
    is_deeply [sort keys %cases], [sort keys %alert], 'of every alert';
    is join(' ', sort keys $cases{$_}->%*), 'fires rests', $_ for sort keys %cases;

    # A test that fires whatever the rule says would not notice this.
    my $changed = slurp("$dir/pets-api.rules.yml");
    ok $changed =~ s/(PetsListenQueue\n\s+expr: .*) > 0\.5/$1 > 0.9/, 'a rule with another threshold';
    mkdir "$dir/changed";
    spew("$dir/changed/pets-api.rules.yml", $changed);
    my ($one) = slurp("$dir/pets-api.rules.test.yml") =~ /^(  - interval: [^#]*?alertname: PetsListenQueue.*?)^  (?:-|#)/ms;
    spew("$dir/changed/pets-api.rules.test.yml", "rule_files: [pets-api.rules.yml]\nevaluation_interval: 1m\ntests:\n$one");
    my ($status, $out, $err) = run([$promtool, qw(test rules pets-api.rules.test.yml)], dir => "$dir/changed");
    isnt $status, 0, '... fails';
    like $out . $err, qr/PetsListenQueue/, '... by its name';
};

subtest 'the runbook' => sub {
    my $text = slurp(src() . '/docs/runbook.md');
    my %section = $text =~ /^## (\w+)\n\n(\w+)\. /mg;
    is_deeply [sort keys %section], [sort keys %alert], 'has a section for each alert, and no other' or diag explain [$text =~ /^## (.*)/mg];
    my %word = (page => 'Page', warn => 'Warn');
    for my $name (sort keys %alert) {
        is $alert{$name}{annotations}{runbook_url}, 'file:///usr/share/doc/pets-api-monitoring/runbook.md#' . lc $name, "$name points there";
        is $section{$name}, $word{ $alert{$name}{labels}{severity} }, '... and is as urgent as it says';
        like $alert{$name}{annotations}{summary}, qr/\S+ \S+/, '... with a summary';
    }
    my %anchor = map { lc s/ /-/gr => 1 } map { slurp($_) =~ /^#+ (.*)/mg } src() . '/docs/runbook.md', src() . '/docs/manual.md';
    is_deeply [grep { !$anchor{$_} } $text =~ /\]\((?:manual\.md)?#([\w-]+)\)/g], [], 'its links lead somewhere';
};

subtest 'the dashboard' => sub {
    my $dashboard = JSON::PP->new->utf8->decode(slurp("$monitoring/grafana/pets-api.json"));
    is $dashboard->{id}, undef, 'Grafana gives it a number';
    ok $dashboard->{$_}, "... it has $_" for qw(uid title schemaVersion panels templating);
    my %variable = map { $_->{name} => $_ } $dashboard->{templating}{list}->@*;
    is_deeply [sort keys %variable], [qw(datasource instance pool)], 'variables';
    is "$variable{datasource}{type} $variable{datasource}{query}", 'datasource prometheus', 'any Prometheus may be its source';

    my (%id, %place, @expr);
    for my $panel ($dashboard->{panels}->@*) {
        ok !$id{ $panel->{id} }++, "panel $panel->{id}, $panel->{title}";
        my ($x, $y, $w, $h) = $panel->{gridPos}->@{qw(x y w h)};
        my @taken = grep { $place{$_}++ } map { my $i = $_; map { "$i," . $_ } $y .. $y + $h - 1 } $x .. $x + $w - 1;
        is "@taken", '', '... has a place of its own';
        next if $panel->{type} eq 'row';
        is $_->{datasource}{uid}, '${datasource}', '... asks the source that was chosen' for $panel, $panel->{targets}->@*;
        push @expr, map { $_->{expr} } $panel->{targets}->@*;
    }
    push @expr, map { $_->{expr} } $dashboard->{annotations}{list}->@*;
    cmp_ok scalar @expr, '>', 40, 'expressions';
    is_deeply [grep { !$variable{$_} && $_ ne '__rate_interval' } map { /\$\{?(\w+)/g } @expr], [], 'know no other variables';
    s/\$__rate_interval/5m/g, s/\$\w+/.*/g for @expr;
    my $record = 0;
    spew("$dir/dashboard.yml", $yaml->dump_string({ groups => [{ name => 'panels', rules => [map { { record => 'panel:' . $record++, expr => $_ } } @expr] }] }));
    passes('are well-formed', $promtool, qw(check rules dashboard.yml));
};

done_testing;
