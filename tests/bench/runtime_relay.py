"""The smallest possible server between a client and a model: aiohttp that forwards bodies. The argument is its port."""

import asyncio
import os
import sys

import aiohttp
import uvloop
from aiohttp import web


async def main() -> None:
    """Forward requests to MODEL_URL until killed."""
    url = os.environ["MODEL_URL"] + "/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def relay(request: web.Request) -> web.Response:
            headers = {"Content-Type": "application/json"}
            async with session.post(url, data=await request.read(), headers=headers) as answer:
                return web.Response(body=await answer.read(), content_type="application/json")

        async def ready(_: web.Request) -> web.Response:
            return web.Response()

        app = web.Application()
        app.router.add_post("/v1/chat/completions", relay)
        app.router.add_get("/ready", ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
