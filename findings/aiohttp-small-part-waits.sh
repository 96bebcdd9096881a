#!/usr/bin/env bash
# aiohttp 3.14, MultipartReader of a client: a part of an MJPEG stream that has no Content-Length and comes, with the boundary
# behind it, in one read of up to 8192 bytes is handed over one picture late. Larger parts come at once, and so do small ones
# with a Content-Length.
#
# Expected: the boundary ends the part (RFC 2046, 5.1.1), and it was received, together with the headers of the next part. The
# reader looks into the first bytes that it reads only when there are some more: at 1 picture/s that is a delay of 1 s.
# Needs python3 with venv. Fails if what is seen changes.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
cat > "$place/run.py" <<'P'
import asyncio, sys, time
import aiohttp

INTERVAL = 0.5

async def serve(reader, writer, size, has_length, sent):
    await reader.readuntil(b"\r\n\r\n")
    length = b"Content-Length: %d\r\n" % size if has_length else b""
    head = b"--frame\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n"
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n" + head)
    for number in range(5):
        await asyncio.sleep(INTERVAL)
        sent.append(time.monotonic())
        writer.write(bytes([number]) * size + b"\r\n" + head)
        await writer.drain()
    writer.close()

async def delays(size, has_length):
    sent, found = [], []
    server = await asyncio.start_server(lambda r, w: serve(r, w, size, has_length, sent), "127.0.0.1", 0)
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response:
        parts = aiohttp.MultipartReader.from_response(response)
        for number in range(4):
            picture = await (await parts.next()).read()
            assert picture == bytes([number]) * size
            found.append(time.monotonic() - sent[number])
        await response.content.read()
    server.close()
    return sorted(found)[1:3]

async def main():
    seen = []
    for size in [8000, 9000]:
        for has_length in [False, True]:
            delay = sum(await delays(size, has_length)) / 2
            seen.append(delay > INTERVAL / 2)
            print(f"parts of {size} bytes {'with' if has_length else 'without'} Content-Length, one each {INTERVAL} s: "
                  f"read {delay:.3f} s after they and the boundary were sent; expected 0")
    return seen

sys.exit(asyncio.run(main()) != [True, False, False, False])
P
timeout 55 "$place/venv/bin/python" "$place/run.py"
