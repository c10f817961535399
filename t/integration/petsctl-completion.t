# What bash completes of petsctl's command line, in a bash that reads keys: each line is typed, completed once, and
# taken away again, and what the script has answered (COMPREPLY) is written down. It is compared with what --help says
# that there is, verb by verb, so that nothing is offered that the tool does not take, and nothing is missing.
use v5.36;
use Pets::Env qw(bin run slurp spew test_dir find_program);
use Test::More;

my $dir     = test_dir();
my $petsctl = bin('petsctl');
my ($status, $script, $err) = run([$petsctl, '--completion']);
is $status, 0, 'petsctl --completion' or diag $err;
spew("$dir/completion", $script);
my (undef, $help) = run([$petsctl, '--help']);

# "user role" => { arguments => ['USER', 'ROLE'], options => { '--reason' => 'TEXT' } }; a name => its words
my (%verb, @verbs, @programs, %option, %words);
for my $line (split /\n/, $help) {
    if ($line =~ /^  ([a-z]+ [a-z-]+)(.*)$/) {
        my ($name, $rest) = ($1, $2);
        my %options = $rest =~ /(--[a-z-]+)(?: ([A-Z]+))?/g;
        $rest =~ s/\[?--[a-z-]+(?: [A-Z]+)?\]?//g;
        $verb{$name} = { arguments => [$rest =~ /([A-Z]+)/g], options => \%options };
        push @verbs, $name;
    }
    push @programs, $1 if $line =~ /^  ([a-z]+)  +[a-z]/;
    $words{$1} = [split ' ', $2] if $line =~ /^([A-Z]+) is one of: (.*)\.$/;
}
my @objects = do { my %seen; grep { !$seen{$_}++ } map { (split ' ')[0] } @verbs };
is "@programs", 'setup restart status doctor', 'there are verbs of one word';
cmp_ok scalar @verbs, '>', 15, 'there are verbs';

mkdir "$dir/files" or die $!;
mkdir "$dir/files/$_" or die $! for qw(keys more);
spew("$dir/files/$_", '') for 'auth.conf', 'ops.conf', 'a b';
my @directories = map { "$dir/files/$_" } qw(keys more);
my @files       = sort @directories, map { "$dir/files/$_" } 'auth.conf', 'ops.conf', 'a b';

# Types all lines; what has been answered to each, as a sorted list.
sub completions (@lines) {
    unlink "$dir/answers";
    spew("$dir/rc", <<~"END");
        . $dir/completion
        PS1='\$ '
        bind 'set bell-style none'
        bind 'set enable-bracketed-paste off'
        bind 'set completion-query-items 0'
        bind 'set page-completions off'
        watched() { _petsctl "\$\@"; printf '%s\\0' "\${#COMPREPLY[\@]}" "\${COMPREPLY[\@]}" >>$dir/answers; }
        complete -F watched petsctl
        END
    # Ctrl-E and Ctrl-U take the line away.
    my ($ended, $out, $complaints) = run(['bash', '--noprofile', '--rcfile', "$dir/rc", '-i'],
        stdin => join('', map { "$_\t\cE\cU" } @lines) . "exit\n", timeout => 60, env => { TERM => 'dumb', INPUTRC => '/dev/null', HOME => $dir });
    is $ended, 0, 'bash ends well' or diag $complaints;
    unlike $complaints, qr/_petsctl|line \d+:/, 'and has nothing to complain of';
    my @answers = split /\0/, slurp("$dir/answers"), -1;
    pop @answers;
    my @found;
    while (@answers) {
        my $count = shift @answers;
        my @words = splice @answers, 0, $count;
        push @found, [sort @words];
    }
    return @found;
}

my @cases;    # [line, what there is]
sub case_of ($line, @words) { push @cases, [$line, [sort @words]]; return }

my @flags = qw(-c -h --help --version --completion);
case_of('petsctl ', @objects, @programs, @flags);
case_of('petsctl -', @flags);
case_of('petsctl --v', '--version');
# A word but for its last letter, and which of the words begin so.
sub cut_off ($word, @words) {
    my $begun = substr $word, 0, -1;
    return ($begun, grep { index($_, $begun) == 0 } @words);
}
sub actions ($object) { return map { (split ' ')[1] } grep { /^\Q$object\E / } @verbs }

for my $object (@objects, @programs) {
    my ($begun, @words) = cut_off($object, @objects, @programs);
    case_of("petsctl $begun", @words);
}
case_of("petsctl -c $dir/files/", @files);
case_of("petsctl -c $dir/files/o", "$dir/files/ops.conf");
case_of('petsctl -c x.conf ', @objects);
case_of('petsctl -c x.conf -');
case_of('petsctl nonsense ');
case_of("petsctl $_ ") for @programs;
case_of('petsctl user nonsense ');
case_of('petsctl key user ');

