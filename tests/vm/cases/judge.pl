# Compares what a viewer was sent with the clip that was fed, on the host, when the guest has ended.
#
#     perl judge.pl MP4 LOG CLAIM... CLIP...
#
# MP4 is what tests/vm/cases/lib.sh kept; LOG what the program and the viewer said meanwhile. Always: media times grow, by
# steps of one and a half durations at most, and the first picture is an IDR picture. And the CLAIMs:
#   intact    each picture is one of a clip, bit by bit
#   whole     and none is missing between two keyframes but at the very end
#   clean     and a decoder has nothing to say about it
#   first=N   the first picture is number N of its clip
# A loaded machine may take the processor away from the guest for longer than the driver has buffers. The program notices
# and says so; pictures that are missing are then no fault of ours, and only what can still be held against us is.
use strict;
use warnings;

my ($mp4, $log, @rest) = @ARGV;
my %claim = map { /^(intact|whole|clean|first)(?:=(\d+))?$/ ? ($1 => $2 // 1) : () } @rest;
my @clips = grep { !/^(?:intact|whole|clean|first=\d+)$/ } @rest;
my @faults;

sub slurp { open my $f, '<:raw', $_[0] or die "$_[0]: $!\n"; local $/; return <$f> }
sub is_slice { my $type = ord($_[0]) & 31; return $type == 1 || $type == 5 }

# Where each picture is, as "CLIP NUMBER": clips may begin with the same one.
my (%places, %after);
for my $clip (@clips) {
    my $number = 0;
    my ($name) = $clip =~ m{([^/]*)$};
    for my $nal (split /\x00*\x00\x00\x01/, slurp($clip)) {
        $nal =~ s/\x00+$//;
        next if !length $nal || !is_slice($nal);
        $after{"$name " . ($number - 1)} = "$name $number" if $number;
        push @{ $places{$nal} }, "$name " . $number++;
    }
    # It is played over and over.
    $after{"$name " . ($number - 1)} = "$name 0";
}

my $excuse = '';
my $said = slurp($log);
$excuse .= "the guest lost $1 picture(s); " while $said =~ /DEBUG (\d+) pictures missing before/g;
$excuse .= "the viewer was too slow for $1 pictures; " while $said =~ /^[0-9.]+ skipped (\d+)/mg;

my $has_been_lost = $said =~ / state lost /;

my $bytes = slurp($mp4);
my $where = '';
my ($at, $count, $foreign, $gaps, $steps_too_large, $keyframes) = (0, 0, 0, 0, 0, 0);
my ($first, $last_time, $last_duration, $time, $duration);
my @last;
while ($at + 8 <= length $bytes) {
    my ($size, $type) = unpack 'N a4', substr $bytes, $at, 8;
    last if $size < 8 || $at + $size > length $bytes;
    my $box = substr $bytes, $at + 8, $size - 8;
    $at += $size;
    if ($type eq 'moof') {
        $time = unpack 'Q>', substr $box, index($box, 'tfdt') + 8, 8;
        my (undef, undef, undef, $length) = unpack 'N4', substr $box, index($box, 'trun') + 8;
        $duration = $length;
    }
    next if $type ne 'mdat';
    if (defined $last_time) {
        my $step = $time - $last_time;
        $steps_too_large++ if $step <= 0 || $step > $last_duration * 1.5;
    }
    ($last_time, $last_duration) = ($time, $duration);
    my ($is_idr, $is_foreign) = (0, 0);
    my @here;
    for (my $i = 0; $i + 4 < length $box;) {
        my $length = unpack 'N', substr $box, $i, 4;
        my $nal = substr $box, $i + 4, $length;
        $i += 4 + $length;
        next if !is_slice($nal);
        $is_idr = 1 if (ord($nal) & 31) == 5;
        $nal =~ s/\x00+$//;
        @here = @{ $places{$nal} // [] };
        $is_foreign = 1 if !@here;
    }
    $foreign++ if $is_foreign;
    push @faults, 'the first picture is no IDR picture' if !$count && !$is_idr;
    $first = @here ? $here[0] =~ s/.* //r : 'unknown' if !$count;
    $count++;
    $keyframes++ if $is_idr;
    my $is_next = grep { my $number = $_; grep { $after{$_} eq $number } @last } @here;
    # Who begins again does so with a keyframe: the feeder with its clip, the program wherever it finds one.
    my $is_anew = $is_idr && ($has_been_lost || grep { / 0$/ } @here);
    if (@last && @here && !$is_next && !$is_anew) {
        $gaps++;
        $where .= "; $last[0] to $here[0]";
    }
    @last = @here;
}
push @faults, 'no picture' if !$count;
push @faults, "$steps_too_large step(s) of the media time out of bounds"
    if $steps_too_large && $excuse !~ /too slow/;
# v4l2loopback overwrites a buffer while it is read when it goes round as fast as that.
my $torn = () = $excuse =~ /the guest lost/g;
push @faults, "$foreign picture(s) that nobody has fed" if $foreign > $torn && grep { $claim{$_} } qw(intact whole clean);
push @faults, "$gaps gap(s) that nobody has noticed$where" if $gaps && !$excuse && ($claim{whole} || $claim{clean});
push @faults, "it begins with picture $first" if exists $claim{first} && $first ne $claim{first};
if ($claim{clean} && !(($gaps || $foreign) && $excuse)) {
    my $words = `ffmpeg -nostdin -v error -xerror -i '$mp4' -fps_mode passthrough -enc_time_base -1 -f null - 2>&1`;
    push @faults, "ffmpeg says: $words" if $words ne '' || $?;
}
my $name = $mp4 =~ s{.*/|\.mp4$}{}gr;
print "   $name: $count pictures, $keyframes keyframes, $gaps gaps, $foreign not as fed",
    ($claim{clean} && !$gaps ? ', decodes clean' : ''), ($gaps && $excuse ? " ($excuse)" =~ s/; \)/)/r : ''), "\n";
print "FAILED: $name: $_\n" for @faults;
exit(@faults ? 1 : 0);
