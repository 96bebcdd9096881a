# guest: --m2m
# Memory-to-memory nodes are no cameras. (Not run unless named: the guest first has to build their drivers.)
. "$(dirname "$0")/lib.sh"

step "drivers with both queues are not taken for cameras"
{
    echo "cameras:"
    for node in 4 5 6 7; do printf '  - name: m2m%s\n    source: /dev/video%s\n' "$node" "$node"; done
} >"$t/codecs.yml"
start -c "$t/codecs.yml"
for node in 4 5 6 7; do
    status_is error "^/dev/video$node: this is a decoder or converter, not a camera" "m2m$node"
done
says '^/dev/video4  .*: decoder or converter$' "$("$t/berrymse" cameras)"
stop
