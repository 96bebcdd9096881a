#!/usr/bin/env bash
# aiohttp 3.14: a client reports close code 1006, not the server's, if the server ends its side of the connection (FIN)
# right behind its close frame, and the client reads both some time later, as a busy program does.
#
# Expected: the code of the close frame that was received, such as 4403 (RFC 6455, 7.1.5). The connection is half open, so
# the client's close frame reaches the server, as websockets of Python shows.
# Needs python3 with venv. Fails if what is seen changes.
set -euo pipefail
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5 websockets==17.4
cat > "$place/run.py" <<'P'
import asyncio, base64, hashlib, sys
import aiohttp, websockets

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

async def serve(reader, writer, ends_at_once):
    head = await reader.readuntil(b"\r\n\r\n")
    key = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")][0]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.write(bytes([0x88, 2]) + (4403).to_bytes(2, "big"))
    if ends_at_once:
        writer.write_eof()
    await reader.read(64)
    writer.close()

async def with_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await asyncio.sleep(0.5)
        async for _ in socket:
            pass
        return socket.close_code

async def with_websockets(url):
    async with websockets.connect(url) as socket:
        await asyncio.sleep(0.5)
        try:
            await socket.recv()
        except websockets.exceptions.ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code

async def main():
    seen = []
    for ends_at_once in [False, True]:
        server = await asyncio.start_server(lambda r, w: serve(r, w, ends_at_once), "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for client in [with_websockets, with_aiohttp]:
            code = await asyncio.wait_for(client(url), 20)
            seen.append(code)
            when = "with the close frame" if ends_at_once else "after the client's close frame"
            print(f"{client.__name__[5:]}, end of the server's side {when}: {code}; expected 4403")
    return seen

sys.exit(asyncio.run(main()) != [4403, 4403, 4403, 1006])
P
timeout 80 "$place/venv/bin/python" "$place/run.py"
