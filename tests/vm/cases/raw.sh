# Cameras without H.264: every raw format, JPEGs, faults and too much work, through the program's own encoder to a picture that
# is compared with what the camera showed.
. "$(dirname "$0")/lib.sh"
size=320x180
# What vivid shows is still, and nothing is written over it.
for node in 10 11; do
    v4l2-ctl -d $node -c osd_text_mode=2
    v4l2-ctl -d $node --set-fmt-video=width=320,height=180,pixelformat=RGB3 --stream-mmap --stream-count=1 \
        --stream-to="$KEPT/vivid$node.rgb" >"$t/v4l2-ctl" 2>&1 || fail "no reference: $(cat "$t/v4l2-ctl")"
done
# formats NODE: those that vivid has and the program converts
formats() {
    v4l2-ctl -d "$1" --list-formats | sed -n "s/.*'\(....\)'.*/\1/p" | grep -x -E \
        'YUYV|YVYU|UYVY|VYUY|NV12|NV21|NV16|NV61|YU12|YV12|422P|RGB3|BGR3|RGB4|BGR4|BA24|BX24|AR24|XR24|AB24|XB24|RA24|RX24|GREY|NM12|NM21|NM16|NM61|YM12|YM21|YM16|YM61'
}
# shown NODE FORMAT
shown() {
    start -d "/dev/video$1" -w 320 -h 180 -f 10 --pixel-format "$2"
    watch "$1-$2"
    expect 20 "state live ''"
    pictures 4
    logged 1 "camera: /dev/video$1 .*: $2, 320x180, 10 pictures/s; encoded by "
    # Grey is its brightness only.
    [ "$2" = GREY ] || looks "$1-$2" "vivid$1.rgb" $size 30
    leave
    kill -TERM "$program"
    wait "$program"
    program= viewers=()
}

for node in 10 11; do
    all=$(formats $node | sort -u)
    step "vivid, /dev/video$node:" $all
    [ "$(wc -w <<<"$all")" -ge 20 ] || fail "vivid has only: $all"
    for format in $all; do shown $node "$format"; done
done

step "a format that the camera has not, and an encoder that the machine has not, are refused in words"
start -d /dev/video10 --pixel-format MJPG
status_is error 'this camera does not give MJPG .* but YUYV, UYVY'
stop

step "unplugged while it streams (vivid disconnect): words, then pictures, in the same program"
start -d /dev/video10 -w 320 -h 180 -f 10
watch faults
live_again 20
v4l2-ctl -d 10 -c disconnect=1
expect 10 "state lost '/dev/video10: .*unplugged"
live_again 20

step "the encoder's bit rate is a control beside the camera's own, and holds when the camera comes back"
control_is video_bitrate 1500000
control_is brightness 128
set_controls '{"video_bitrate": 200000, "force_key_frame": true}'
control_is video_bitrate 200000
pictures 3
v4l2-ctl -d 10 -c disconnect=1
expect 10 "state lost '/dev/video10: .*unplugged"
live_again 20
control_is video_bitrate 200000
set_controls '{"video_bitrate": 1}' '^HTTP/1.1 422 '
step "of a menu of numbers the place, or the number itself, is set"
control_is integer_menu 4
set_controls '{"integer_menu": "13"}'
control_is integer_menu 6

step "a buffer with the error bit is left out and counted"
before=$(status frames_dropped)
v4l2-ctl -d 10 -c inject_v4l2_buf_flag_error=1
logged 20 'marked as damaged by the driver'
pictures 5
[ "$(status frames_dropped)" -gt "$before" ] || fail "not counted: $(status frames_dropped)"

step "buffers that the driver drops are counted"
v4l2-ctl -d 10 -c percentage_of_dropped_buffers=50
logged 20 'skipped by the camera or its driver'
pictures 5
v4l2-ctl -d 10 -c percentage_of_dropped_buffers=0

step "a fatal error of the queue, and refusals of each call while it is opened again"
for fault in inject_vidioc_reqbufs_error inject_vidioc_streamon_error inject_vidioc_qbuf_error; do
    v4l2-ctl -d 10 -c $fault=1
    v4l2-ctl -d 10 -c inject_fatal_streaming_error=1
    expect 20 'state lost '
    live_again 30
