# Sourced by the tests next to it, which tests/vm/test runs inside the guest. They drive the program as its users do and
# see what its viewers see.
#
# Given: BERRYMSE_BIN, the program; WATCH, RAW, ENCODE and OPEN_CLOSE, tools/watch.rs, v4l2_raw.rs, v4l2_encode.rs and
# open_close.rs; CLIPS, a directory with
# clip.h264 (320x240, 10/s, 4 s, a keyframe each second), long.h264 (the same with one keyframe), small.h264 (160x120) and
# large.h264 (640x480, keyframes of 200 kB); KEPT, a directory of the host for what is to be judged there.
set -u
t=$(mktemp -d)
clip=$CLIPS/clip.h264 long=$CLIPS/long.h264 small=$CLIPS/small.h264 large=$CLIPS/large.h264
port=2020
program= feeder= camera= viewer= log=$t/log
declare -A viewers seen logged_at
: >"$log"
# A directory that everybody may enter, whatever the host's is like; and no file in it decides on the settings.
cp "$BERRYMSE_BIN" "$t/berrymse"
chmod -R a+rX "$t"
mkdir "$t/cwd"
cd "$t/cwd" || exit 1

step() { echo "   $*"; }
fail() {
    echo "FAILED: $*"
    for name in "${!viewers[@]}"; do echo "--- viewer $name"; tail -12 "$t/$name.events"; done
    echo "--- program"
    tail -25 "$log"
    [ -z "$program" ] || { echo "--- status"; get "$port" /api/status | tail -n +6; }
    exit 1
}

