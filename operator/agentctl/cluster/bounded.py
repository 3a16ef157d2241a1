"""Reads from a cluster within bounds of time and size, because others may have created any number of objects."""

import json
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from agentctl.cluster.kubectl import Kubectl, last_line
from agentctl.objects import Object

LARGEST = 16 << 20
SECONDS = 30.0
_CHUNK = 1 << 16
_LONGEST_ERROR = 2_048
_MOST_PAGES = 20
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Output:
    """What a kubectl command has written. `error` is empty if it succeeded."""

    content: bytes
    status: int
    error: str = ""

    @property
    def is_not_found(self) -> bool:
        """Whether the object, or its API, does not exist."""
        return "(NotFound)" in self.error

    def json(self) -> Object:
        """Return the JSON object in the output; an empty one if there is none."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def run(kubectl: Kubectl, *arguments: str, largest: int = LARGEST, seconds: float = SECONDS) -> Output:
    """Run one kubectl command, and stop it when it has written too much or takes too long."""
    process = kubectl.start(*arguments)
    timer = threading.Timer(seconds, process.kill)
    errors = bytearray()
    drain = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
    content = bytearray()
    with process:
        timer.start()
        drain.start()
        try:
            while process.stdout and len(content) <= largest and (part := process.stdout.read1(_CHUNK)):  # type: ignore[attr-defined]
                content += part
            is_too_long = len(content) > largest
            if is_too_long:
                process.kill()
            process.wait()
        finally:
            timer.cancel()
            process.kill()
        drain.join(timeout=1.0)
    if is_too_long:
        return Output(bytes(content[:largest]), 1, f"longer than {largest} bytes")
    error = last_line(errors.decode(errors="replace"))[:_LONGEST_ERROR]
    if process.returncode and not error:
        error = f"no answer within {seconds:g} s" if process.returncode < 0 else f"kubectl: status {process.returncode}"
    return Output(bytes(content), process.returncode, error if process.returncode else "")


def end_of_log(kubectl: Kubectl, *arguments: str, largest: int, seconds: float = SECONDS) -> Output:
    """Return the end of a log. The kubelet's limitBytes would leave out the newest lines.

    Args:
        kubectl: access to the cluster.
        arguments: of `kubectl logs`.
        largest: number of bytes to return. They begin with a whole line.
        seconds: what was read until then is the content.
    """
    process = kubectl.start("logs", *arguments)
    timer = threading.Timer(seconds, process.kill)
    errors, content = bytearray(), bytearray()
    drain = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
    is_cut = False
    with process:
        timer.start()
        drain.start()
        try:
            while process.stdout and (part := process.stdout.read1(_CHUNK)):  # type: ignore[attr-defined]
                content += part
                if len(content) > 2 * largest:
                    del content[:-largest]
                    is_cut = True
            process.wait()
        finally:
            timer.cancel()
            process.kill()
        drain.join(timeout=1.0)
    found = bytes(content[-largest:])
    if is_cut or len(content) > largest:
        found = found.partition(b"\n")[2] or found
    error = last_line(errors.decode(errors="replace"))[:_LONGEST_ERROR] if process.returncode else ""
    return Output(found, process.returncode, error or ("kubectl logs failed" if process.returncode else ""))


def is_name(name: str) -> bool:
    """Return whether a text is a name of an object, so that it may be a part of a path or an argument."""
    return _NAME.fullmatch(name) is not None


def get_all(kubectl: Kubectl, path: str, limit: int, **parameters: str | int) -> tuple[Output, bool]:
    """Read a collection page by page. Return its items as one list, and whether these are all."""
    items: list[Any] = []
    size, token = 0, ""
    for _ in range(_MOST_PAGES):
        output = get(kubectl, path, limit=limit, **parameters, **({"continue": token} if token else {}))
        page = output.json() if not output.error else {}
        found = page.get("items")
        if output.error and not items:
            return output, False
        items += found if isinstance(found, list) else []
        meta = page.get("metadata")
        token = str(meta.get("continue") or "") if isinstance(meta, dict) else ""
        size += len(output.content)
        if not token or size > LARGEST:
            break
    is_complete = not token and not output.error
    return Output(json.dumps({"items": items}).encode(), 0), is_complete


def get(kubectl: Kubectl, path: str, **parameters: str | int) -> Output:
    """Read a path of the API."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
    return run(kubectl, "get", "--raw", f"{path}?{query}" if query else path)


def items_of(listed: Mapping[str, Any], kind: str) -> list[Object]:
    """Return the items of a list, each with its kind, which the API server leaves out."""
    found = listed.get("items")
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [{"kind": kind, **item} if "kind" not in item else item for item in items]


def _drain(stream: Any, into: bytearray) -> None:
    # The pipe may be closed while this thread reads.
    with suppress(OSError, ValueError):
        while part := stream.read1(_CHUNK):
            into += part
            del into[: -4 * _LONGEST_ERROR]