# Of what has a name: its words, files or directories; none where anything may be said.
sub offered ($name) {
    return $name eq 'FILE' ? @files : $name eq 'DIR' ? @directories : ($words{$name} // [])->@*;
}
sub typed ($name) { return $name eq 'FILE' || $name eq 'DIR' ? "$dir/files/" : '' }

for my $object (@objects) {
    case_of("petsctl $object ", actions($object));
    case_of("petsctl -c x.conf $object ", actions($object));
}
for my $name (@verbs) {
    my ($object, $action) = split ' ', $name;
    my ($arguments, $options) = @{ $verb{$name} }{qw(arguments options)};
    my ($begun, @words) = cut_off($action, actions($object));
    case_of("petsctl $object $begun", @words);
    for my $before ("petsctl $name ", "petsctl -c $dir/files/ops.conf $name ") {
        case_of("${before}-", keys %$options);
        # Each argument in its place, behind those before it; after the last, and for anything, options.
        my $line = $before;
        for my $argument (@$arguments) {
            my @offered = offered($argument);
            case_of($line . typed($argument), @offered ? @offered : keys %$options);
            $line .= (@offered ? $offered[0] =~ s/ /\\ /gr : 'eve@example.org') . ' ';
        }
        case_of($line, keys %$options);
        # What an option takes, and that it is offered once.
        for my $option (sort keys %$options) {
            my @others = grep { $_ ne $option } keys %$options;
            my $value  = $options->{$option};
            case_of("$before$option " . typed($value), offered($value)) if defined $value;
            case_of("$before$option " . (defined $value ? 'value ' : '') . '--', @others);
            case_of("$line$option " . (defined $value ? 'a=b:c@d ' : ''), @others);
        }
        case_of($before . join(' ', map { defined $options->{$_} ? "$_ x" : $_ } sort keys %$options) . ' -');
    }
}
# Values by their beginning, and an argument behind options.
case_of('petsctl user list --role A', 'ADMIN');
case_of('petsctl user list --state d', 'disabled');
case_of('petsctl user role --reason why eve@example.org U', 'USER');
case_of('petsctl user role eve@example.org --reason why ', 'ADMIN', 'USER');
case_of("petsctl pepper new --reason why $dir/files/au", "$dir/files/auth.conf");
case_of("petsctl key new $dir/files/m", "$dir/files/more");
# The cursor stands within the word: what is behind it does not count.
case_of("petsctl user show\cB\cB", 'show');
case_of("petsctl user roXX\cB\cB", 'role');

my @found = completions(map { $_->[0] } @cases);
is scalar @found, scalar @cases, scalar(@cases) . ' lines are answered';
my @wrong = grep { "@{ $cases[$_][1] }" ne "@{ $found[$_] // [] }" } 0 .. $#cases;
is join('', map { "$cases[$_][0]: got (@{ $found[$_] // [] }), not (@{ $cases[$_][1] })\n" } @wrong), '', 'each with what petsctl takes there, and nothing else';

subtest 'what is typed becomes a command' => sub {
    spew("$dir/command.rc", ". $dir/completion\nPS1='\$ '\nbind 'set bell-style none'\npetsctl() { printf '<%s>' \"\$\@\" >$dir/command; }\n");
    run(['bash', '--noprofile', '--rcfile', "$dir/command.rc", '-i'], timeout => 60, env => { TERM => 'dumb', INPUTRC => '/dev/null', HOME => $dir },
        stdin => "petsctl -c $dir/files/a\\ \tus\trol\teve\@example.org AD\t--rea\twhy\nexit\n");
    is slurp("$dir/command"), "<-c><$dir/files/a b><user><role><eve\@example.org><ADMIN><--reason><why>", 'with blanks behind words, and quoted';
};

subtest 'a name with a character that bash cuts at' => sub {
    mkdir "$dir/at" or die $!;
    spew("$dir/at/pets\@host.conf", '');
    my ($cut) = completions("petsctl -c $dir/at/pets\@ho");
    is_deeply $cut, ['host.conf'], 'is completed from there';
};

SKIP: {
    my $shellcheck = find_program('shellcheck') or skip 'shellcheck is not installed', 1;
    my ($bad, $said) = run([$shellcheck, "$dir/completion"]);
    is $said, '', 'shellcheck has nothing to say';
}

done_testing;
