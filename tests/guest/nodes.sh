# Nodes that are of no use, each told in words; the list of cameras; capture with both buffer interfaces.
. "$(dirname "$0")/lib.sh"

step "cameras without H.264, single- and multi-planar"
says 'unavailable: /dev/video10: this node gives YUYV, .* and no H.264; it needs an encoder' "$(once 1 /dev/video10)"
says 'unavailable: /dev/video11: this node gives YUYV, .* and no H.264; it needs an encoder' "$(once 1 /dev/video11)"

step "no cameras"
says 'unavailable: /dev/video77: there is no such node' "$(once 1 /dev/video77)"
says 'unavailable: /dev/null: this is no video node' "$(once 1 /dev/null)"

step "no permission"
chmod 600 /dev/video10
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$t/dump" "$@" 2>&1; }
says 'unavailable: /dev/video10: permission denied; .*group video: sudo usermod -aG video' "$(nobody --seconds 1 /dev/video10)"
says 'no source: permission denied' "$(nobody --cameras)"
says '"card": "vivid' "$("$t/dump" --json)"

step "nothing found: what there is, in words"
says 'Err\("no camera with H.264 found\. /dev/video0 .*nothing feeds it yet.*; /dev/video10 .*no H.264' "$("$t/dump" --auto)"

step "pictures through both buffer interfaces"
says 'picture: [0-9]+ ([0-9]+) of \1 bytes Some' "$(once 10 --raw --pictures 10 /dev/video10)"
multi=$(once 10 --raw --pictures 10 /dev/video11)
says 'event: MultiPlanar' "$multi"
says 'picture: [0-9]+ ([0-9]+) of \1 bytes Some' "$multi"

step "marked as damaged by the driver"
v4l2-ctl -d11 -c inject_v4l2_buf_flag_error=1
says 'damaged: true' "$(once 10 --raw --pictures 30 /dev/video11)"

step "disconnected in the middle, and back"
for node in 10 11; do
    "$t/dump" --raw --seconds 20 /dev/video$node 2>"$events" & raw=$!
    until_true 10 grep -q 'picture: 5 ' "$events"
    v4l2-ctl -d$node --set-ctrl disconnect=1
    wait "$raw"
    says 'event: raw Err\(Gone\)' "$(cat "$events")"
    says 'event: raw Ok' "$(once 10 --raw --pictures 3 /dev/video$node)"
done

step "buffers refused"
v4l2-ctl -d10 -c inject_vidioc_reqbufs_error=1
says 'event: raw Err\(Invalid\)' "$(once 5 --raw --pictures 3 /dev/video10)"
says 'event: raw Ok' "$(once 10 --raw --pictures 3 /dev/video10)"
