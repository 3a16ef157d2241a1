"""The health that the agent in this container reports itself."""

import asyncio
from typing import Any

import aiohttp

from agent_runtime import connection_faults, untrusted_json
from agent_runtime.config.terminal import one_line
from agent_runtime.environment import Environment

_SECONDS = 4.0
_LARGEST = 64 * 1024
_MOST_COMPONENTS = 64
_LONGEST = 512
_ALL = frozenset({None, "::", "0.0.0.0"})  # noqa: S104  (a pod serves other hosts)


async def read_health(environment: Environment) -> dict[str, Any]:
    """Return the report of /health on the metrics port: status and components, or reason and message."""
    host = "127.0.0.1" if environment.listen_address in _ALL else environment.listen_address or ""
    address = f"{f'[{host}]' if ':' in host else host}:{environment.port_metrics}"
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(trust_env=False, timeout=timeout) as session,
            session.get(f"http://{address}/health", allow_redirects=False) as response,
        ):
            body = await response.content.read(_LARGEST)
            while len(body) < _LARGEST and (more := await response.content.read(_LARGEST)):
                body += more
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        fault = connection_faults.explain(error, address)
        return {"reason": fault.reason, "message": f"the agent does not answer: {fault.message}"}
    return _report(address, body)


def _report(address: str, body: bytes) -> dict[str, Any]:
    try:
        report = untrusted_json.loads(body[:_LARGEST])
    except untrusted_json.InvalidJsonError:
        report = None
    components = report.get("components") if isinstance(report, dict) else None
    if not isinstance(components, list):
        message = f"{address} answers /health with no report of the runtime: see the log of the pod"
        return {"reason": "UnreadableReport", "message": message}
    entries = [_component(it) for it in components[:_MOST_COMPONENTS] if isinstance(it, dict)]
    return {"status": _text(report.get("status")), "components": entries}


def _component(entry: dict[str, Any]) -> dict[str, str]:
    details = entry.get("details")
    found = details if isinstance(details, dict) else {}
    texts = {"name": entry.get("name"), "status": entry.get("status")}
    texts |= {"reason": found.get("reason"), "message": found.get("error")}
    return {name: _text(value) for name, value in texts.items() if value}


def _text(value: object) -> str:
    return one_line(value[:_LONGEST]) if isinstance(value, str) else ""
