# A loopback node before, while and after another program feeds it, and fed with another size.
. "$(dirname "$0")/lib.sh"

options=(-w 320 -h 240 -f 10)
fed=(-d /dev/video0 -s 320x240 -r 10)

step "fed before the start: pictures from a keyframe on"
feed "${fed[@]}" "$clip"
until_true 5 sh -c 'v4l2-ctl -d0 --list-formats | grep -q H264' || fail "no feed"
start -d /dev/video0 "${options[@]}"
watch early
expect 10 'init 320x240 avc1\.42'
expect 5 K
first_is_keyframe
pictures 12
status_is state '^live$'
status_is width '^320$'

step "the feeder stops: lost, in words; it comes back after that: live, for the same viewer"
unfeed
expect 8 "state lost 'no picture for 2\\.[0-9]s'"
expect 5 "state lost '/dev/video0: nothing feeds it yet"
status_is state '^lost$'
status_is error 'nothing feeds it yet'
feed "${fed[@]}" "$long"
live_again 12
status_is restarts '^1$'

step "who joins in the middle of a group of pictures gets its keyframe at once"
# On a busy machine the next keyframe comes before the viewer does.
for _ in 1 2 3 4 5; do
    look_at early
    expect 10 K
    pictures 4
    keyframe=$(grep -E ' K ' "$t/early.events" | tail -1 | cut -d' ' -f3)
    watch late
    expect 2 'K '
    first_is_keyframe
    got=$(grep -m1 -E ' K ' "$t/late.events" | cut -d' ' -f3)
    [ "$got" != "$keyframe" ] || break
    leave
done
[ "$got" = "$keyframe" ] || fail "not the keyframe of $keyframe, but of $got"
pictures 10
leave clean "$long"
look_at early
leave clean "$clip" "$long"

step "the feeder is replaced by one of another size while the node is open: a new init segment, and its size in the status"
watch resized
expect 5 'init 320x240'
pictures 5
unfeed
feed "${fed[@]:0:2}" -s 160x120 -r 10 "$small"
expect 15 'init 160x120 avc1\.42'
expect 1 K
pictures 12
status_is width '^160$'
status_is height '^120$'
said 'state lost' && step "(the feeder took longer, so the node was opened again)"
step "… and back, after it was lost"
unfeed
expect 8 "state lost "
expect 5 "state lost '/dev/video0: nothing feeds it yet"
feed "${fed[@]}" "$clip"
expect 12 'init 320x240'
expect 1 K
pictures 12
status_is width '^320$'
leave clean "$small" "$clip" "$long"
stop
unfeed

step "replaced by a feeder of larger pictures than the node was set up for: told, instead of shown in pieces"
feed "${fed[@]:0:2}" -s 160x120 -r 10 "$small"
start -d /dev/video0 "${options[@]}"
watch outgrown
expect 15 'init 160x120'
pictures 5
unfeed
feed "${fed[@]:0:2}" -s 640x480 -r 10 "$large"
expect 15 "state lost '/dev/video0: its pictures do not fit into the driver's buffers of 76800 bytes"
status_is state '^lost$'
unfeed
expect 12 "state lost '/dev/video0: nothing feeds it yet"
feed "${fed[@]:0:2}" -s 640x480 -r 10 "$large"
expect 15 'init 640x480'
pictures 5
status_is state '^live$'
leave intact "$small" "$large"
stop
unfeed

step "started before the feeder: waiting, in words; live when it comes"
start -d /dev/video0 "${options[@]}"
watch patient
expect 3 "state waiting '/dev/video0: nothing feeds it yet: this is a loopback node"
status_is state '^waiting$'
status_is frames '^0$'
feed "${fed[@]}" --delay 4 "$clip"
live_again 20
first_is_keyframe
leave clean "$clip"
stop
unfeed

step "started in the middle of a group of pictures: nothing before the first keyframe, nor the stale first buffer"
feed "${fed[@]}" --pause 5:20 "$clip"
until_true 5 sh -c 'v4l2-ctl -d0 --list-formats | grep -q H264' || fail "no feed"
start -d /dev/video0 "${options[@]}"
watch midway
logged 5 'ahead of the first picture thrown away \(Full\)'
expect 15 K
pictures 5
leave clean first=10 "$clip"
stop
unfeed

step "a second program reads the same node: the first one's viewer notices nothing"
feed -d /dev/video1 -s 320x240 -r 10 "$clip"
start -d /dev/video1 "${options[@]}"
watch undisturbed
live_again 10
"$t/berrymse" -l 127.0.0.1:2021 -d /dev/video1 "${options[@]}" 2>"$t/second.log" >/dev/null & second=$!
until_true 10 grep -q 'live, 320x240' "$t/second.log" || fail "the second program: $(cat "$t/second.log")"
pictures 10
kill "$second"
wait "$second" || fail "the second program ended with status $?"
pictures 10
leave clean "$clip"
stop
unfeed

step "fed with something that cannot be shown: said in words"
start -d /dev/video2 "${options[@]}"
watch other
expect 3 "state waiting '/dev/video2: nothing feeds it yet"
feed -d /dev/video2 -s 320x240 -r 10 --fourcc dvsd "$clip"
expect 10 "state waiting '/dev/video2: this camera gives no H.264, and there is no encoder for it: .*it takes none of the camera.s formats .dvsd"
leave
stop
unfeed
