# guest: --m2m
# Memory-to-memory nodes are no cameras. (Not run unless named: the guest first has to build their drivers.)
. "$(dirname "$0")/lib.sh"

step "drivers with both queues are not taken for cameras"
for node in 4 5 6 7; do
    says "unavailable: /dev/video$node: this is a decoder or converter, not a camera" "$(once 1 /dev/video$node)"
done
