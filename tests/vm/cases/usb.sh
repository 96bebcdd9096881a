# guest: --loop 4,5
# A USB camera (uvcvideo): its format and size, plugged in and out, frozen, held by another program, damaged pictures.
. "$(dirname "$0")/lib.sh"

options=(-w 320 -h 240 -f 10)
sim=(-s 320x240 -r 10)
by_id=/dev/v4l/by-id/usb-v4l2-vm_Simulated_H264_camera-video-index0
# What udev does: a lasting name for the node with the pictures.
link_by_id() {
    mkdir -p /dev/v4l/by-id
    node=$(capture_node)
    ln -sfn "../../$node" "$by_id"
}
capture_node() {
    local node
    for node in /sys/class/video4linux/video*; do
        grep -q Simulated "$node/name" && [ "$(cat "$node/index")" = 0 ] && echo "${node##*/}" && return
    done
    return 1
}

plug "${sim[@]}" "$clip"
step "H.264 is chosen though MJPEG comes first, and what the camera cannot be asked is told"
start -d /dev/video0 "${options[@]}"
watch plugged
live_again 15
said 'init 320x240 avc1\.42' || fail "no init segment of that size"
first_is_keyframe
logged 1 '/dev/video0 \(Simulated H264 camera.*uvcvideo\): H.264, 320x240, 10 pictures/s'
logged 1 'no control for bitrate, keyframe interval'

step "unplugged: lost at once, in words; plugged in: live"
since=$EPOCHREALTIME
kill -USR1 "$camera"
expect 5 "state lost '/dev/video0: the camera was unplugged"
took=$(((${at/./} * 1000 - ${since/./}) / 1000))
[ "$took" -lt 3000 ] || fail "it took $took ms"
step "(after $took ms)"
expect 5 "state lost '/dev/video0: there is no such node; is the camera plugged in\\?"
status_is error 'there is no such node'
kill -USR1 "$camera"
live_again 15

step "frozen: lost, in words; thawed: live"
kill -USR2 "$camera"
expect 8 "state lost 'no picture for 2\\.[0-9]s'"
status_is state '^lost$'
kill -USR2 "$camera"
live_again 15

step "a loose plug: live in the end"
for _ in 1 2 3 4 5; do
    kill -USR1 "$camera"
    until_true 10 sh -c '! test -e /dev/video0' || fail "not unplugged"
    kill -USR1 "$camera"
    until_true 10 test -e /dev/video0 || fail "not plugged in"
done
until_true 15 status_matches state '^live$' || fail "not live"
pictures 5

step "a second program wants the same camera: it is told who has it, and gets it afterwards"
"$t/berrymse" -l 127.0.0.1:2021 -d /dev/video0 "${options[@]}" 2>"$t/second.log" >/dev/null & second=$!
port=2021
log=$t/second.log logged 10 "/dev/video0: in use by berrymse \\(process $program\\)"
port=2020
pictures 10
leave clean "$clip"
stop
port=2021 program=$second log=$t/second.log
status_is state '^live$'
watch heir
pictures 5
leave clean "$clip"
stop
port=2020 log=$t/log

step "by its lasting name: live again as another node"
link_by_id
start -d "$by_id" "${options[@]}"
watch lasting
live_again 15
exec 8</dev/video0      # somebody else keeps the old node's number busy
kill -USR1 "$camera"
expect 5 "state lost '$by_id: the camera was unplugged"
rm "$by_id"
expect 5 "state lost '$by_id: there is no such node"
kill -USR1 "$camera"
until_true 15 capture_node >"$t/node" || fail "it is not plugged in: $(ls /dev/video*)"
link_by_id
[ "$node" != video0 ] || fail "it has the same number"
live_again 15
leave clean "$clip"
stop

step "auto: found under whatever number"
exec 8<&-
# Auto would take it while the camera is unplugged.
modprobe -r vivid || fail "vivid is in use"
start "${options[@]}"
watch found
live_again 15
kill -USR1 "$camera"
expect 5 "state lost '$by_id: the camera was unplugged"
rm "$by_id"
expect 5 "state lost 'no camera found\\. /dev/video4 \\(Loop camera 4\\), /dev/video5 .*: loopback, not fed"
kill -USR1 "$camera"
live_again 15
logged 1 '/dev/video0 \(Simulated H264 camera.*: H.264, 320x240'
leave clean "$clip"
stop

step "the size that is asked for is chosen"
start -d /dev/video0 -w 160 -h 120 -f 10
logged 10 '/dev/video0 .*: H.264, 160x120'
watch half
live_again 10
leave clean "$clip"     # the simulated camera has one clip, whatever the size
stop

step "in the list of cameras, and its second node"
text=$("$t/berrymse" cameras)
says '^/dev/video0  Simulated H264 camera.*: H.264 camera$' "$text"
says '^    --source /dev/video0$' "$text"
says '^    H264 320x240 at 10/s, 160x120 at 10/s$' "$text"
says '^/dev/video1  Simulated H264 camera.*: metadata$' "$text"
link_by_id
says "^    --source $by_id\$" "$("$t/berrymse" cameras)"
json=$("$t/berrymse" cameras --json)
says "\"source\": \"$by_id\"" "$json"
says '"purpose": "metadata"' "$json"
start -d /dev/video1 "${options[@]}"
status_is error '/dev/video1: this node has data about the pictures, not the pictures'
stop

step "two cameras at once, each by itself"
feed -d /dev/video4 -s 160x120 -r 10 "$small"
cat >"$t/two.yml" <<'E'
cameras:
  - name: desk
    source: /dev/video0
    width: 320
    height: 240
    fps: 10
  - name: loop
    source: /dev/video4
    width: 160
    height: 120
    fps: 10
E
start -c "$t/two.yml"
watch desk live/desk
expect 15 'init 320x240'
watch loop live/loop
expect 10 'init 160x120'
pictures 10
kill -USR1 "$camera"
look_at desk
expect 5 "state lost '/dev/video0: the camera was unplugged"
status_is state '^lost$' desk
look_at loop
pictures 10
status_is state '^live$' loop
kill -USR1 "$camera"
look_at desk
expect 15 "state live ''"
pictures 5
leave clean "$clip"
look_at loop
said 'state lost' && fail "one camera's trouble is the other's"
leave clean "$small"
stop
unfeed
unplug
until_true 10 test ! -e /dev/video0 || fail "the camera is still there"

step "damaged pictures: missing and counted, the rest as it was sent"
plug "${sim[@]}" -e 20 "$clip"
start -d /dev/video0 "${options[@]}"
watch damaged
live_again 15
logged 10 'camera: lost [0-9]+ pictures? skipped by the camera or its driver'
pictures 10
leave intact "$clip"
stop
