"""Options of a model: parameters of its requests, times, and the certificate authorities of its server."""

import json
import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from agent_runtime.config.base import ConfigModel, in_order
from agent_runtime.config.references import KeyReference

# Fields of a request that callers or the agent set, or that have a field of their own here.
RESERVED_PARAMETERS = (
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "functions", "function_call", "n"),
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "reasoning_effort", "seed", "stop"),
)
MAX_EXTRA_CHARS = 16 * 1024
_LARGEST_INTEGER = 2**63 - 1
# YAML and TOML allow deeper values than JSON parsers read.
_MAX_DEPTH = 16
Seconds = Annotated[float, Field(ge=0.1, le=3600)]


class ModelParameters(ConfigModel):
    """Parameters of requests to a model. Those of a caller take precedence, except that maxTokens is also a maximum."""

    temperature: float | None = Field(None, ge=0, le=2, description="Sampling temperature. Default: the server's.")
    top_p: float | None = Field(None, ge=0, le=1, description="Nucleus sampling. Default: the server's.")
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Tokens that an answer has at most. A caller may ask for fewer. Default: the server's.",
    )
    reasoning_effort: Annotated[str, StringConstraints(pattern=r"^[a-z]+$", max_length=32)] | None = Field(
        None, description="Effort of a reasoning model, such as low. Default: the server's."
    )
    seed: int | None = Field(
        None, ge=-_LARGEST_INTEGER, le=_LARGEST_INTEGER, description="Seed of the sampling. Default: none."
    )
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...] | None = Field(
        None, min_length=1, max_length=4, description="Texts before which an answer ends. Default: none."
    )
    extra: Annotated[dict[str, Any], Field(min_length=1, max_length=64), AfterValidator(in_order)] | None = Field(
        None,
        description="Further fields of the request body, for options of the server such as top_k. Default: none.",
    )

    @model_validator(mode="after")
    def _extra_is_json(self) -> Self:
        for name, value in (self.extra or {}).items():
            if name in RESERVED_PARAMETERS:
                raise ValueError(f"extra: {name} has a field of its own, or is set by each request: remove it")
            fault = _fault(value)
            if fault:
                raise ValueError(f"extra: {name}: {fault}")
        if self.extra and len(json.dumps(self.extra)) > MAX_EXTRA_CHARS:
            raise ValueError(f"extra: has more than {MAX_EXTRA_CHARS} characters as JSON: shorten it")
        return self


def _fault(value: Any) -> str:
    """Return why a value cannot be written to agent.toml and sent as JSON; empty if it can."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif not isinstance(item, str | bool | int | float):
                return "only texts, numbers, booleans, lists and objects are allowed, not null: correct it"
            elif isinstance(item, int | float) and not (math.isfinite(item) and abs(item) <= _LARGEST_INTEGER):
                return "a number is not finite or has more than 63 bits: correct it"
        level = below
        if not level:
            return ""
    return f"it has more than {_MAX_DEPTH} levels: make it flatter"


class ModelTimeouts(ConfigModel):
    """How long requests to a model may take."""

    connect_seconds: Annotated[float, Field(ge=0.1, le=60)] = Field(
        10, description="Seconds to connect to the server. Default: 10."
    )
    first_byte_seconds: Seconds | None = Field(
        None,
        description="Seconds until the answer begins: the headers of a response, or the first chunk of a stream. Then "
        "the fallbacks are tried. Default: the time that the request has left.",
    )
    total_seconds: Seconds | None = Field(
        None,
        description="Seconds of one request to the model. Default: the time that the caller's request has left.",
    )


class CaSource(ConfigModel):
    """A key with certificates in PEM. Set exactly one of the two fields."""

    config_map_key_ref: KeyReference | None = Field(None, description="Key of a ConfigMap.")
    secret_key_ref: KeyReference | None = Field(None, description="Key of a Secret.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map_key_ref is None) is (self.secret_key_ref is None):
            raise ValueError("set exactly one of configMapKeyRef and secretKeyRef")
        return self


class ModelTls(ConfigModel):
    """Certificate authorities that only requests to this model trust, in addition to those of all requests."""

    ca_from: CaSource | None = Field(
        None, description="Where the certificates come from, which the operator mounts. Only in an AgentDeployment."
    )
    ca_file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(
        None, description="Path of a file with the certificates in the pods."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.ca_from is None) is (self.ca_file is None):
            raise ValueError("set exactly one of caFrom and caFile")
        return self
