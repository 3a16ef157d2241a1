"""Responses of a model's server. Its errors are reworded, because its own words may quote a prompt or a key."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from agent_runtime import connection_faults, untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.models.base import Json
from agent_runtime.models.guard import RefusedAddressError

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
# Errors that a probe cannot detect. They are reported until a call succeeds.
LASTING = frozenset({"model_credentials_refused", "model_not_found_upstream"})
RETRY_AFTER = 2.0
# Bounds in seconds for the Retry-After of a server.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 600.0
_FORBIDDEN_ADDRESS = "its URL has a link-local or metadata address, which the agent refuses: correct the URL"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a response.

    Raises:
        aiohttp.ClientPayloadError: it is longer than MAX_ANSWER_BYTES, or incomplete.
    """
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("too long")
    return bytes(answer)


async def read_error(response: aiohttp.ClientResponse) -> bytes:
    """Return the first MAX_ERROR_BYTES of the body of an error. More could only be discarded."""
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) >= MAX_ERROR_BYTES:
            break
    return bytes(answer[:MAX_ERROR_BYTES])


def completion(model: str, answer: bytes) -> Json:
    """Return the chat completion in a response body.

    Raises:
        Problem: the body is no chat completion.
    """
    parsed = _parsed(answer)
    if not parsed or not parsed.get("choices") or not _well_formed(parsed, "message"):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent no chat completion")
    return parsed


def check_chunk(model: str, data: bytes) -> None:
    """Check that the data of an event is a chunk of a completion, so that later code can rely on its shape.

    Raises:
        Problem: it is something else, or an error.
    """
    if data.startswith(b'{"error"'):
        raise refused(model, HTTPStatus.INTERNAL_SERVER_ERROR, {}, data)
    parsed = _parsed(data)
    if not parsed or not _well_formed(parsed, "delta"):
        raise Problem(502, "model_bad_response", f"{model}: the model's server sent an event that is no chunk")


def _parsed(answer: bytes) -> Json:
    try:
        parsed = untrusted_json.loads(answer)
    except untrusted_json.InvalidJsonError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _well_formed(parsed: Json, message_key: str) -> bool:
    """Return whether the fields of a completion or chunk that the runtime reads have the right types."""
    choices, usage = parsed.get("choices"), parsed.get("usage")
    if not isinstance(choices, list) or not isinstance(usage, dict | None):
        return False
    return all(isinstance(choice, dict) and _is_message(choice.get(message_key)) for choice in choices)


def _is_message(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    calls = message.get("tool_calls")
    texts = (message.get("content"), message.get("refusal"))
    return all(isinstance(text, str | None) for text in texts) and (
        calls is None
        or (isinstance(calls, list) and all(isinstance(call, dict) and _is_function(call) for call in calls))
    )


def _is_function(call: Json) -> bool:
    function = call.get("function")
    if not isinstance(call.get("index"), int | None):
        return False
    return function is None or (
        isinstance(function, dict) and all(isinstance(function.get(part), str | None) for part in ("name", "arguments"))
    )


def unreachable(model: str, error: Exception) -> Problem:
    """Return the problem when no response, or only a part of it, arrived."""
    if isinstance(error, TimeoutError):
        return Problem(504, "model_timeout", f"{model}: the model's server took too long", retry_after=RETRY_AFTER)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Problem(502, "model_bad_response", f"{model}: the model's server broke off its answer")
    if isinstance(getattr(error, "os_error", None), RefusedAddressError):
        return Problem(502, "model_unreachable", f"{model}: {_FORBIDDEN_ADDRESS}")
    return Problem(502, "model_unreachable", f"{model}: the model's server cannot be reached", retry_after=RETRY_AFTER)


def refused(model: str, status: int, headers: Mapping[str, str], answer: bytes) -> Problem:
    """Return the problem that an error response describes."""
    problem = _refused(model, status, answer)
    if problem.retry_after is not None:
        problem.wait = _retry_after(headers)
        problem.retry_after = problem.wait or RETRY_AFTER
    return problem


def _refused(model: str, status: int, answer: bytes) -> Problem:
    error = _error_object(answer)
    code, param = _identifier(error.get("code")), _identifier(error.get("param"))
    if status == 429:  # noqa: PLR2004
        if code == "insufficient_quota":
            return Problem(429, code, f"{model}: the quota at the model's provider is used up")
        return Problem(429, "model_rate_limited", f"{model}: too many requests for the model", retry_after=RETRY_AFTER)
    if fault := _FAULTS.get(status):
        return Problem(502, fault[0], f"{model}: {fault[1]}")
    if status >= 500 or status == 408:  # noqa: PLR2004
        return Problem(
            502, "model_unavailable", f"{model}: the model's server failed with {status}", retry_after=RETRY_AFTER
        )
    if 400 <= status < 500:  # noqa: PLR2004
        why = f" ({code})" if code else ""
        return Problem(
            400, code or "model_refused_request", f"{model}: the model refused the request{why}", param=param
        )
    return Problem(502, "model_bad_response", f"{model}: the model's server answered {status}")


def probe_error(error: Exception, url: URL) -> UnhealthyError:
    """Return the fault when a probe of this URL got no response."""
    if isinstance(getattr(error, "os_error", None), RefusedAddressError):
        return UnhealthyError(_FORBIDDEN_ADDRESS, "AddressForbidden")
    address = f"{url.host}:{url.port}"
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return UnhealthyError(f"the model's server at {address} took too long to answer", "ResponseTimeout")
    fault = connection_faults.explain(error, address)
    return UnhealthyError(f"the model's server cannot be reached: {fault.message}", fault.reason)


def probe_fault(status: int) -> UnhealthyError | None:
    """Return the fault that the status of the list of models shows. A server without the list (404) is healthy."""
    if status in {401, 403}:
        return UnhealthyError(_FAULTS[status][1], "CredentialsRefused")
    if status >= 500:  # noqa: PLR2004
        return UnhealthyError(f"the model's server fails with {status}: check that server", "ServerError")
    return None


def lasting_fault(problem: Problem, model: str) -> tuple[str, str]:
    """Return the message and the reason of a fault of a call that a probe cannot detect."""
    reason = "CredentialsRefused" if problem.code == _REFUSED_CREDENTIALS[0] else "ModelUnknown"
    return problem.detail.removeprefix(f"{model}: "), reason


_REFUSED_CREDENTIALS = (
    "model_credentials_refused",
    "the model's server refuses the agent's credentials: check the key or the identity's role",
)
_FAULTS = {
    401: _REFUSED_CREDENTIALS,
    403: _REFUSED_CREDENTIALS,
    404: (
        "model_not_found_upstream",
        "the model's server does not know the model: check deployment, model, endpoint and base_url",
    ),
}


def _error_object(answer: bytes) -> dict[str, Any]:
    try:
        error = untrusted_json.loads(answer)["error"]
    except (untrusted_json.InvalidJsonError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _identifier(value: object) -> str | None:
    """Return a code or the name of a parameter. A sentence is dropped, because it may quote the request."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return seconds to wait, within bounds. The header contains seconds or a date."""
    value = headers.get("Retry-After", "")
    if value.isdecimal():
        # int() refuses numbers of more than 4,300 digits.
        seconds = float(int(value[:8]))
    elif (until := _date(value)) is not None:
        # Both dates are by the clock of the server, which may differ from ours.
        seconds = (until - (_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    else:
        return None
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
