# Compares the last picture that a viewer was sent with what the camera showed, on the host.
#
#     perl looks.pl MP4 REFERENCE WIDTHxHEIGHT LEAST
#
# REFERENCE is a picture in RGB, three bytes a pixel; LEAST is the least ratio of signal and noise (PSNR) in dB, over all of
# red, green and blue: wrong colours are far below any that is asked for.
use strict;
use warnings;

my ($mp4, $reference, $size, $least) = @ARGV;
my ($width, $height) = split /x/, $size;
open my $f, '<:raw', $reference or die "$reference: $!\n";
my $wanted = do { local $/; <$f> };
# The decoder's own conversion to RGB smears colours over edges; "neighbor" does not.
my $found = `ffmpeg -nostdin -v error -i '$mp4' -vf 'scale=$width:$height:flags=neighbor+accurate_rnd,format=rgb24' -fps_mode passthrough -enc_time_base -1 -f rawvideo -`;
my $bytes = $width * $height * 3;
my $name = $mp4 =~ s{.*/|\.mp4$}{}gr;
if (length $wanted != $bytes || length $found < $bytes) {
    print "FAILED: $name: ", length $wanted, " bytes of reference and ", length $found, " of pictures, $bytes in each\n";
    exit 1;
}
my @wanted = unpack 'C*', $wanted;
my @found = unpack 'C*', substr $found, -$bytes;
my $sum = 0;
$sum += ($wanted[$_] - $found[$_])**2 for 0 .. $#wanted;
my $psnr = $sum ? 10 * log(255**2 * $bytes / $sum) / log 10 : 99;
printf "   %s: PSNR %.1f dB%s\n", $name, $psnr, $psnr < $least ? ", wanted $least" : '';
print "FAILED: $name does not look as what the camera showed\n" if $psnr < $least;
exit($psnr < $least ? 1 : 0);
