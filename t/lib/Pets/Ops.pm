package Pets::Ops;

=head1 NAME

Pets::Ops - strict readers of what the ops routes say

=head1 WHY

Prometheus and browsers forgive much, and differently. These readers forgive nothing: they die at the first
thing that the format does not allow, naming it.

    my $metrics = parse_metrics($text);
    $metrics->{type}{pets_requests_total};                        # counter
    $metrics->{value}{'pets_workers{state="ready"}'};             # labels in the order of their names
    $metrics->{samples}{pets_requests_total};                     # [{ labels => {...}, value => N }, ...]
    my $elements = parse_page($html);                             # [{ name, attributes, text }, ...]

=cut

use v5.36;
use Exporter qw(import);
our @EXPORT_OK = qw(parse_metrics parse_page check_histograms);

my $name   = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label  = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $number = qr/[-+]?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|Inf|NaN)/;

# --- Prometheus text format 0.0.4 -----------------------------------------------------------------------

# The family that a sample belongs to: a histogram's samples have a suffix.
sub family ($metrics, $sample) {
    my $base = $sample =~ s/_(?:bucket|sum|count)\z//r;
    return ($metrics->{type}{$base} // '') eq 'histogram' ? $base : $sample;
}

sub parse_labels ($text) {
    my %labels;
    while (length $text) {
        $text =~ s/\A($label)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|\z)//s or die "labels: $text\n";
        exists $labels{$1} and die "label $1 is given twice\n";
        $labels{$1} = $2;
    }
    return \%labels;
}

# Every family has HELP, TYPE and its samples, in this order and together; no series comes twice.
sub parse_metrics ($text) {
    my %metrics = (type => {}, help => {}, samples => {}, value => {});
    my ($current, %ended) = ('');
    $text =~ /\n\z/ or die "the last line has no end\n";
    for my $line (split /\n/, $text) {
        if ($line =~ /\A# HELP ($name) (\S.*)\z/) {
            exists $metrics{help}{$1} and die "HELP of $1 comes twice\n";
            $metrics{help}{$1} = $2;
            $ended{$current} = 1;
            $current = $1;
        } elsif ($line =~ /\A# TYPE ($name) (counter|gauge|histogram)\z/) {
            $1 eq $current or die "TYPE of $1 is not behind its HELP\n";
            exists $metrics{type}{$1} and die "TYPE of $1 comes twice\n";
            $metrics{type}{$1} = $2;
        } elsif ($line =~ /\A($name)(?:\{(.*)\})? ($number)\z/) {
            my ($sample, $labels, $value) = ($1, parse_labels($2 // ''), $3);
            family(\%metrics, $sample) eq $current && $metrics{type}{$current} or die "$sample stands outside its family\n";
            my $series = series($sample, $labels);
            exists $metrics{value}{$series} and die "$series comes twice\n";
            $metrics{value}{$series} = $value;
            push @{ $metrics{samples}{$sample} }, { labels => $labels, value => $value };
        } else {
            die "not a line of metrics: $line\n";
        }
    }
    for my $family (keys %{ $metrics{type} }) {
        my $counter = $metrics{type}{$family} eq 'counter';
        $counter == ($family =~ /_total\z/) or die "$family: counters, and they alone, are called _total\n";
    }
    return \%metrics;
}

sub series ($sample, $labels) {
    my $inner = join ',', map { qq($_="$labels->{$_}") } sort keys %$labels;
    return length $inner ? "$sample\{$inner}" : $sample;
}

# Buckets never sink, end with +Inf, and that one is the count; where nothing was counted the sum is 0.
# Returns how many histograms there were.
sub check_histograms ($metrics, $family) {
    my %histogram;
    for my $sample (@{ $metrics->{samples}{"${family}_bucket"} }) {
        my %labels = %{ $sample->{labels} };
        my $le = delete $labels{le} // die "a bucket without le\n";
        push @{ $histogram{ series('', \%labels) } }, [$le, $sample->{value}];
    }
    for my $labels (keys %histogram) {
        my @buckets = @{ $histogram{$labels} };
        for my $i (1 .. $#buckets) {
            $buckets[$i][1] >= $buckets[$i - 1][1] or die "$labels: a bucket holds less than the one before\n";
            $buckets[$i][0] eq '+Inf' || $buckets[$i][0] > $buckets[$i - 1][0] or die "$labels: bounds are not in order\n";
        }
        my ($sum, $count) = map { $metrics->{value}{"${family}_$_$labels"} // die "$labels: no $_\n" } qw(sum count);
        $buckets[-1][0] eq '+Inf' && $buckets[-1][1] == $count or die "$labels: the last bucket is not the count\n";
        $count || $sum == 0 or die "$labels: a sum of nothing\n";
    }
    return scalar keys %histogram;
}

# --- XHTML ----------------------------------------------------------------------------------------------

# Takes a page apart as XML: every element is closed in order, attributes are quoted and come once, text has no
# bare & or <, entities are XML's own. Returns all elements with their attributes and the text directly in them.
sub parse_page ($text) {
    my (@open, @elements);
    $text =~ s/\A<!DOCTYPE html>\s*// or die "no document type\n";
    while (length $text) {
        if ($text =~ s/\A<([a-z][a-z0-9]*)((?:\s+[a-z][a-z-]*="[^"<]*")*)(\s*\/)?>//) {
            my %element = (name => $1, attributes => {}, text => '');
            my ($attributes, $closed) = ($2, $3);
            while ($attributes =~ /([a-z-]+)="([^"]*)"/g) {
                exists $element{attributes}{$1} and die "attribute $1 comes twice in $element{name}\n";
                check_text($2);
                $element{attributes}{$1} = $2;
            }
            push @elements, \%element;
            push @open, \%element if !$closed;
        } elsif ($text =~ s/\A<\/([a-z][a-z0-9]*)>//) {
            my $element = pop @open // die "</$1> closes nothing\n";
            $element->{name} eq $1 or die "<$element->{name}> is closed by </$1>\n";
        } elsif ($text =~ s/\A([^<]+)//) {
            check_text($1);
            $open[-1] or $1 !~ /\S/ or die "text outside of the page: $1\n";
            $open[-1]{text} .= $1 if $open[-1];
        } else {
            die 'not well-formed: ' . substr($text, 0, 60) . "\n";
        }
    }
    @open and die "<$open[-1]{name}> is not closed\n";
    return \@elements;
}

sub check_text ($text) {
    $text =~ /&(?!(?:amp|lt|gt|quot|#\d+);)/ and die "a bare &: $text\n";
    return;
}

1;
