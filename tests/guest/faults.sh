# Buffers that hold no whole picture.
. "$(dirname "$0")/lib.sh"

step "noise and empty buffers are left out and counted"
feed -d /dev/video0 -s 320x240 -r 15 --garbage 10 --empty 7 "$CLIP"
watch /dev/video0
pictures 30
expect 3 'warn: camera: lost .*pictures? empty'
unwatch
grep -q -E 'warn: camera: lost .*without H.264' "$events" || fail "noise was not seen"
[ "$(grep -c warn: "$events")" -lt 8 ] || fail "more than one warning a second"
unfeed

step "headers in a buffer of their own do not end a picture"
feed -d /dev/video0 -s 320x240 -r 15 --split "$CLIP"
watch /dev/video0
expect 20 'picture: .* Open '
pictures 10
expect 5 'picture: .* Complete '
unwatch
unfeed

step "half pictures go through: decoders cope, and more cannot be known"
feed -d /dev/video0 -s 320x240 -r 15 --cut 5 "$CLIP"
watch /dev/video0
pictures 15
unwatch
unfeed
