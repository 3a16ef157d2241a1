"""A fake model server: the HTTP APIs of OpenAI, Azure OpenAI and Entra ID, in a process.

A test sets the next responses through /_script, and reads the recorded requests from /_seen.

    PUT    /_script {"completions": [STEP, …], "embeddings": …, "models": …, "token": …}: one step per request. Requests
           after the last step succeed.
    DELETE /_script: delete the script and the recorded requests
    GET    /_seen: [{"path", "query", "headers", "body", "closed"}, …]
    POST   /_go: release one response or chunk that waits

A STEP: {"status": 200, "headers": {}, "json": {…} or "text": "…", "delay": seconds before the response,
"hold": true to wait for POST /_go before the response, "always": true to repeat the step, "fault": "reset" | "half",
"repeat": index of the message that the answer repeats (-1), "message": fields of the answer's message,
"chunks": [{…}, …], "chunk_delay": seconds, "break_after": number of chunks, "step_by_step": true to wait before each
chunk for POST /_go, "raw": the text of an event stream instead of chunks, "refuse": names of fields whose presence
in the request is refused with 400}.
"""

import argparse
import asyncio
import base64
import json
import ssl
import struct
import sys
import time
from typing import Any

from aiohttp import web

Json = dict[str, Any]
SEEN = web.AppKey("seen", list[Json])
SCRIPT = web.AppKey("script", dict[str, list[Json]])
GO = web.AppKey("go", asyncio.Semaphore)
USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


def completion(body: Json, **message: Any) -> Json:
    """Return a chat completion that repeats the last message."""
    answer = {"role": "assistant", "content": f"model: {body['messages'][-1]['content']}", "refusal": None} | message
    reason = "tool_calls" if answer.get("tool_calls") else "stop"
    choice = {"index": 0, "message": answer, "logprobs": None, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": f"{body['model']}-2026-01-01",
        "choices": [choice],
        "usage": USAGE,
        "system_fingerprint": "fp_1",
    }


def chunks(body: Json) -> list[Json]:
    """Return the same completion as chunks of one word each."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    words = f"model: {body['messages'][-1]['content']}".split(" ")
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word if n == 0 else f" {word}"} for n, word in enumerate(words)]
    result = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    result.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        result.append(head | {"choices": [], "usage": USAGE})
    return result


async def completions(request: web.Request) -> web.StreamResponse:
    """POST …/chat/completions."""
    body = await request.json()
    seen = _note(request, body)
    step = _next(request, "completions")
    if "repeat" in step:
        body = body | {"messages": [body["messages"][step["repeat"]]]}
    try:
        await asyncio.sleep(step.get("delay", 0))
        if step.get("hold"):
            await request.app[GO].acquire()
        if step.get("fault"):
            return await _broken(request, step["fault"])
        refused = next((name for name in step.get("refuse", ()) if body.get(name)), None)
        if refused is not None:
            return web.json_response({"error": {"message": f"{refused} is not supported"}}, status=400)
        if "raw" in step:
            return await _raw(request, step["raw"].encode())
        if step.get("status", 200) == 200 and body.get("stream") and "json" not in step and "text" not in step:
            return await _stream(request, step, step.get("chunks") or chunks(body))
    except (asyncio.CancelledError, ConnectionError):
        seen["closed"] = time.time()
        raise
    return _answer(step, completion(body, **step.get("message", {})))


async def embeddings(request: web.Request) -> web.StreamResponse:
    """POST …/embeddings: one number per text, its length."""
    body = await request.json()
    _note(request, body)
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [struct.pack("<f", len(text)) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": base64.b64encode(vector).decode()}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return _answer(
        _next(request, "embeddings"), {"object": "list", "data": data, "model": body["model"], "usage": usage}
    )


async def models(request: web.Request) -> web.StreamResponse:
    """GET …/models."""
    _note(request, None)
    step = _next(request, "models")
    await asyncio.sleep(step.get("delay", 0))
    return _answer(step, {"object": "list", "data": []})


async def token(request: web.Request) -> web.StreamResponse:
    """POST /{tenant}/oauth2/v2.0/token."""
    _note(request, dict(await request.post()))
    number = sum("/oauth2/" in one["path"] for one in request.app[SEEN])
    step = _next(request, "token")
    granted = {"token_type": "Bearer", "expires_in": step.get("expires_in", 3600), "access_token": f"entra-{number}"}
    return _answer(step, granted)


async def script(request: web.Request) -> web.Response:
    """PUT and DELETE /_script."""
    request.app[SCRIPT].clear()
    if request.method == "DELETE":
        request.app[SEEN].clear()
        while not request.app[GO].locked():
            await request.app[GO].acquire()
    else:
        request.app[SCRIPT].update(await request.json())
    return web.json_response({})


async def go(request: web.Request) -> web.Response:
    """POST /_go."""
    request.app[GO].release()
    return web.json_response({})


async def seen(request: web.Request) -> web.Response:
    """GET /_seen."""
    return web.json_response(request.app[SEEN])


def _note(request: web.Request, body: Any) -> Json:
    note = {
        "path": request.path,
        "query": dict(request.query),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": body,
        "closed": None,
    }
    request.app[SEEN].append(note)
    return note


def _next(request: web.Request, route: str) -> Json:
    steps = request.app[SCRIPT].get(route)
    if not steps:
        return {}
    return steps[0] if steps[0].get("always") else steps.pop(0)


def _answer(step: Json, well: Json) -> web.Response:
    status, headers = step.get("status", 200), step.get("headers")
    if "text" in step:
        return web.Response(status=status, headers=headers, text=step["text"])
    return web.json_response(step.get("json", well), status=status, headers=headers)


async def _broken(request: web.Request, fault: str) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    if fault == "half":
        transport.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"id": "ch')
        await asyncio.sleep(0.05)
        transport.close()
    else:
        transport.abort()
    raise web.HTTPInternalServerError


async def _stream(request: web.Request, step: Json, parts: list[Json]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **step.get("headers", {})})
    await response.prepare(request)
    for number, part in enumerate(parts):
        if number == step.get("break_after"):
            assert request.transport is not None
            request.transport.abort()
            break
        if step.get("step_by_step"):
            await request.app[GO].acquire()
        await response.write(b"data: " + json.dumps(part).encode() + b"\n\n")
        if "chunk_delay" in step:
            await asyncio.sleep(step["chunk_delay"])
    else:
        await response.write(b"data: [DONE]\n\n")
    return response


async def _raw(request: web.Request, text: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(text)
    return response


def create_app() -> web.Application:
    """The server."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app[SEEN], app[SCRIPT], app[GO] = [], {}, asyncio.Semaphore(0)
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_post("/openai/deployments/{deployment}/chat/completions", completions)
    app.router.add_post("/v1/embeddings", embeddings)
    app.router.add_post("/openai/deployments/{deployment}/embeddings", embeddings)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/openai/models", models)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", token)
    app.router.add_put("/_script", script)
    app.router.add_delete("/_script", script)
    app.router.add_get("/_seen", seen)
    app.router.add_post("/_go", go)
    return app


async def main() -> None:
    """Serve until killed; the first line on stdout is the port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", help="PEM file of a certificate and its key: serve TLS")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate)
    runner = web.AppRunner(create_app(), handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
