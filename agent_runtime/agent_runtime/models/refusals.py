"""Failed requests to a model: errors of its server, lost connections, failed probes.

The errors of a server are reworded, because its own words may quote a prompt or a key.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from agent_runtime import connection_faults, untrusted_json
from agent_runtime.errors import Problem
from agent_runtime.health import UnhealthyError
from agent_runtime.models import reasons
from agent_runtime.models.guard import RefusedAddressError

# Errors that a probe cannot detect. They are reported until a call succeeds.
LASTING = frozenset({"model_credentials_refused", "model_not_found_upstream", "insufficient_quota"})
CONTEXT_LENGTH, TOO_LARGE = "context_length_exceeded", "model_request_too_large"
# Requests that a model refuses, but another model may accept, because it reads more tokens.
OTHERS_MAY_ACCEPT = frozenset({CONTEXT_LENGTH, TOO_LARGE})
RETRY_AFTER = 2.0
# Bounds in seconds for the Retry-After of a server.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 600.0
_FORBIDDEN_ADDRESS = "its URL has a link-local or metadata address, which the agent refuses: correct the URL"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


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
    """Return the problem that an error response describes, without the reason in it."""
    problem = _refused(model, status, answer)
    if problem.retry_after is not None:
        problem.wait = _retry_after(headers)
        problem.retry_after = problem.wait or RETRY_AFTER
    return problem


def _refused(model: str, status: int, answer: bytes) -> Problem:
    error = _error_object(answer)
    code, param = _identifier(error.get("code")), _identifier(error.get("param"))
    if status == 402 or (status == 429 and code == _QUOTA):  # noqa: PLR2004
        return Problem(429, _QUOTA, f"{model}: the quota or credit at the model's provider is used up")
    if status == 429:  # noqa: PLR2004
        return Problem(429, "model_rate_limited", f"{model}: too many requests for the model", retry_after=RETRY_AFTER)
    if fault := _FAULTS.get(status):
        problem = Problem(502, fault[0], f"{model}: {fault[1]}")
        problem.blames_model = _concerns_all(status, error, code, param)
        return problem
    if status >= 500 or status == 408:  # noqa: PLR2004
        return Problem(
            502, "model_unavailable", f"{model}: the model's server failed with {status}", retry_after=RETRY_AFTER
        )
    if 400 <= status < 500:  # noqa: PLR2004
        if reasons.is_too_long(reasons.reason_of(answer)):
            code = CONTEXT_LENGTH
        elif status == 413:  # noqa: PLR2004
            code = TOO_LARGE
        why = f" ({code})" if code else ""
        return Problem(
            400, code or "model_refused_request", f"{model}: the model refused the request{why}", param=param
        )
    return Problem(502, "model_bad_response", f"{model}: the model's server answered {status}")


def _concerns_all(status: int, error: Mapping[str, Any], code: str | None, param: str | None) -> bool:
    """Return whether an error with 401, 403 or 404 is certain to concern all requests.

    A 404 may concern an object that the request names, and a 403 may come from a filter of contents. A 404 without an
    error object comes from a server without this path.
    """
    is_wrong_path = status == 404 and not error  # noqa: PLR2004
    return status == 401 or is_wrong_path or param == "model" or (code or "").lower() in _OF_ALL_REQUESTS  # noqa: PLR2004


def probe_error(error: Exception, url: URL) -> UnhealthyError:
    """Return the fault when a probe of this URL got no response."""
    if isinstance(getattr(error, "os_error", None), RefusedAddressError):
        return UnhealthyError(_FORBIDDEN_ADDRESS, "AddressForbidden")
    address = f"{url.host}:{url.port}"
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return UnhealthyError(f"the model's server at {address} took too long to answer", "ResponseTimeout")
    fault = connection_faults.explain(error, address)
    return UnhealthyError(f"the model's server cannot be reached: {fault.message}", fault.reason)


def without_key(problem: Problem, model: str, withheld: str) -> Problem:
    """Return the problem of a call without a key: refused credentials have another remedy than with a wrong key."""
    if problem.code != _REFUSED_CREDENTIALS[0]:
        return problem
    reworded = Problem(problem.status, problem.code, f"{model}: {_key_needed(withheld)}")
    reworded.blames_model = problem.blames_model
    return reworded


def _key_needed(withheld: str) -> str:
    return (
        f"the model's server requires a key, but {withheld} is not sent to it, because the models of the agent have "
        "several servers: set apiKeyFrom of this model"
    )


def probe_fault(status: int, withheld: str | None = None) -> UnhealthyError | None:
    """Return the fault that the status of the list of models shows. A server without the list (404) is healthy."""
    if status in {401, 403}:
        message = _key_needed(withheld) if withheld is not None else _FAULTS[status][1]
        return UnhealthyError(message, "CredentialsRefused")
    if status >= 500:  # noqa: PLR2004
        return UnhealthyError(f"the model's server fails with {status}: check that server", "ServerError")
    return None


def lasting_fault(problem: Problem, model: str) -> tuple[str, str]:
    """Return the message and the reason of a fault of a call that a probe cannot detect."""
    return problem.detail.removeprefix(f"{model}: "), _LASTING_REASONS.get(problem.code, "ModelUnknown")


_QUOTA = "insufficient_quota"
_REFUSED_CREDENTIALS = (
    "model_credentials_refused",
    "the model's server refuses the agent's credentials: check the key or the identity's role",
)
_LASTING_REASONS = {_REFUSED_CREDENTIALS[0]: "CredentialsRefused", _QUOTA: "QuotaExhausted"}
# Codes of errors that do not depend on the request, in lower case.
_OF_ALL_REQUESTS = frozenset(
    {
        *("model_not_found", "deploymentnotfound", "invalid_api_key", "permissiondenied"),
        "unsupported_country_region_territory",
    }
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
