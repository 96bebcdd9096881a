#!/usr/bin/env bash
# FFmpeg (seen with libavformat 59 and 62): the first frame of every RTSP stream has no time, so recording with -c copy warns
# "Timestamps are unset in a packet".
#
# Expected: the RTP timestamp of the first packet becomes time 0, as rtpdec.c computes it. It is lost in the parser: packets of RTP
# have the position -1, and av_parser's ff_fetch_timestamp takes no time for a frame that begins before position 0.
# A server can do nothing about it; the second frame has the right time.
# Needs ffmpeg with libx264, and python3. Fails if what is seen changes.
set -euo pipefail
for need in ffmpeg ffprobe python3; do command -v "$need" >/dev/null || { echo "$need is needed"; exit 2; }; done
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=10 -t 6 -c:v libx264 -tune zerolatency -x264-params slices=1:sliced-threads=0 "$place/in.264"
ffmpeg -version | head -1
timeout 60 python3 - "$place/in.264" <<'P'
import re, socket, struct, subprocess, sys, threading
nals = [n.rstrip(b"\0") for n in open(sys.argv[1], "rb").read().split(b"\0\0\1")[1:]]
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
def serve():
    peer = server.accept()[0]
    sequence = 0
    while request := peer.recv(4096).decode():
        method, cseq = request.split()[0], re.search(r"CSeq: (\d+)", request)[1]
        body, more = ("", "Session: 1\r\n")
        if method == "DESCRIBE":
            body, more = sdp, f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n"
        if method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        peer.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}\r\n{body}".encode())
        if method == "PLAY":
            time = 900_000
            for nal in nals:
                is_slice = nal[0] & 31 in (1, 5)
                packet = struct.pack(">BBHII", 0x80, 96 | 128 * is_slice, sequence, time, 7) + nal
                peer.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                sequence += 1
                time += 9000 * is_slice
            peer.shutdown(socket.SHUT_WR)
            peer.recv(4096)
            return
threading.Thread(target=serve, daemon=True).start()
seen = subprocess.run(["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "packet=pts", "-read_intervals", "%+#4", "-of",
                       "csv=p=0", f"rtsp://127.0.0.1:{port}/"], capture_output=True, text=True).stdout.split()
seen = [time.strip(",") for time in seen]
print("times of the first frames:", *seen, "; expected 0 9000 18000 27000")
sys.exit(0 if seen[:3] == ["N/A", "9000", "18000"] else 1)
P
