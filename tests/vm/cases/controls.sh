# guest: --loop 4,5
# What is set of a USB camera: its brightness (V4L2), and its encoder, which has an extension unit instead of V4L2 controls;
# and cameras whose H.264 is inside of their MJPEG.
. "$(dirname "$0")/lib.sh"

options=(-d /dev/video0 -w 320 -h 240 -f 10)
sim=(-s 320x240 -r 10)

# luma: how bright the newest picture is, 0 to 255
luma() {
    get "$port" /snapshot.jpg | perl -0777 -pe 's/.*?\r\n\r\n//s' >"$t/snapshot.jpg"
    ffmpeg -v error -nostdin -i "$t/snapshot.jpg" -vf scale=1:1,format=gray -f rawvideo - | od -An -tu1 | tr -d ' '
}
is_darker_than() { [ "$(luma)" -lt "$1" ]; }
is_brighter_than() { [ "$(luma)" -gt "$1" ]; }

step "vivid: brightness over HTTP is seen in the picture, and holds when the camera is lost and opened again"
start -d /dev/video10 -w 320 -h 180 -f 10
watch vivid
live_again 20
set_controls '{"brightness": 0}'
control_is brightness 0
until_true 20 is_darker_than 60 || fail "not dark: $(luma)"
dark=$(luma)
set_controls '{"brightness": 255}'
until_true 20 is_brighter_than $((dark + 60)) || fail "not bright: $(luma)"
step "(luma $dark, then $(luma))"
# What another program sets is gone when we open it again, what was set here is back.
v4l2-ctl -d 10 -c brightness=0
control_is brightness 0
v4l2-ctl -d 10 -c disconnect=1
expect 10 "state lost '/dev/video10: .*unplugged"
live_again 20
control_is brightness 255
until_true 20 is_brighter_than $((dark + 60)) || fail "not bright again: $(luma)"
leave
stop

plug "${sim[@]}" -x "$long"
step "bitrate and keyframe interval reach the encoder, before it starts"
start "${options[@]}" -b 600000 -g 20
watch first
live_again 15
first_is_keyframe
camera_told 1 'commit bitrate 600000 idr-period 2000 profile 4240 mux 0 size 320x240 interval 1000000 hints a809$'
grep -q 'no control for' "$log" && fail "the log says that something cannot be set"
control_is video_bitrate 600000
control_is h264_i_frame_period 20

step "a viewer who joins causes a request for an IDR picture"
sleep 3     # the picture it begins with is old by then
watch second
camera_told 5 'picture type 2$'
expect 5 'K '
leave
look_at first

step "the bitrate while it runs"
set_controls '{"video_bitrate": 500000}'
camera_told 1 'bitrate 500000 \(peak 500000\)$'
control_is video_bitrate 500000
set_controls '{"video_bitrate": 7000000}' 'video_bitrate cannot be 7000000: it takes 100000 to 6000000'
set_controls '{"h264_i_frame_period": 30}' '^HTTP/1.1 409 '
set_controls '{"brightnes": 3}' 'did you mean brightness\?'

step "brightness, all or nothing"
set_controls '{"brightness": 200}'
camera_told 1 'brightness 200$'
set_controls '{"brightness": 10, "h264_i_frame_period": 30}' '^HTTP/1.1 409 '
control_is brightness 200

step "all of it holds when the camera is unplugged and plugged in"
kill -USR1 "$camera"
expect 5 "state lost '/dev/video0: the camera was unplugged"
set_controls '{"brightness": 3}' 'the camera is not open now'
says '"open": false' "$(get "$port" /api/cameras/camera/controls)"
kill -USR1 "$camera"
live_again 15
camera_told 1 'plugged in'
camera_told 1 'brightness 200$'
camera_told 1 'commit bitrate 500000 idr-period 2000 '
control_is brightness 200
leave
stop

step "controls of the configuration; what does not exist is told"
cat >"$t/controls.yml" <<'E'
camera:
  source: /dev/video0
  width: 320
  height: 240
  fps: 10
  controls:
    brightness: 77
    h264_profile: main
    contrast: 3
    video_bitrate: 50
E
start -c "$t/controls.yml"
watch configured
live_again 15
camera_told 1 'brightness 77$'
camera_told 1 'commit bitrate 1500000 .*profile 4d00 '
logged 1 'controls: there is no control "contrast"'
logged 1 'controls: video_bitrate cannot be 50: it takes 100000 to 6000000'
says 'no control .*contrast' "$(get "$port" /api/status)"
leave
stop
unplug
until_true 10 test ! -e /dev/video0 || fail "the camera is still there"

for most in 65533 700; do
    step "H.264 inside of MJPEG, in segments of $most bytes: asked for, found, every picture as it was sent"
    plug "${sim[@]}" -a -A $most -j "$CLIPS/clip.mjpeg" "$clip"
    [ $most != 700 ] || says '^/dev/video0  Simulated H264 camera.*: H.264 camera$' "$("$t/berrymse" cameras)"
    start "${options[@]}" -b 800000
    watch inside$most
    live_again 15
    first_is_keyframe
    camera_told 1 'commit bitrate 800000 .* mux 3 size 320x240 '
    logged 1 '/dev/video0 \(Simulated H264 camera.*\): H.264 inside of MJPEG, 10 pictures/s'
    pictures 15
    leave intact "$clip"
    stop
    unplug
    until_true 10 test ! -e /dev/video0 || fail "the camera is still there"
done

step "no H.264 inside, though the camera says so: told in words, and its pictures are encoded"
plug "${sim[@]}" -P -j "$CLIPS/bars.mjpeg" "$clip"
start "${options[@]}"
watch plain
logged 15 '/dev/video0: its MJPEG has no H.264 inside'
live_again 30
looks plain "$CLIPS/bars.rgb" 320x240 30
leave
stop
unplug
