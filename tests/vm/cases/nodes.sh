# Nodes that are of no use, each told in words; the list of cameras; no camera at all, and then one.
. "$(dirname "$0")/lib.sh"

step "what is no camera is told, each for itself, and the program serves"
cat >"$t/useless.yml" <<'E'
cameras:
  - name: missing
    source: /dev/video77
  - name: none
    source: /dev/null
  - name: idle
    source: /dev/video0
  - name: idle-too
    source: /dev/video1
E
start -c "$t/useless.yml"
status_is error '/dev/video77: there is no such node' missing
status_is error '/dev/null: this is no video node' none
status_is error '/dev/video0: nothing feeds it yet' idle
status_is error '/dev/video1: nothing feeds it yet' idle-too
status_is state '^waiting$' idle
stop

step "the list of cameras names them all"
feed -d /dev/video2 -s 320x240 -r 10 "$clip"
text=$(until_true 5 sh -c 'v4l2-ctl -d2 --list-formats | grep -q H264' && "$t/berrymse" cameras)
says '^/dev/video0  Loop camera 0: loopback, not fed$' "$text"
says '^/dev/video2  Loop camera 2: H.264 camera$' "$text"
says '^    --source /dev/video2$' "$text"
says '^    open in v4l2-feed \(process [0-9]+\)$' "$text"
says '^/dev/video10  vivid: camera without H.264$' "$text"
says '^    --source /dev/video10$' "$text"
says '^--source auto, the default, takes: /dev/video2$' "$text"
json=$("$t/berrymse" cameras --json)
perl -MJSON::PP -e '' 2>/dev/null && { perl -MJSON::PP -e 'undef $/; decode_json(<STDIN>)' <<<"$json" || fail "no JSON"; }
says '"source": "/dev/video2"' "$json"

step "a picture of each usable camera"
mkdir "$t/pictures"
tried=$(cd "$t/pictures" && "$t/berrymse" cameras --try 30)
says '^/dev/video2: saved .*/berrymse-video2.jpg' "$tried"
says '^/dev/video10: saved .*/berrymse-video10.jpg' "$tried"
for picture in video2 video10; do
    [ "$(head -c 2 "$t/pictures/berrymse-$picture.jpg" | od -An -tx1 | tr -d ' ')" = ffd8 ] || fail "$picture is no JPEG"
done
unfeed

step "who has a camera open is named"
v4l2-ctl -d 10 --stream-mmap --stream-count=10000 >"$t/v4l2-ctl" 2>&1 & other=$!
until_true 5 grep -q '<' "$t/v4l2-ctl" || fail "v4l2-ctl takes no pictures"
says "open in v4l2-ctl \(process $other\): while that takes pictures no other can" "$("$t/berrymse" cameras | tr -s '\n ' ' ')"
kill "$other"
wait "$other"

step "no permission: the group is named"
chmod 600 /dev/video10
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups "$t/berrymse")
says 'no source: permission denied; .*group video' "$("${nobody[@]}" cameras | tr -s '\n ' ' ')"
"${nobody[@]}" -l 127.0.0.1:2021 -d /dev/video10 2>"$t/nobody.log" >/dev/null & other=$!
words='/dev/video10: permission denied; .*group video: sudo usermod -aG video'
until_true 5 grep -q -E "$words" "$t/nobody.log" || fail "nobody: $(cat "$t/nobody.log")"
port=2021
until_true 5 status_matches error '^permission denied$' || fail "nobody: $(status error)"
port=2020
kill "$other"
wait "$other" || fail "it ended with status $?"

step "pictures through both buffer interfaces, and those that the driver marks as damaged"
says 'picture [0-9]+: ([0-9]+) of \1 bytes, timed: true' "$("$RAW" /dev/video10 10)"
multi=$("$RAW" /dev/video11 10)
says '^MultiPlanar' "$multi"
says 'picture [0-9]+: ([0-9]+) of \1 bytes, timed: true' "$multi"
v4l2-ctl -d11 -c inject_v4l2_buf_flag_error=1
says 'damaged: true' "$("$RAW" /dev/video11 30)"

step "disconnected in the middle, and back"
for node in 10 11; do
    "$RAW" /dev/video$node 1000 >"$t/raw" & raw=$!
    until_true 60 grep -q 'picture 5:' "$t/raw" || fail "no raw pictures"
    v4l2-ctl -d$node --set-ctrl disconnect=1
    wait "$raw"
    says 'end: Err\(NoDevice\)' "$(cat "$t/raw")"
    says 'end: Ok' "$("$RAW" /dev/video$node 3)"
done

step "buffers refused"
v4l2-ctl -d10 -c inject_vidioc_reqbufs_error=1
says 'end: Err\(InvalidArgument\)' "$("$RAW" /dev/video10 3)"
says 'end: Ok' "$("$RAW" /dev/video10 3)"

step "auto where no camera has H.264: the one whose pictures can be encoded"
start -w 320 -h 180 -f 10
logged 10 'camera: /dev/video10 .*encoded by'
stop
step "auto where nothing is of use: what there is, in words"
modprobe -r vivid || fail "the driver is in use"
start -w 320 -h 240 -f 10
watch first
expect 5 "state waiting 'no camera found\\. /dev/video0 .*: loopback, not fed"
same_viewer
step "no device at all: said so; a camera is plugged in: live"
modprobe -r v4l2loopback || fail "the driver is in use"
expect 6 "state waiting 'no camera found: no video node in /dev; is one plugged in\\?"
says '^No video node found' "$("$t/berrymse" cameras)"
plug -s 320x240 -r 10 "$clip"
live_again 15
leave clean "$clip"
stop
