# Who may do what, all of it, against t/data/privileges.golden: role attributes and settings, every effective
# privilege of every role and of public on the database, its schemas, tables, columns, sequences, functions
# and types, and every policy. A change of privileges is a change of that file, which a reviewer reads. How they are
# asked is in sql/privileges.sql; both are installed, for petsctl doctor.
#
# To write it anew after a wanted change:   PETS_GOLDEN=write ./t/run sql-privileges
# (or: PETS_GOLDEN=write prove -It/lib t/integration/sql-privileges.t)
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(src slurp spew test_dir);

my $golden = src() . '/t/data/privileges.golden';
my $pg     = Pets::Cluster->new(dir => test_dir() . '/pg')->start;

my $found = $pg->psql(slurp(src() . '/sql/privileges.sql'));
$found .= "\n";

if (($ENV{PETS_GOLDEN} // '') eq 'write') {
    spew($golden, $found);
    diag "written: $golden";
}
my $wanted = -e $golden ? slurp($golden) : '';
my %wanted = map { $_ => 1 } split /\n/, $wanted;
my %found  = map { $_ => 1 } split /\n/, $found;
is join("\n", sort grep { !$wanted{$_} } keys %found), '', 'nothing is there that the golden file does not have';
is join("\n", sort grep { !$found{$_} } keys %wanted), '', 'nothing is missing that the golden file has';
is $found, $wanted, 'all is as in t/data/privileges.golden';

# A golden file can be made anew without being read; these sentences cannot.
unlike $found, qr/^(?:database|schema|table|sequence|type) .*\bpublic:/m, 'public has nothing';
unlike $found, qr/^table (?:account|credential|session) pets_api/m,       'the api pool has nothing on accounts, credentials and sessions';
unlike $found, qr/^table pet\w* pets_(?:auth|ops)/m,                      'the others have nothing on pets';
unlike $found, qr/^table credential pets_ops: (?!insert)/m,               'only the auth pool reads credentials';
unlike $found, qr/^(?:table (?!mail_outbox)\S+|function \S+) pets_mail:/m,              'the sender of mail knows the outbox alone';
unlike $found, qr/^table (?!audit_event|throttle)\S+ pets_prune: (?:insert|select \((?!(?:ctid |\w*id |token_hash )*(?:(?:created|expires|revoked|sent|failed|confirmed)_at|last_seen)\b))/m, 'the job sees when a row has ended';
unlike $found, qr/^policy \S+ prune_(?:delete|lock): .*\n +using: true/m,  'and deletes by a condition';
unlike $found, qr/^table audit_event \S+ (?!insert)/m,                    'the record can only be added to';
unlike $found, qr/^table (?:totp|recovery_code|login_challenge) pets_(?!auth|ops|prune)/m, 'only the auth pool and the operator have to do with second factors';
unlike $found, qr/^table (?:recovery_code|login_challenge) pets_ops|^table totp pets_ops: (?:insert|.*\bsecret\b)/m, 'and the operator takes them away, no more';
unlike $found, qr/^table account pets_auth: insert \([^)]*\b(?:role|state)\b/m, 'the auth pool cannot choose the role or state of a new account';
like $found, qr/^policy account auth_update: permissive update to pets_auth\n +using: \(\( SELECT current_setting\('pets\.role'::text, true\) AS current_setting\) = 'ADMIN'::text\)$/m, 'and changes them for an administrator alone';
unlike $found, qr/^security (?!schema_version).*(?:OFF|NOT FORCED)/m,     'row-level security is forced wherever people are';
unlike $found, qr/SUPERUSER|CREATEROLE|CREATEDB|REPLICATION|BYPASSRLS/, 'no role has an attribute that it should not have';

done_testing;
