# guest: --loop 4,5
# A USB camera (uvcvideo): H.264 chosen though MJPEG comes first; unplugged, plugged in, frozen, damaged pictures.
. "$(dirname "$0")/lib.sh"

plug -s 320x240 -r 15 "$CLIP"
step "H.264 is chosen, and what the camera cannot be asked is told"
watch /dev/video0
expect 10 'info: .*Simulated H264 camera.*uvcvideo.*: H.264, 320x240, 15 pictures/s'
expect 1 'info: .*no control for bitrate, keyframe interval'
pictures 30
are_of "$CLIP"

step "busy: the holder is named"
says "unavailable: /dev/video0: in use by dump \\(process $watcher\\)" "$(once 1 /dev/video0)"

step "unplugged and plugged in"
kill -USR1 "$camera"
expect 5 'event: lost: /dev/video0: the camera was unplugged'
expect 5 'event: unavailable: /dev/video0: there is no such node'
kill -USR1 "$camera"
expect 10 'event: open'
pictures 15

step "frozen and thawed"
kill -USR2 "$camera"
expect 6 'event: stalled'
kill -USR2 "$camera"
pictures 15
unwatch

step "its second node and its place in the list"
says 'unavailable: /dev/video1: this node has data about the pictures' "$(once 1 /dev/video1)"
"$t/dump" --cameras >"$t/cameras"
says '^    --source /dev/video0$' "$(cat "$t/cameras")"
says '^    H264 320x240 at 15/s, 160x120 at 15/s$' "$(cat "$t/cameras")"
says 'Ok\("/dev/video0"\)' "$("$t/dump" --auto)"
mkdir -p /dev/v4l/by-id
ln -s ../../video0 /dev/v4l/by-id/usb-cam
says '^    --source /dev/v4l/by-id/usb-cam$' "$("$t/dump" --cameras)"
says 'event: end after 3 pictures' "$(once 10 --pictures 3 /dev/v4l/by-id/usb-cam)"
kill "$camera"
wait "$camera" 2>/dev/null

step "damaged pictures are missing and counted"
until_true 10 test ! -e /dev/video0
plug -s 320x240 -r 15 -e 10 "$CLIP"
watch /dev/video0
expect 15 'warn: camera: lost 1 picture skipped by the camera or its driver'
pictures 10
unwatch