done
leave
stop

step "more pictures than can be encoded: the newest are, the others are counted, and none is old"
# Noise is the most work there is, and others want the processors, too.
noise=$(v4l2-ctl -d 10 --list-ctrls-menus | sed -n '/ test_pattern /,/^$/s/^[[:space:]]*\([0-9]*\): Noise.*/\1/p')
v4l2-ctl -d 10 -c "test_pattern=$noise" || fail "no noise"
hogs=()
for _ in 1 2; do while :; do :; done & hogs+=($!); done
start -d /dev/video10 -w 1920 -h 1080 -f 5
watch overload
expect 30 "state live ''"
sleep 12
# Where the guest is emulated and the machine has other work one picture takes seconds.
pictures 5 120
# The longest time between two pictures: the machine may have had more to do before than now.
each=$(grep -E '^[0-9.]+ [Kp] ' "$t/overload.events" | perl -ane '
    $longest = $F[0] - $last if $last && $F[0] - $last > $longest; $last = $F[0]; END { printf "%.0f", 1000 * $longest }')
clock=$(cut -d' ' -f1 /proc/uptime)
# Each timing message says when its picture was taken, on the clock that counts since the start of the machine.
delays=$(grep -E '"captured_us":[0-9]+' "$t/overload.events" | tail -n 8 | perl -ne '
    BEGIN { $offset = '"$EPOCHREALTIME - $clock"' } /^([0-9.]+) .*"captured_us":(\d+)/ and printf "%.0f ", 1000 * ($1 - $offset - $2 / 1e6)')
dropped=$(status frames_dropped)
step "   $dropped pictures left out; at most $each ms for one; delays in ms: $delays"
kill "${hogs[@]}"
v4l2-ctl -d 10 -c test_pattern=0
[ "$dropped" -ge 10 ] || fail "only $dropped pictures left out"
# It waits for the one before it, and takes as long itself.
most=$((3 * each > 6000 ? 3 * each : 6000))
for delay in $delays; do [ "$delay" -lt $most ] || fail "a picture was $delay ms old, with at most $each ms for one"; done
logged 30 'the encoder does not keep up'
leave
stop

step "JPEGs, from a node that says MJPG"
# feed_jpegs OPTION...
feed_jpegs() { feed -d /dev/video0 -s 320x240 -r 10 --fourcc MJPG --jpeg "$@" "$CLIPS/bars.mjpeg"; }
feed_jpegs
until_true 5 grep -q . <(v4l2-ctl -d 0 --list-formats) || fail "not fed"
start -d /dev/video0 -w 320 -h 240 -f 10
watch jpeg
expect 20 "state live ''"
pictures 10
logged 1 'camera: /dev/video0 .*: MJPG, 320x240'
looks jpeg "$CLIPS/bars.rgb" 320x240 30

# snapshot [QUERY]: the picture alone, in a file
snapshot() {
    get "$port" "/snapshot.jpg${1:-}" >"$t/answer"
    says '^HTTP/1.1 200 ' "$(head -c 15 "$t/answer")"
    perl -e 'undef $/; $_ = <STDIN>; my ($head, $picture) = split /\r\n\r\n/, $_, 2; print $picture' <"$t/answer" >"$t/snapshot.jpg"
}
# header NAME: of the answer to the last snapshot
header() { grep -a -i -m1 "^$1: " "$t/answer" | tr -d '\r' | cut -d' ' -f2-; }
# All pictures of the clip are the same.
head -c $(($(stat -c %s "$CLIPS/bars.mjpeg") / 10)) "$CLIPS/bars.mjpeg" >"$t/bars.jpg"

step "the snapshot is the camera's own JPEG, byte for byte; a smaller one is not"
snapshot
cmp "$t/snapshot.jpg" "$t/bars.jpg" || fail "another picture than was fed"
[ "$(header x-picture-age-ms)" -lt 6000 ] || fail "it is $(header x-picture-age-ms) ms old"
taken=$(date -d "$(header last-modified)" +%s) answered=$(date -d "$(header date)" +%s)
[ $((answered - taken)) -lt 8 ] || fail "taken at $(header last-modified), answered at $(header date)"
snapshot '?width=160'
[ "$(stat -c %s "$t/snapshot.jpg")" -lt "$(stat -c %s "$t/bars.jpg")" ] || fail "not smaller"

step "the MJPEG stream has the camera's own JPEGs, byte for byte; smaller ones it has not"
# stream BYTES [QUERY]: so much of the stream
stream() {
    { exec 8<>"/dev/tcp/127.0.0.1/$port"; } 2>"$t/refused" || fail "refused"
    printf 'GET /?action=stream%s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "${2:-}" "$port" >&8
    timeout 60 head -c "$1" <&8 >"$t/stream"
    exec 8>&-
}
stream $((20 * $(stat -c %s "$t/bars.jpg")))
each=$(perl -e 'my ($stream, $jpeg) = map { open my $file, "<:raw", $_ or die; local $/; <$file> } @ARGV;
    $stream =~ s/^.*?\r\n\r\n//s;
    my @parts = split /(?:\r\n)?--boundarydonotcross\r\n/, $stream;
    shift @parts; pop @parts;
    my @times;
    for (@parts) {
        s/^Content-Type: image\/jpeg\r\nContent-Length: (\d+)\r\nX-Timestamp: ([\d.]+)\r\n\r\n// or die "no header: ", substr $_, 0, 80;
        $_ eq $jpeg && $1 == length or die "another picture than was fed";
        push @times, $2;
    }
    @times > 15 or die "only ", scalar @times;
    printf "%.0f", 1000 * ($times[-1] - $times[0]) / $#times' "$t/stream" "$t/bars.jpg") || fail "the stream"
step "   one in $each ms; ten a second are fed"
stream 3000 '&width=160'
length=$(grep -a -m1 '^Content-Length' "$t/stream" | tr -dc 0-9)
[ "${length:-999999}" -lt "$(stat -c %s "$t/bars.jpg")" ] || fail "not smaller: $length"

step "a camera on demand is opened for it, and what is left to the display is in the picture"
leave
stop
start -d /dev/video0 -w 320 -h 240 -f 10 --on-demand true
status_is state '^idle$'
snapshot
cmp "$t/snapshot.jpg" "$t/bars.jpg" || fail "another picture than was fed"
stop
start -d /dev/video0 -w 320 -h 240 -f 10 --hflip true
snapshot
cmp -s "$t/snapshot.jpg" "$t/bars.jpg" && fail "it is not mirrored"
stop

step "without Huffman tables, as webcams send JPEGs: those of the standard are put in"
unfeed
perl -0777 -pe 's/\xff\xc4\x01\xa2.{416}//gs' "$CLIPS/bars.mjpeg" >"$t/bare.mjpeg"
bare=$(($(stat -c %s "$t/bare.mjpeg") / 10))
[ $bare = $(($(stat -c %s "$t/bars.jpg") - 420)) ] || fail "the clip has other tables"
feed -d /dev/video0 -s 320x240 -r 10 --fourcc MJPG --jpeg "$t/bare.mjpeg"
until_true 5 grep -q . <(v4l2-ctl -d 0 --list-formats) || fail "not fed"
start -d /dev/video0 -w 320 -h 240 -f 10
watch jpeg
expect 20 "state live ''"
snapshot
perl -0777 -pe 's/\xff\xc4\x01\xa2.{416}(?=\xff\xda)//s' "$t/snapshot.jpg" >"$t/bare.jpg"
[ "$(stat -c %s "$t/snapshot.jpg")" = $((bare + 420)) ] || fail "no tables ahead of the scan"
cmp "$t/bare.jpg" <(head -c $bare "$t/bare.mjpeg") || fail "another picture than was fed"

step "cut JPEGs do no harm"
unfeed
feed_jpegs --cut 3 --empty 5
logged 20 'a JPEG of the camera is thrown away'
pictures 10

step "the feeder goes and comes again"
unfeed
expect 20 'state lost '
feed_jpegs
live_again 20
leave
unfeed
stop
