# Turns and mirrors of a V4L2 camera: its driver's controls where it has them, the rest by whoever shows it; and the picture is as
# asked for, seen in snapshots. What an earlier run has left is no part of the next.
. "$(dirname "$0")/lib.sh"

# What vivid shows is still, and nothing is written over it.
v4l2-ctl -d 10 -c osd_text_mode=2,horizontal_flip=0,vertical_flip=0
v4l2-ctl -d 10 --set-fmt-video=width=320,height=180,pixelformat=RGB3 --stream-mmap --stream-count=1 --stream-to="$t/reference.rgb" \
    >"$t/v4l2-ctl" 2>&1 || fail "no reference: $(cat "$t/v4l2-ctl")"

flips() { v4l2-ctl -d 10 -C horizontal_flip,vertical_flip | sed 's/.*: //' | tr '\n' ' '; }

# likeness FILTER: of the newest snapshot and the reference laid so, PSNR in whole dB; 42 where vivid does not mirror left to right, 22
# where it does, which is not to the pixel what ffmpeg's hflip does
likeness() {
    get "$port" /snapshot.jpg | perl -0777 -pe 's/.*?\r\n\r\n//s' >"$t/snapshot.jpg"
    ffmpeg -nostdin -v info -i "$t/snapshot.jpg" -f rawvideo -pixel_format rgb24 -video_size 320x180 -i "$t/reference.rgb" \
        -lavfi "[0]format=rgb24[a];[1]$1[b];[a][b]psnr" -f null - 2>&1 | sed -n 's/.*average:\([0-9]*\).*/\1/p'
}

# laid FLIPS FILTER OPTION...: the driver's flips are those, and the picture is as the filter lays it
laid() {
    local flips=$1 filter=$2 found wrong; shift 2
    start -d /dev/video10 -w 320 -h 180 -f 10 "$@"
    logged 20 'camera: live'
    [ "$(flips)" = "$flips" ] || fail "flips are $(flips), not $flips, with: $*"
    found=$(likeness "$filter")
    wrong=$(likeness "$filter,hflip,vflip")
    step "${*:-nothing}: flips $flips, $found dB, and $wrong dB upside down"
    [ "${found:-0}" -ge 20 ] && [ "$found" -gt $((wrong + 5)) ] || fail "the picture is not laid as it should be"
    stop
}

step "the driver does what it can"
laid "0 0 " null
laid "1 0 " hflip --hflip
laid "0 1 " vflip --vflip --hflip false
laid "1 1 " hflip,vflip --hflip --vflip
laid "1 1 " hflip,vflip -r 180
laid "0 1 " vflip -r 180 --hflip

step "what an earlier run has left counts no more"
v4l2-ctl -d 10 -c horizontal_flip=1,vertical_flip=1
laid "0 0 " null

step "a quarter of a turn, and the mirror after it, are not the driver's"
laid "0 0 " transpose=clock -r 90
laid "0 0 " transpose=clock,hflip -r 90 --hflip
laid "0 0 " transpose=cclock,vflip -r 270 --vflip

step "what nothing is said of stays: a mirror that somebody has set"
v4l2-ctl -d 10 -c horizontal_flip=1,vertical_flip=0
laid "1 0 " hflip
