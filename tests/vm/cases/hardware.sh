# guest: --m2m
# A camera without H.264 through an encoder of the hardware (tests/vm/m2m-h264.c, which codes without loss), with all that such
# encoders do wrong; to pictures that are compared with what the camera showed. (Not run unless named: the guest first has to
# build the drivers.)
. "$(dirname "$0")/lib.sh"
modprobe m2m-h264 || fail "no test encoder"
until_true 5 grep -q 'test encoder' /sys/class/video4linux/*/name || fail "the test encoder has no node"
node=$(grep -l 'test encoder' /sys/class/video4linux/*/name)
node=/dev/$(basename "$(dirname "$node")")
title="hardware $node \(test encoder\)"
parameters=/sys/module/m2m_h264/parameters
# fault NAME VALUE
fault() { echo "$2" >"$parameters/$1"; }
count() { cat "$parameters/$1"; }
for size in 640x480 320x180; do
    v4l2-ctl -d 10 -c osd_text_mode=2
    v4l2-ctl -d 10 --set-fmt-video=width=${size%x*},height=${size#*x},pixelformat=RGB3 --stream-mmap --stream-count=1 \
        --stream-to="$KEPT/$size.rgb" >"$t/v4l2-ctl" 2>&1 || fail "no reference: $(cat "$t/v4l2-ctl")"
done
# looks NAME SIZE: what the viewer was sent last is judged on the host
looks() {
    cp "$t/$viewer.mp4" "$KEPT/$1.mp4"
    echo "$1 $2.rgb $2 35" >>"$KEPT/looks"
}

step "the encoder is listed with what it is good for"
cameras=$("$t/berrymse" cameras)
says "^$node  test encoder: H.264 encoder" "$cameras"
says 'encodes NV12, YU12, YUYV, up to 1920x1088' "$cameras"

step "auto takes it, and it reads the pictures where the camera's driver has put them"
start -d /dev/video10 -w 640 -h 480 -f 10 -g 1000
watch first
live_again 20
first_is_keyframe
logged 1 "camera: /dev/video10 .*: YU12, 640x480, .*; encoded by $title"
[ "$(count imported)" -gt 0 ] || fail "the pictures were copied"
looks imported 640x480

step "who joins gets a keyframe made for him"
before=$(count keyframes)
watch second
pictures 3
first_is_keyframe
[ "$(count keyframes)" -gt "$before" ] || fail "no keyframe was made"
leave
look_at first

step "its bit rate is a control of the camera"
control_is video_bitrate 1500000
set_controls '{"video_bitrate": 400000, "force_key_frame": true}'
control_is video_bitrate 400000
set_controls '{"video_bitrate": 24000}' '^HTTP/1.1 422 .*'
pictures 3

step "pictures that it swallows are counted, and the others go on"
before=$(status frames_dropped)
fault drop_every 3
pictures 12
[ "$(status frames_dropped)" -gt "$before" ] || fail "not counted: $(status frames_dropped)"
fault drop_every 0

step "pictures that it fails at, and such that come out empty, cause a keyframe"
for kind in fail_every empty_every; do
    before=$(count keyframes)
    fault $kind 4
    pictures 12
    [ "$(count keyframes)" -gt "$before" ] || fail "no keyframe after $kind"
    fault $kind 0
    pictures 3
done

opened=$(grep -c 'camera: /dev/video10 ' "$log")
step "it takes pictures and gives none: viewers see words, then pictures; the camera stays open"
fault stall 1
expect 10 "state lost '/dev/video10: the encoder \($title\): it takes pictures and gives none"
fault stall 0
live_again 10
logged 1 "$title: it works again"

step "its queues report an error"
fault fatal 1
expect 10 "state lost '/dev/video10: the encoder \($title\): it reports an error"
fault fatal 0
live_again 10

step "its driver goes and comes again, with another node"
echo m2m-h264.0 >/sys/bus/platform/drivers/m2m-h264/unbind
expect 10 "state lost '/dev/video10: the encoder \($title\): it is gone: its driver was unloaded'"
echo m2m-h264.0 >/sys/bus/platform/drivers/m2m-h264/bind
live_again 10
[ "$(grep -c 'camera: /dev/video10 ' "$log")" = "$opened" ] || fail "the camera was opened again"

step "one that does not come back is given up: the encoder in software goes on"
fault closed 1
fault stall 1
expect 30 "state live ''"
logged 1 'encoded by openh264'
logged 1 "no other encoder, because: .*$node may be one: all its places are taken"
pictures 5
fault stall 0
leave
stop

step "whoever insists on it is told why there is none"
start -d /dev/video10 -w 640 -h 480 -f 10 --encoder hardware
status_is error "no encoder for it: .*$node may be one: all its places are taken"
fault closed 0
watch insists
live_again 20
leave
stop

step "one that opens and never gives a picture: auto takes another after a while, and says why"
fault stall 1
start -d /dev/video10 -w 320 -h 180 -f 10
watch never
expect 60 "state live ''"
logged 1 "/dev/video10: $title: it takes pictures and gives none, again: another encoder is taken"
logged 1 'encoded by openh264'
logged 1 "no other encoder, because: .*$title: failed 2 times \(it takes pictures and gives none\)"
[ "$(grep -c -E "encoded by $title" "$log")" = 2 ] || fail "it was not tried twice"
pictures 5
leave
stop
step "whoever insists on it has it tried again, and is told so"
start -d /dev/video10 -w 320 -h 180 -f 10 --encoder hardware
logged 60 "$title: it takes pictures and gives none, again and again; it is re-opened"
fault stall 0
watch again
live_again 30
leave
stop

step "pictures in other drivers' buffers are refused: they are copied"
fault refuse 1
before=$(count imported)
start -d /dev/video10 -w 640 -h 480 -f 10 --pixel-format YUYV
watch refused
live_again 20
logged 1 "cannot read the camera's buffers"
[ "$(count imported)" = "$before" ] || fail "not refused"
looks refused 640x480
leave
stop
fault refuse 0

step "lines and sizes that it does not have are copied and cropped; a camera with several planes"
for camera in 10 11; do
    start -d /dev/video$camera -w 320 -h 180 -f 10 --pixel-format NV12
    watch "cropped$camera"
    live_again 20
    logged 1 "NV12, 320x180, .*; encoded by hardware"
    [ $camera = 11 ] || looks cropped 320x180
    leave
    stop
done

step "software is taken where it is asked for"
start -d /dev/video10 -w 320 -h 180 -f 10 --encoder software
watch software
live_again 20
logged 1 'encoded by openh264'
leave
stop
