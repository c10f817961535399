# Style that machines can check: shell scripts pass shellcheck, C is laid out by clang-format, Perl compiles, and no
# file has blanks at a line's end or lines without end.
use v5.36;
use File::Find ();
use Pets::Env qw(src run slurp find_program);
use Test::More;

my $src = src();
my @files;
File::Find::find(
    {
        no_chdir   => 1,
        preprocess => sub { grep { !/\A(?:\.git|var|build|build-aux|autom4te\.cache|m4)\z/ } @_ },
        wanted     => sub { push @files, substr $_, 1 + length $src if -f && !-l },
    },
    $src
);
my %generated = map { $_ => 1 } qw(configure configure~ aclocal.m4 config.h.in config.h.in~ Makefile.in);
@files = sort grep { !$generated{$_} && -T "$src/$_" } @files;
chdir $src or die "$src: $!";

sub begins ($file, $pattern) {
    open my $in, '<', $file or return 0;
    return (<$in> // '') =~ $pattern;
}

# Runs a checker over files, some at a time, and makes a point for each checker. Of what it says, the files are
# enough when it is told to mend them.
sub check ($name, $command, $files_only, @list) {
    return skip_one($name, "$command->[0] is not installed") if !find_program($command->[0]);
    my $said = '';
    while (my @some = splice @list, 0, 40) {
        my ($status, $out, $err) = run([@$command, @some], timeout => 240);
        next if !$status;
        my %file = map { $_ => 1 } "$out$err" =~ /^(\S+?):\d+:\d+:/mg;
        $said .= $files_only && %file ? join '', map { "$_\n" } sort keys %file : "$out$err";
    }
    is $said, '', $name;
    return;
}

sub skip_one ($name, $why) {
    SKIP: { skip "$name: $why", 1 }
    return;
}

check('shell scripts pass shellcheck', ['shellcheck', '-x', '-P', $src], 0, grep { begins($_, qr{\A#!/bin/(?:ba)?sh|\A# shellcheck shell=sh}) } @files);
check('C is laid out by clang-format -i', ['clang-format', '--dry-run', '-Werror'], 1, grep { /\A(?:src|t)\/.*\.[ch]\z/ } @files);

my @perl = grep { /\.(?:pm|pl|t)\z/ || begins($_, qr{\A#!/usr/bin/perl}) } @files;
my @bad;
for my $file (@perl) {
    my ($status, undef, $err) = run([$^X, '-wc', "-I$src/t/lib", "-I$src/t/bench/lib", $file]);
    push @bad, $err if $status || $err !~ /\A\S+ syntax OK\n\z/;
}
is join('', @bad), '', scalar(@perl) . ' Perl files compile without a warning';

my (@blanks, @endless);
for my $file (@files) {
    next if $file =~ m{\At/(?:data|fuzz)/};
    my $text = slurp($file);
    push @blanks,  $file if $text =~ /[ \t]$/m;
    push @endless, $file if length $text && $text !~ /\n\z/;
}
is "@blanks",  '', 'no blanks at the end of a line';
is "@endless", '', 'every last line ends';
done_testing;
