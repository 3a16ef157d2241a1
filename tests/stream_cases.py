"""Streams as servers of OpenAI's protocol send them, valid and not. The openai SDK is the oracle."""

import json
from typing import Any

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(delta: Any = None, reason: str | None = None, **fields: Any) -> str:
    """Return the JSON of a chunk."""
    return json.dumps(HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} | fields)


def events(*data: str, end: str = "data: [DONE]\n\n") -> str:
    """Return events with LF line ends."""
    return "".join(f"data: {one}\n\n" for one in data) + end


HI, YOU, STOP = chunk({"role": "assistant", "content": "hi "}), chunk({"content": "du ü€😀"}), chunk({}, "stop")
ALL = (HI, YOU, STOP)
PLAIN = events(*ALL)
OFFSETS = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
AZURE = json.dumps({"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
FILTERED = {"index": 0, "finish_reason": None, "content_filter_offsets": OFFSETS, "content_filter_results": {}}
NO_DELTA = json.dumps(HEAD | {"choices": [FILTERED]})
NULL_DELTA = json.dumps(HEAD | {"choices": [FILTERED | {"delta": None}]})
TOTALS = [
    chunk({"content": "x"}, usage={"prompt_tokens": 1, "completion_tokens": n, "total_tokens": n + 1}) for n in (1, 2)
]

# Both accept these, and read the same chunks.
ACCEPTED: dict[str, str] = {
    "plain": PLAIN,
    "no [DONE]": events(*ALL, end=""),
    "[DONE] without a final newline": events(*ALL, end="data: [DONE]"),
    "[DONE] with one newline": events(*ALL, end="data: [DONE]\n"),
    "events after [DONE]": PLAIN + events(HI),
    "text after [DONE]": events(*ALL, end="data: [DONE] bye\n\n"),
    "CR": PLAIN.replace("\n", "\r"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "mixed line ends": f"data: {HI}\r\n\rdata: {YOU}\n\r\ndata: {STOP}\r\rdata: [DONE]\n\n",
    "data on several lines": events(*(one.replace(', "', ',\ndata:"') for one in ALL)),
    "no space after the colon": PLAIN.replace("data: ", "data:"),
    "comments": ": hello\n\n" + PLAIN.replace("data:", ": ping\n: ping\ndata:"),
    "event names": PLAIN.replace("data:", "event: message\ndata:"),
    "event names after the data": PLAIN.replace("\n\n", "\nevent: chunk\n\n"),
    "fields without meaning": PLAIN.replace("data:", "retry: 3000\nnonsense\nx: y\ndata:"),
    "ids": "".join(f"id: {n}\ndata: {one}\n\n" for n, one in enumerate([*ALL, "[DONE]"])),
    "choices null": events(HI, chunk(choices=None), YOU, STOP),
    "choices missing": events(HI, json.dumps(HEAD), YOU, STOP),
    "choices empty": events(AZURE, *ALL),
    "ping objects": events('{"type": "ping"}', HI, "{}", YOU, STOP),
    "error null or empty": events(*(one[:-1] + ', "error": null}' for one in ALL), '{"error": ""}'),
    "delta null": events(HI, NULL_DELTA, YOU, STOP),
    "delta missing": events(HI, NO_DELTA, YOU, STOP),
    "content of another type": events(HI, chunk({"content": [{"type": "thinking", "thinking": []}]}), YOU, STOP),
    "fields of other types": events(HI, chunk({"content": 5, "tool_calls": {}, "role": []}), YOU, STOP),
    "tool calls of other types": events(HI, chunk({"tool_calls": [5, {"index": "x", "function": 7}]}), YOU, STOP),
    "usage of another type": events(HI, YOU, STOP, json.dumps(HEAD | {"choices": [], "usage": 7})),
    "running totals": events(HI, *TOTALS, YOU, STOP),
    "not a number": events(HI, chunk({"content": "x"}, logprob=float("nan"), other=float("-inf")), YOU, STOP),
    "no finish reason": events(HI, YOU),
    "two choices": events(HI, chunk({}).replace('"index": 0', '"index": 1'), YOU, STOP),
    "unknown fields": events(HI, chunk({"content": "x", "x": {"y": [1, None]}}, obfuscation="aa"), YOU, STOP),
    "a large event": events(HI, chunk({"images": ["x" * 2_000_000]}), YOU, STOP),
    "an incomplete last event": events(HI, YOU, STOP, end=f"data: {HI}"),
    "an incomplete last line": events(HI, YOU, STOP, end='data: {"id": "c"'),
}
# The SDK refuses or misreads these; the agent accepts them and reads the chunks of PLAIN.
LENIENT: dict[str, str] = {
    "byte order mark": "\ufeff" + PLAIN,
    "empty data": events(HI, "", YOU, STOP),
    "retry of its own": f"retry: 3000\n\n{PLAIN}",
    "an id and a comment": f"id: 1\ndata: {HI}\n\n: ping\n\n{events(YOU, STOP)}",
}
# Both refuse these after the first chunk.
REFUSED: dict[str, str] = {
    "error": events(HI, '{"error": {"message": "secret words", "code": 500}}', YOU, STOP),
    "error beside choices": events(HI, chunk({"content": "x"}, error={"message": "secret words"}), YOU, STOP),
    "error as a text": events(HI, '{"error": "secret words"}', YOU, STOP),
    "no JSON": events(HI, "secret words", YOU, STOP),
    "half JSON": events(HI, '{"choices": [', YOU, STOP),
}
# The SDK passes these on as chunks, but they are errors.
ERRORS: dict[str, str] = {
    "event error": events(HI, end='event: error\ndata: {"message": "secret words"}\n\n') + events(YOU, STOP),
    "object error": events(HI, '{"object": "error", "message": "secret words", "code": 400}', YOU, STOP),
}
