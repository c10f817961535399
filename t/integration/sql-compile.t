# The compiler of statements: what it makes of good ones, and that it names file and line of bad ones.
use v5.36;
use Test::More;
use Pets::Env qw(src run slurp spew test_dir find_program);
use Pets::Sql qw(statements);

my $compiler = src() . '/sql/compile-statements';
my $dir      = test_dir();

sub compile ($kind, @files) {
    return run(['sh', $compiler, $kind, @files]);
}

# A good statement; each argument replaces a header line (undef: leaves it out).
sub statement ($sql, %header) {
    my %line = (name => 'x: A sentence.', pool => 'pool: api', params => 'params: id uuid', columns => 'columns: id uuid', writes => 'writes: no', %header);
    return join '', (map { defined $line{$_} ? "-- $line{$_}\n" : () } qw(name pool params columns writes)), "--\n-- Prose: of no concern.\n\n$sql\n";
}

subtest 'the real statements' => sub {
    my @files = glob src() . '/sql/statements/*.sql';
    my @names = sort keys statements()->%*;
    my ($status, $header) = compile('h', @files);
    is $status, 0, 'the header is made';
    my ($enum) = $header =~ /enum statement_id \{(.*?)\}/s;
    is_deeply [$enum =~ /STATEMENT_(\w+)/g], [map({ uc } @names), 'COUNT'], 'the enum holds them all, in order';

    ($status, my $table) = compile('c', reverse @files);
    is $status, 0, 'the table is made';
    is_deeply [$table =~ /\.name = "(\w+)"/g], \@names, 'the table holds them all, in order';
    unlike $table, qr/--|After enter/, 'without comments';

    my $listed = join ' ', slurp(src() . '/sql/statements.mk') =~ m{sql/statements/(\w+)\.sql}g;
    is $listed, "@names", 'the makefile lists them all';

    spew("$dir/statements.h", $header);
    spew("$dir/statements.c", $table);
    my ($cc, undef, $err) = run([find_program('gcc') // 'cc', qw(-std=gnu11 -Wall -Wextra -Werror -c -o), "$dir/statements.o", "$dir/statements.c"]);
    is $cc, 0, 'a compiler accepts it' or diag $err;
};

subtest 'text' => sub {
    spew("$dir/x.sql", statement(qq{select  'two  blanks -- "kept"; \$9\nand a line',  -- a comment; with \$8\n\t"a  b" , \$1::uuid\n  where 'it''s' = '' ;  -- end\n}));
    my ($status, $out, $err) = compile('c', "$dir/x.sql");
    is $status, 0, 'compiles' or diag $err;
    my $sql = join '', ($out =~ /\.sql =(.*?),\n\t\},/s)[0] =~ /^\t\t"(.*)"$/mg;
    is $sql, q{select 'two  blanks -- \"kept\"; $9\nand a line', \"a  b\" , $1::uuid where 'it''s' = ''}, 'white space is collapsed outside of quotes only';
    like $out, qr/types_x\[1\] = \{2950u\}/, 'types are OIDs';
};

my @wrong = (
    ['a header line is missing',    statement('select $1', pool => undef),                      qr/x\.sql:\d+: header line "pool:" is missing/],
    ['columns is missing',          statement('select $1', columns => undef),                   qr/header line "columns:" is missing/],
    ['an unknown header line',      statement('select $1', columns => "columns: id uuid\n-- colour: red"), qr/x\.sql:5: unknown header line "colour:"/],
    ['a header line twice',         statement('select $1', writes => "writes: no\n-- writes: no"), qr/x\.sql:6: header line "writes:" is given twice/],
    ['the name of another file',    statement('select $1', name => 'y: A sentence.'),           qr/x\.sql:1: unknown header line "y:"/],
    ['no sentence',                 statement('select $1', name => 'x: '),                      qr/x\.sql:1: .*sentence/],
    ['an unknown pool',             statement('select $1', pool => 'pool: api web'),            qr/x\.sql:2: pool: unknown pool "web"/],
    ['no pool',                     statement('select $1', pool => 'pool:'),                    qr/x\.sql:2: pool: no pool/],
    ['an unknown type',             statement('select $1', params => 'params: id varchar'),     qr/x\.sql:3: params: unknown type "varchar"/],
    ['a parameter without type',    statement('select $1', params => 'params: id'),             qr/x\.sql:3: params: "id" is not/],
    ['a parameter twice',           statement('select $1, $2', params => 'params: id uuid, id uuid'), qr/x\.sql:3: params: "id" is declared twice/],
    ['neither yes nor no',          statement('select $1', writes => 'writes: maybe'),          qr/x\.sql:5: writes:/],
    ['a parameter not declared',    statement("select \$1,\n  \$2"),                            qr/x\.sql:10: \$2 is not declared/],
    ['a parameter not used',        statement('select 1'),                                      qr/x\.sql:\d+: \$1 is declared in params but not used/],
    ['used in a comment only',      statement("select 1 -- \$1"),                               qr/\$1 is declared in params but not used/],
    ['used in a string only',       statement("select '\$1'"),                                  qr/\$1 is declared in params but not used/],
    ['ten is not one',              statement('select $10'),                                    qr/x\.sql:9: \$10 is not declared/],
    ['a second statement',          statement("select \$1;\ndelete from pet"),                  qr/x\.sql:10: text after the end/],
    ['an open quote',               statement("select \$1,\n 'abc"),                            qr/x\.sql:10: a quote is not closed/],
    ['a dollar quote',              statement('select $1, $a$x$a$'),                            qr/x\.sql:9: a dollar sign without a number/],
    ['an escape string',            statement(q{select $1, e'\\''}),                            qr/x\.sql:9: strings with a prefix/],
    ['a block comment',             statement('select $1 /* no */'),                            qr/x\.sql:9: block comments/],
    ['no statement',                statement('', params => 'params:'),                         qr/x\.sql:\d+: there is no statement/],
    ['an empty file',               '',                                                         qr/x\.sql is empty/],
);
for my $case (@wrong) {
    my ($what, $text, $message) = @$case;
    spew("$dir/x.sql", $text);
    my ($status, $out, $err) = compile('c', "$dir/x.sql");
    isnt $status, 0, "$what: fails";
    is $out, '', "$what: writes nothing";
    like $err, $message, "$what: says where and what";
}

{
    my ($status, undef, $err) = compile('c', "$dir/none.sql");
    isnt $status, 0, 'a file that is not there: fails';
    like $err, qr/none\.sql/, 'and is named';
    spew("$dir/X-1.sql", statement('select $1'));
    ($status, undef, $err) = compile('c', "$dir/X-1.sql");
    like $err, qr/X-1\.sql:1: the file must be named/, 'a name that is no statement\'s';
    is +(compile('x', "$dir/x.sql"))[0] >> 8, 2, 'an unknown kind of output is a usage error';
}

done_testing;
