# A loopback node before, while and after another program feeds it, and fed with another size.
. "$(dirname "$0")/lib.sh"

step "nobody feeds it: not ready, whatever the driver calls it"
says 'unavailable: /dev/video0: nothing feeds it yet' "$(once 1 /dev/video0)"
says 'unavailable: /dev/video1: nothing feeds it yet' "$(once 1 /dev/video1)"

step "the feeder comes while we wait"
watch /dev/video0
expect 5 'event: unavailable: .*nothing feeds it yet'
feed -d /dev/video0 -s 320x240 -r 15 "$CLIP"
expect 10 'info: .*H.264, 320x240'
pictures 20
step "the feeder goes: silence is found out"
unfeed
expect 6 'event: stalled: no picture for 2'
expect 3 'event: unavailable: .*nothing feeds it yet'
are_of "$CLIP"
before=$(grep -c '^picture:' "$events")

step "the feeder comes back with another size"
feed -d /dev/video0 -s 160x120 -r 15 "$SMALL"
expect 10 'info: .*H.264, 160x120'
expect 1 'it was asked for 320x240'
pictures 20
unwatch
are_of "$SMALL" "$before"

step "joined while it runs: the stale first buffer is left out"
watch /dev/video0
pictures 20
unwatch
are_of "$SMALL"
awk '/^picture:/ && $(NF-2) > 1500 { exit 1 }' "$events" || fail "pictures with impossible times"
unfeed

step "another reader on the same node"
feed -d /dev/video1 -s 320x240 -r 15 "$CLIP"
watch /dev/video1
pictures 10
says 'end after 5 pictures' "$(once 10 --pictures 5 /dev/video1)"
pictures 10
unwatch
unfeed

step "fed with something that is not H.264"
feed -d /dev/video2 -s 320x240 -r 15 --fourcc YUYV "$CLIP"
until_true 5 sh -c 'v4l2-ctl -d2 --list-formats | grep -q YUYV'
says 'unavailable: /dev/video2: this node gives YUYV and no H.264' "$(once 1 /dev/video2)"
unfeed
