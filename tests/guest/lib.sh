# Sourced by the tests next to it, which guest/test runs inside the guest.
#
# Given: CLIP (320x240, 15/s, 4 s) and SMALL (160x120, else the same), H.264 in Annex B; DUMP, the program that opens a node
# again and again and tells what happens. To test another program, make `watch` start it, `out` hold the stream that
# comes out of it, and `events` what it says.
set -u
t=$(mktemp -d)
out=$t/out.h264 events=$t/events
feeder= watcher= camera= seen=0
: >"$events"
cp "$DUMP" "$t/dump"
chmod -R a+rX "$t"

step() { echo "   $*"; }
fail() {
    echo "FAILED: $*"
    echo "--- last events"
    tail -30 "$events"
    exit 1
}

# watch [OPTION...] NODE: begins to read
watch() {
    : >"$events"
    seen=0
    "$t/dump" "$@" >"$out" 2>"$events" & watcher=$!
}
unwatch() { kill "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null; watcher=; }

feed() { v4l2-feed -q "$@" & feeder=$!; }
unfeed() { kill "$feeder"; wait "$feeder" 2>/dev/null; feeder=; }

# plug [OPTION...]: a USB camera; it becomes /dev/video0 where the loopback nodes have other numbers
plug() {
    v4l2-uvc-sim "$@" 2>"$t/usb" & camera=$!
    until_true 15 test -e /dev/video0 || fail "no USB camera: $(cat "$t/usb")"
}

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1 + 1)); shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

# expect SECONDS REGEX: an event that matches, after the one that the last expect found
expect() {
    until_true "$1" new_event "$2" || fail "not within $1 s: $2"
}
new_event() {
    local line
    line=$(tail -n +$((seen + 1)) "$events" | grep -n -m1 -E -e "$1") || return 1
    seen=$((seen + ${line%%:*}))
}

# pictures N: N more of them, from now on
pictures() {
    local have
    have=$(grep -c '^picture:' "$events")
    until_true 20 more_pictures $((have + $1)) || fail "not $1 more pictures"
    seen=$(wc -l <"$events")
}
more_pictures() { [ "$(grep -c '^picture:' "$events")" -ge "$1" ]; }

# are_of CLIP [FIRST]: the pictures that came out, from number FIRST on, are pictures of the clip, bit by bit. (Some may
# be missing: the guest is not in real time.)
are_of() {
    perl -e 'undef $/; ($clip, $out, $events) = map { open F, "<:raw", $_ or die; <F> } @ARGV[0..2];
        $checked = $at = 0;
        while ($events =~ /^picture: (\d+) (\d+) bytes/mg) {
            $picture = substr $out, $at, $2;
            $at += $2;
            next if $1 < $ARGV[3] || length $picture < $2;
            if (index($clip, $picture) < 0) { print "picture $1 of $2 bytes is not in the clip\n"; exit 1 }
            $checked++;
        }
        exit !$checked' "$1" "$out" "$events" "${2:-0}" || fail "what came out is not what went in"
}

# once SECONDS [OPTION...] NODE: what the program says of a node
once() {
    local s=$1; shift
    "$t/dump" --seconds "$s" "$@" 2>&1 >/dev/null
}
# says REGEX TEXT
says() { grep -q -E -e "$1" <<<"$2" || fail "wanted: $1; got: $2"; }
