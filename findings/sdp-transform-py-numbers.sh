#!/usr/bin/env bash
# sdp-transform 1.1.0 of Python: text of an SDP that Python can read as a number becomes one. profile-level-id=42e028, which is Constrained
# Baseline at level 4, is the number 4.2e+29, where 42e01f, level 3.1, stays text; and the RTSP track `a=control:01` is written as 1.
#
# Expected: profile-level-id is text of three bytes in base 16 (RFC 6184, 8.1), and a control attribute is a URL (RFC 2326, C.1.1), so both
# stay as they are, as does an ICE fragment of digits (RFC 8839, 5.4). The library of JavaScript with the same name and functions keeps
# text that its number would not print alike: 640028 becomes a number there as well, which prints the same, and the others do not.
# Needs python3 with venv, node and npm. Fails if what is seen changes.
set -euo pipefail
for need in python3 node npm; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sdp-transform==1.1.0
npm install --silent --no-save --ignore-scripts sdp-transform@3.0.0 >/dev/null
printf '%s\r\n' v=0 "o=- 1 1 IN IP4 127.0.0.1" s=camera "t=0 0" "m=video 0 RTP/AVP 96" a=rtpmap:96\ H264/90000 \
    "a=fmtp:96 packetization-mode=1;profile-level-id=42e028" a=ice-ufrag:0077 a=control:01 > in.sdp
cat > run.py <<'P'
import importlib.metadata, sdp_transform
print("sdp-transform", importlib.metadata.version("sdp-transform"), "of Python")
for text in ["42e01f", "42e028", "42e034", "640028", "64001f"]:
    print("profile-level-id", text, "is", repr(sdp_transform.parseParams(f"packetization-mode=1;profile-level-id={text}")["profile-level-id"]))
sdp = open("in.sdp", newline="").read()
written = sdp_transform.write(sdp_transform.parse(sdp))
for line in sdp.splitlines():
    if line not in written.splitlines():
        print("read", line, "and not written")
print("written", sorted(line for line in written.splitlines() if line not in sdp.splitlines()))
P
cat > run.mjs <<'J'
import { readFileSync } from "node:fs";
import { parse, parseParams, write } from "sdp-transform";
console.log("sdp-transform", JSON.parse(readFileSync("node_modules/sdp-transform/package.json")).version, "of JavaScript");
const levels = ["42e01f", "42e028", "42e034", "640028", "64001f"];
const same = levels.filter((text) => String(parseParams(`profile-level-id=${text}`)["profile-level-id"]) === text);
const sdp = readFileSync("in.sdp", "utf8");
const written = write(parse(sdp)).split("\r\n").sort().join();
console.log("profile-level-id reads the same:", same.join(" "), "- SDP written as read:", written === sdp.split("\r\n").sort().join());
J
venv/bin/python run.py | tee seen
node run.mjs | tee -a seen
echo "expected: text for all of the first five, and every line of the SDP written as it was read"
diff - seen <<'S'
sdp-transform 1.1.0 of Python
profile-level-id 42e01f is '42e01f'
profile-level-id 42e028 is 4.2e+29
profile-level-id 42e034 is 4.2e+35
profile-level-id 640028 is 640028
profile-level-id 64001f is '64001f'
read a=ice-ufrag:0077 and not written
read a=control:01 and not written
written ['a=control:1', 'a=ice-ufrag:77']
sdp-transform 3.0.0 of JavaScript
profile-level-id reads the same: 42e01f 42e028 42e034 640028 64001f - SDP written as read: true
S
