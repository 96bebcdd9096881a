# guest: --m2m
# The kernel's own stateful encoder (vicodec) through the program's code, with its own format FWHT: what comes out is decoded by the
# kernel and compared with what went in. (Not run unless named: the guest first has to build the drivers.)
. "$(dirname "$0")/lib.sh"
node() { basename "$(dirname "$(grep -l "^$1\$" /sys/class/video4linux/*/name)")"; }
# encode CAMERA NAME WORD...: what it said is then in $t/NAME
encode() {
    local camera=$1 name=$2; shift 2
    "$ENCODE" "/dev/video$camera" "/dev/$(node stateful-encoder)" raw="$t/$name.raw" out="$t/$name.fwht" "$@" >"$t/$name"
    grep -q '^busy: false' "$t/$name" || fail "$name: $(tail -5 "$t/$name")"
}
# looks NAME FORMAT PICTURES: as many came out as went in, and they look like it
looks() {
    timeout 60 v4l2-ctl -d "/dev/$(node stateful-decoder)" --set-fmt-video=pixelformat="$2" --stream-mmap --stream-out-mmap \
        --stream-from "$t/$1.fwht" --stream-to "$t/$1.decoded" >"$t/v4l2-ctl" 2>&1
    perl -e 'use strict; my ($raw, $decoded, $pictures) = map { local (@ARGV, $/) = $_; <> } @ARGV[0, 1]; $pictures = $ARGV[2];
        length $raw == length $decoded && length $raw or print("sizes differ: ", length $raw, ", ", length $decoded, "\n"), exit 1;
        # Of each picture some bytes are enough: pieces in another place would differ in most of them.
        my ($sum, $count, $size) = (0, 0, length($raw) / $pictures);
        for my $n (0 .. $pictures - 1) { for (my $at = $n * 7; $at < $size; $at += 61) {
            my $d = ord(substr $raw, $n * $size + $at, 1) - ord(substr $decoded, $n * $size + $at, 1); $sum += $d * $d; $count++ } }
        my $psnr = $sum ? 10 * log(255**2 * $count / $sum) / log 10 : 99;
        printf "      PSNR %.1f dB\n", $psnr; exit($psnr < 30)' "$t/$1.raw" "$t/$1.decoded" "$3" || fail "$1 does not look like it"
}

for interface in single-planar multi-planar; do
    if [ $interface = multi-planar ]; then
        rmmod vicodec
        insmod "/lib/modules/$(uname -r)/extra/vicodec.ko" multiplanar=1
        until_true 5 grep -q stateful-decoder /sys/class/video4linux/*/name
    fi
    v4l2-ctl -d 10 -i 0 >/dev/null
    step "$interface: pictures are copied"
    encode 10 copied size=640x360 count=8
    looks copied YUYV 8
    step "$interface: the encoder reads the camera's buffers"
    encode 10 imported size=640x360 count=8 import
    looks imported YUYV 8
    step "$interface: sizes that it does not have are rounded up and cropped"
    v4l2-ctl -d 10 -i 3 >/dev/null
    encode 10 cropped size=644x364 format=YU12 count=5
    grep -q 'width: 644, height: 364' "$t/cropped" || fail "the camera has other sizes: $(head -1 "$t/cropped")"
    looks cropped YU12 5
    step "$interface: it is drained, goes on, and is begun again"
    v4l2-ctl -d 10 -i 0 >/dev/null
    encode 10 drained size=640x360 count=20 import drain=8 reset=12
    grep -q '^goes on' "$t/drained" || fail "it was not drained"
    lost=$(sed -n 's/^reset: \([0-9]*\) lost/\1/p' "$t/drained")
    says "pictures: $((20 - lost)), dropped: 0, damaged: 0" "$(tail -1 "$t/drained")"
    step "$interface: a camera with several planes"
    encode 11 planes size=640x360 count=5 import
    encode 11 planes size=640x360 count=5 format=NV12
done

step "an encoder whose driver goes while it runs says so"
: >"$t/gone"
"$ENCODE" /dev/video10 "/dev/$(node stateful-encoder)" size=640x360 count=100000 >"$t/gone" & encoder=$!
until_true 10 grep -q '^Frame' "$t/gone" || fail "it does not begin"
echo vicodec.0 >/sys/bus/platform/drivers/vicodec/unbind
wait $encoder
says '^failed: no such device' "$(tail -1 "$t/gone")"
