# guest: --loop 4,5
# A camera that is opened and closed a thousand times leaves nothing behind.
. "$(dirname "$0")/lib.sh"

cycles=1000
plug -s 320x240 -r 100 -x "$small"
step "$cycles times opened and closed"
since=$EPOCHREALTIME
"$OPEN_CLOSE" /dev/video0 $cycles >"$t/cycles" 2>&1 || fail "$(cat "$t/cycles")"
step "($(ms_since "$since") ms)"
sed 's/^/   /' "$t/cycles"
read -r _ _ _ early _ early_kb _ _ < <(head -1 "$t/cycles")
read -r _ _ _ late _ late_kb _ pictures < <(tail -1 "$t/cycles")
[ "$early" = "$late" ] || fail "$early descriptors became $late"
[ "$late_kb" -lt $((early_kb + 512)) ] || fail "$early_kb kB became $late_kb kB"
[ "$pictures" = $cycles ] || fail "$pictures pictures"
unplug
