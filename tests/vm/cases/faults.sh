# Buffers that hold no whole picture, none at all, or several. One program through all of it, a viewer for each.
. "$(dirname "$0")/lib.sh"

start -d /dev/video0 -w 320 -h 240 -f 10
# faulty NAME FEED_OPTION...: the program goes on live with this feed, and its viewer gets pictures
faulty() {
    local name=$1; shift
    feed -d /dev/video0 -s 320x240 -r 10 "$@" "$clip"
    watch "$name"
    live_again 12
    first_is_keyframe
    pictures 25
}
over() {
    leave "$@"
    unfeed
}

step "three pictures in a buffer: all of them arrive"
faulty joined --join 3
over clean whole "$clip"

step "the NAL units of a picture in buffers of their own: whole pictures arrive"
faulty split --split
over clean whole "$clip"

step "a next to empty buffer in between: nothing is missing"
faulty empty --empty 7
logged 20 'camera: lost .*pictures? empty'
over clean whole "$clip"

step "noise for a picture: left out and counted, what is sent is as it was fed"
faulty noise --garbage 10
logged 3 'buffer [0-9]+ thrown away \(NoH264\)'
over intact "$clip"

step "pictures left out by the feeder: the rest arrives as it was fed"
faulty left-out --drop 7
over intact "$clip"

step "half pictures: they go through, more cannot be known; the viewer stays"
faulty half --cut 8
over

step "after all that, a whole feed: clean"
faulty healed
over clean whole "$clip"

[ "$(grep -c 'camera: lost' "$log")" -lt 20 ] || fail "the log is full of losses"
stop
