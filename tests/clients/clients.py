"""Watches with websockets and with aiohttp: see run."""

import asyncio
import json
import os

import aiohttp
import websockets

URL = os.environ["URL"]
LIVE = URL.replace("http", "ws", 1) + "live/front"
PROTOCOLS = ["berrymse.v1", "berrymse.token." + os.environ["VIEWER"]]
PATIENCE = 20


async def end_the_viewer():
    headers = {"Authorization": "Bearer " + os.environ["OPERATOR"]}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(URL + "api/status") as answer:
            [viewer] = (await answer.json())["viewers"]
        assert viewer["name"] == "viewer" and viewer["output"] == "websocket", viewer
        async with session.post(f"{URL}api/viewers/{viewer['id']}/end", json={}) as answer:
            assert answer.status == 200, await answer.text()


async def with_websockets():
    try:
        await websockets.connect(LIVE)
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 401, refused
    else:
        raise AssertionError("let in without a token")
    async with websockets.connect(LIVE, subprotocols=PROTOCOLS) as socket:
        assert socket.subprotocol == "berrymse.v1"
        assert json.loads(await socket.recv())["type"] == "hello"
        while not isinstance(await socket.recv(), bytes):
            pass
        await end_the_viewer()
        try:
            while True:
                await socket.recv()
        except websockets.exceptions.ConnectionClosed as closed:
            assert closed.rcvd.code == 4403, closed


async def with_aiohttp():
    async with aiohttp.ClientSession() as session:
        try:
            await session.ws_connect(LIVE)
        except aiohttp.WSServerHandshakeError as refused:
            assert refused.status == 401, refused
        else:
            raise AssertionError("let in without a token")
        async with session.ws_connect(LIVE, protocols=PROTOCOLS) as socket:
            assert socket.protocol == "berrymse.v1"
            assert (await socket.receive_json())["type"] == "hello"
            while (await socket.receive()).type != aiohttp.WSMsgType.BINARY:
                pass
            await end_the_viewer()
            async for _ in socket:
                pass
            assert socket.close_code == 4403, socket.close_code


for name, client in [("websockets", with_websockets), ("aiohttp", with_aiohttp)]:
    asyncio.run(asyncio.wait_for(client(), PATIENCE))
    print(f"{name}: correct")
