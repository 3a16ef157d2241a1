"""Checks of a running agent: prompts, and what their answers must be like."""

import json
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema, from_json

from agent_runtime.config import json_schema
from agent_runtime.config.base import ConfigModel, Name
from agent_runtime.config.load import ConfigError, explain

CHECKS_FILE = "checks.json"
MAX_CHECKS = 50
MAX_SCHEMA_BYTES = 32_768
# What a ConfigMap can hold.
MAX_FILE_BYTES = 1024 * 1024


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a match of the pattern, in time linear in the text's length whatever the pattern is.

    The engine is the one that pydantic brings, Rust's regex: Python's own may take for ever with (a+)+$, and whoever
    may describe an agent has the pattern compiled inside the operator.

    Raises:
        SchemaError: it is no such pattern; a CheckConfig has none of those.
    """
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    return SchemaValidator(schema).isinstance_python


@lru_cache(maxsize=1024)
def _pattern_fault(pattern: str) -> str | None:
    """Why it is no pattern. Remembered: some take 70 ms, and the operator sees them again and again."""
    try:
        matcher(pattern)
    except SchemaError as error:
        return str(error).rpartition("rror: ")[2]
    return None


def _compiles(pattern: str) -> str:
    if told := _pattern_fault(pattern):
        raise ValueError(f"not a regular expression of RE2's kind: {told}")
    return pattern


def _is_schema(schema: dict[str, Any]) -> dict[str, Any]:
    try:
        json_schema.check_shape(schema)
    except ValidationError as error:
        raise ValueError(explain(error).partition("\n")[0]) from None
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        # YAML knows more than JSON: dates, sets, infinity.
        raise ValueError("holds something that JSON has no word for: put dates in quotes") from None
    if size > MAX_SCHEMA_BYTES:
        raise ValueError(f"has more than {MAX_SCHEMA_BYTES} bytes as JSON: shorten it")
    return schema


Part = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Parts = Annotated[tuple[Part, ...], Field(min_length=1, max_length=16)]


class JudgeConfig(ConfigModel):
    """A model's opinion of an answer."""

    model: Name = Field(description="Name of the one of the agent's models that judges.")
    criterion: str = Field(
        min_length=1, max_length=4096, description="What the answer must be like, in a sentence or two."
    )


class CheckConfig(ConfigModel):
    """A prompt, and what its answer must be like. All that is expected must hold; something must be expected."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] = Field(
        description="Name of the check in reports, a DNS label. Unique."
    )
    prompt: str = Field(
        min_length=1, max_length=32_000, description="What the agent is asked, in a conversation of its own."
    )
    model: Name | None = Field(
        None, description="Name of the one of the agent's models that is asked. Default: the agent's default."
    )
    contains: Parts | None = Field(
        None, description="Texts that must all be in the answer, letter for letter. Default: none."
    )
    not_contains: Parts | None = Field(
        None, description="Texts of which none may be in the answer, letter for letter. Default: none."
    )
    regex: Annotated[Part, AfterValidator(_compiles)] | None = Field(
        None,
        description="Regular expression, in RE2's syntax, that must match somewhere in the answer; (?i) ignores case. "
        "Default: none.",
    )
    json_schema: Annotated[dict[str, Any], AfterValidator(_is_schema)] | None = Field(
        None,
        description="JSON Schema (draft 2020-12); the answer must be JSON, bare or as one fenced block, that is valid "
        "against it. Default: none.",
    )
    max_latency_seconds: int | None = Field(
        None, ge=1, le=3600, description="Seconds within which the whole answer must be there. Default: no limit."
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Tokens that the request may use in all (usage.total_tokens): prompts, tool rounds and answer. "
        "Default: no limit.",
    )
    judge: JudgeConfig | None = Field(None, description="A model's opinion of the answer. Default: none.")

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        expected = (self.contains, self.not_contains, self.regex, self.json_schema, self.judge)
        if expected == (None,) * len(expected) and self.max_latency_seconds is None and self.max_tokens is None:
            raise ValueError(
                "nothing is expected: set contains, notContains, regex, jsonSchema, maxLatencySeconds, maxTokens or "
                "judge"
            )
        return self


class ChecksConfig(ConfigModel):
    """All of checks.json."""

    checks: tuple[CheckConfig, ...] = Field(min_length=1, max_length=MAX_CHECKS, description="The checks, 1 to 50.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if len({check.name for check in self.checks}) < len(self.checks):
            raise ValueError("checks: every name must be unique")
        return self

    def unknown_models(self, models: Collection[str]) -> tuple[str, ...]:
        """What names a model that is not one of these, as `path: what is wrong`."""
        named = [(f"checks[{index}].model", check.model) for index, check in enumerate(self.checks)]
        named += [(f"checks[{index}].judge.model", c.judge.model) for index, c in enumerate(self.checks) if c.judge]
        known = ", ".join(models)
        return tuple(
            f"{path}: {name} is not one of models: {known}" for path, name in named if name not in {None, *models}
        )

    def dump(self) -> str:
        """The text of checks.json: what was said and no more, so that a new field changes no file that lacks it."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


def load_checks(path: Path) -> ChecksConfig:
    """Read checks.json.

    Raises:
        ConfigError: it cannot be read, is no JSON, or a field is wrong; every fault is named, no value quoted.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f'{path}: must be an object, {{"checks": […]}}')
    try:
        return ChecksConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