# until_true SECONDS COMMAND...: within so many seconds of a machine that is not busy
until_true() {
    local end=$((SECONDS + 4 * $1 + 1)); shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
# Milliseconds since a value of EPOCHREALTIME.
ms_since() { echo $(((${EPOCHREALTIME/./} - ${1/./}) / 1000)); }

# ------------------------------------------------------------------ the program --

# start [OPTION...]: the program, on port 2020
start() {
    BERRYMSE_LOG=debug "$t/berrymse" -l "127.0.0.1:$port" "$@" >"$t/stdout" 2>"$log" & program=$!
    until_true 10 grep -q Listening "$t/stdout" || fail "the program does not serve"
}
# stop: it ends within 3 s of SIGTERM (one on a real machine), in peace
stop() {
    local since=$EPOCHREALTIME status
    kill -TERM "$program"
    wait "$program"
    status=$?
    since=$(ms_since "$since")
    program=
    [ $status = 0 ] || fail "it ended with status $status"
    [ "$since" -lt 3000 ] || fail "it took $since ms to stop"
    step "(stopped within $since ms of SIGTERM)"
    viewers=()
}
# It is the process that we started.
alive() { kill -0 "$program" 2>/dev/null || fail "the program has ended"; }

# logged SECONDS REGEX: the program says so, or has said so since it was started
logged() { until_true "$1" grep -q -E -e "$2" "$log" || fail "not logged within $1 s: $2"; }

# get PORT PATH
get() {
    { exec 9<>"/dev/tcp/127.0.0.1/$1"; } 2>"$t/refused" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$2" "$1" >&9
    cat <&9
    exec 9>&-
}
# post PORT PATH JSON: the answer, head and all
post() {
    { exec 9<>"/dev/tcp/127.0.0.1/$1"; } 2>"$t/refused" || return 1
    printf 'POST %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
        "$2" "$1" ${#3} "$3" >&9
    cat <&9
    exec 9>&-
}
# set_controls JSON: it is done; set_controls JSON REGEX: it is refused so
set_controls() {
    local answer
    answer=$(post "$port" /api/cameras/camera/controls "$1")
    says "${2:-^HTTP/1.1 200 }" "$answer"
}
# control_is NAME VALUE: as the camera has it now
control_is() {
    until_true 5 control_has "$@" || fail "control $1 is not $2: $(get "$port" /api/cameras/camera/controls)"
}
control_has() {
    get "$port" /api/cameras/camera/controls | tr -d ' \n' | grep -q -E "\"name\":\"$1\",[^{]*\"value\":$2[,}]"
}
# status KEY [CAMERA]: a value of /api/status
status() {
    get "$port" /api/status | perl -e 'undef $/; $_ = <STDIN>; my ($key, $name) = @ARGV;
        # Objects inside of a camera are not asked for.
        s/"\w+": (\{(?:[^{}]++|(?1))*\}),?\s*//g;
        while (/\{([^{}]*)\}/g) { my $camera = $1; next if $camera !~ /"name": "$name"/;
            print $1 if $camera =~ /"$key": "?(.*?)"?,?\n/ }' "$1" "${2:-camera}"
}
# status_is KEY REGEX [CAMERA]
# Of an error the whole text is in the log; the status, which is for everybody, has one without paths.
status_is() {
    if [ "$1" = error ] && [ "$2" != '^null$' ]; then
        logged 5 "${2#^}"
        set -- error '^[^n]|^n[^u]' "${3:-camera}"
    fi
    until_true 5 status_matches "$@" || fail "wanted in the status: $1 $2; got: $(status "$1" "${3:-camera}")"
}
status_matches() { grep -q -E -e "$2" <<<"$(status "$1" "${3:-camera}")"; }

# -------------------------------------------------------------------- viewers --

# watch NAME [PATH]: a viewer, whom the following is about
watch() {
    viewer=$1
    "$WATCH" --mp4 "$t/$viewer.mp4" "ws://127.0.0.1:$port/${2:-video_websocket}" >"$t/$viewer.events" 2>&1 &
    viewers[$viewer]=$! seen[$viewer]=0 logged_at[$viewer]=$(wc -l <"$log")
    expect 5 'hello '
}
look_at() { viewer=$1; }
# leave [CLAIM... CLIP...]: the viewer goes; what it got is judged on the host, see judge.pl
leave() {
    same_viewer
    kill "${viewers[$viewer]}"
    wait "${viewers[$viewer]}" 2>/dev/null
    unset "viewers[$viewer]"
    [ $# -gt 0 ] || return 0
    cp "$t/$viewer.mp4" "$KEPT/"
    { tail -n +$((logged_at[$viewer] + 1)) "$log"; cat "$t/$viewer.events"; } >"$KEPT/$viewer.log"
    echo "$viewer $*" >>"$KEPT/claims"
}
# The connection is the first one, to the program that we started.
same_viewer() {
    alive
    kill -0 "${viewers[$viewer]}" 2>/dev/null || fail "viewer $viewer has ended"
    [ "$(grep -c -E '^[0-9.]+ hello ' "$t/$viewer.events")" = 1 ] || fail "viewer $viewer has connected again"
}

# expect SECONDS REGEX: an event of the viewer that begins so, after the one that the last expect found; its time is then in `at`
# Reasons of a state are in the log, as above; `no picture for …` is for viewers, too.
expect() {
    if [[ $2 =~ ^(state\ (lost|waiting)\ \')(.+)$ && ${BASH_REMATCH[3]} != no\ picture* ]]; then
        logged "$1" "${BASH_REMATCH[3]%\'}"
        set -- "$1" "${BASH_REMATCH[1]}"
    fi
    until_true "$1" new_event "$2" || fail "viewer $viewer: not within $1 s: $2"
}
new_event() {
    local line
    line=$(tail -n +$((seen[$viewer] + 1)) "$t/$viewer.events" | grep -n -m1 -E -e "^[0-9.]+ $1") || return 1
    seen[$viewer]=$((seen[$viewer] + ${line%%:*}))
    at=${line#*:} at=${at%% *}
}
# pictures N [SECONDS]: N more of them, from now on, within so many seconds (20)
pictures() {
    local have
    have=$(count_pictures)
    until_true "${2:-20}" more_pictures $((have + $1)) || fail "viewer $viewer: not $1 more pictures"
    seen[$viewer]=$(wc -l <"$t/$viewer.events")
    same_viewer
}
count_pictures() { grep -c -E '^[0-9.]+ [Kp] ' "$t/$viewer.events"; }
more_pictures() { [ "$(count_pictures)" -ge "$1" ]; }
# live_again SECONDS: from whatever there was to pictures, on the same connection, in the same program
live_again() {
    expect "$1" "state live ''"
    pictures 5
    status_is state '^live$'
    status_is error '^null$'
}
# said REGEX: the viewer was sent an event that begins so, at some time
said() { grep -q -E -e "^[0-9.]+ $1" "$t/$viewer.events"; }
# The first thing that decodes is a keyframe.
first_is_keyframe() {
    [ "$(grep -m1 -o -E ' [Kp] ' "$t/$viewer.events")" = ' K ' ] || fail "viewer $viewer does not begin with a keyframe"
}

# -------------------------------------------------------------------- devices --

feed() { v4l2-feed -q "$@" 2>>"$t/feeder" & feeder=$!; }
unfeed() { kill "$feeder"; wait "$feeder" 2>/dev/null; feeder=; }

# plug [OPTION...]: a USB camera; it becomes /dev/video0 where the loopback nodes have other numbers
plug() {
    v4l2-uvc-sim "$@" 2>"$t/usb" & camera=$!
    heard=0
    until_true 15 test -e /dev/video0 || fail "no USB camera: $(cat "$t/usb")"
}
# camera_told SECONDS REGEX: the USB camera was told so by the host, after what the last camera_told found
camera_told() { until_true "$1" told "$2" || fail "not told to the camera: $2; but: $(cat "$t/usb")"; }
told() {
    local line
    line=$(tail -n +$((${heard:-0} + 1)) "$t/usb" | grep -n -m1 -E -e "^uvc-sim: $1") || return 1
    heard=$((${heard:-0} + ${line%%:*}))
}
unplug() { kill "$camera"; wait "$camera" 2>/dev/null; camera=; }

# says REGEX TEXT
says() { grep -q -E -e "$1" <<<"$2" || fail "wanted: $1; got: $2"; }

# looks NAME REFERENCE SIZE LEAST: what the viewer was sent last is judged on the host
looks() {
    cp "$t/$viewer.mp4" "$KEPT/$1.mp4"
    echo "$1 $2 $3 $4" >>"$KEPT/looks"
}
