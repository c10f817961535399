package Pets::Contract;

=head1 NAME

Pets::Contract - docs/openapi.yaml as data, for the tests that hold the program to it

=head1 WHY

Tests want to ask "what does the contract say about this route" without following references by hand:

    my $contract = Pets::Contract->new;
    for my $operation ($contract->operations) {      # { name => 'GET /v1/pets', method, path, parameters, op }
        my $body = $contract->follow($operation->{op}{requestBody});
    }
    $contract->flat($schema);                        # one hash: references, allOf and "or null" resolved

=cut

use v5.36;
use JSON::PP ();
use Pets::Env qw(built slurp);

sub new($class) {
    return bless { document => JSON::PP->new->utf8->decode(slurp(built('openapi.json'))) }, $class;
}

sub document($self) { return $self->{document} }

# What a reference stands for; anything else is itself.
sub follow($self, $thing) {
    while (ref $thing eq 'HASH' && exists $thing->{'$ref'}) {
        my ($place, $name) = $thing->{'$ref'} =~ m{\A#/components/(\w+)/([\w-]+)\z} or die "what is $thing->{'$ref'}?\n";
        $thing = $self->{document}{components}{$place}{$name} // die "there is no $place $name\n";
    }
    return $thing;
}

sub operations($self) {
    my @operations;
    my $paths = $self->{document}{paths};
    for my $path (sort keys %$paths) {
        for my $method (grep { /\A(?:get|put|post|patch|delete|options|head|trace)\z/ } sort keys $paths->{$path}->%*) {
            my $op = $paths->{$path}{$method};
            push @operations, {
                name       => uc($method) . " $path",
                method     => uc $method,
                path       => $path,
                op         => $op,
                security   => $op->{security} // $self->{document}{security},
                parameters => [map { $self->follow($_) } ($paths->{$path}{parameters} // [])->@*, ($op->{parameters} // [])->@*],
            };
        }
    }
    return @operations;
}

# The responses of an operation: status => response.
sub responses($self, $operation) {
    my $responses = $operation->{op}{responses};
    return { map { $_ => $self->follow($responses->{$_}) } keys %$responses };
}

# A schema as one hash: references followed, the branches of allOf put together (the nearest, and of these the last, wins), and null as
# one of the alternatives told as nullable.
sub flat($self, $schema) {
    my %schema = $self->follow($schema)->%*;
    for my $branch (reverse((delete $schema{allOf} // [])->@*)) {
        my $flat = $self->flat($branch);
        $schema{properties} = { ($flat->{properties} // {})->%*, ($schema{properties} // {})->%* } if $flat->{properties} || $schema{properties};
        $schema{required}   = [($schema{required} // [])->@*, ($flat->{required} // [])->@*]     if $flat->{required} || $schema{required};
        %schema = (%$flat, %schema);
    }
    if (my $either = $schema{oneOf}) {
        my @branches = map { $self->flat($_) } @$either;
        my @values = grep { ($_->{type} // '') ne 'null' } @branches;
        if (@values < @branches) {
            delete $schema{oneOf};
            @values == 1 or die "more than one alternative to null\n";
            %schema = ($values[0]->%*, %schema, nullable => 1);
        }
    }
    if (ref $schema{type} eq 'ARRAY') {
        my @types = grep { $_ ne 'null' } $schema{type}->@*;
        $schema{nullable} = 1 if @types < $schema{type}->@*;
        @types == 1 or die "more than one type\n";
        $schema{type} = $types[0];
    }
    return \%schema;
}

# The codes that a response allows, when it is a problem.
sub codes($self, $response) {
    my $problem = $response->{content}{'application/problem+json'} // return;
    my $codes = $self->flat($problem->{schema})->{properties}{code}{enum} // return;
    return @$codes;
}

1;
