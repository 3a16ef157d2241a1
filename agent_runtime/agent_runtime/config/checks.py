"""Checks of a running agent: prompts, and the expectations on their answers."""

import json
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, ValidationInfo, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema, from_json

from agent_runtime.config import json_schema
from agent_runtime.config.base import ConfigModel, Name
from agent_runtime.config.load import ConfigError, explain

CHECKS_FILE = "checks.json"
MAX_CHECKS = 50
MAX_SCHEMA_BYTES = 32_768
# The limit of a ConfigMap.
MAX_FILE_BYTES = 1024 * 1024
# Key of the context of a validation: the faults of regular expressions in RE2 syntax.
REGEX = "regex"
_PATTERN_FIELDS = ("regex", "pattern", "patternProperties")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that searches a text for the pattern, in time linear in the length of the text.

    The engine is Rust's regex, which pydantic includes. Python's takes exponential time for patterns such as (a+)+$,
    and the operator compiles the patterns of everyone who may write an AgentDeployment.

    Raises:
        SchemaError: the pattern is not valid. The patterns of a CheckConfig are.
    """
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    return SchemaValidator(schema).isinstance_python


@lru_cache(maxsize=1024)
def _pattern_fault(pattern: str) -> str | None:
    """Return why the pattern is not valid; None if it is. Cached, because some take 70 ms and are checked often."""
    try:
        matcher(pattern)
    except SchemaError as error:
        return str(error).rpartition("rror: ")[2]
    return None


def find_faults(document: Any) -> dict[str, dict[str, str | None]]:
    """Compile all regular expressions of checks, which takes up to 90 ms for each.

    Args:
        document: checks as JSON, valid or not.

    Returns:
        By kind of pattern, the fault of each; None for one that is valid. As the context of a validation, it replaces
        the compilation, so that the operator can compile in another process.
    """
    found: dict[str, dict[str, str | None]] = {REGEX: {}, json_schema.PATTERN: {}}
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
            if isinstance(regex := value.get("regex"), str):
                found[REGEX][regex] = _pattern_fault(regex)
            properties = value.get("patternProperties")
            patterns = [value.get("pattern"), *(properties if isinstance(properties, dict) else ())]
            found[json_schema.PATTERN] |= {it: json_schema.pattern_fault(it) for it in patterns if isinstance(it, str)}
        elif isinstance(value, list):
            left += value
    return found


def has_patterns(document: Any) -> bool:
    """Return whether checks may contain regular expressions."""
    if isinstance(document, dict):
        return not document.keys().isdisjoint(_PATTERN_FIELDS) or any(map(has_patterns, document.values()))
    return isinstance(document, list) and any(map(has_patterns, document))


def _compiles(pattern: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get(REGEX)
    fault = _pattern_fault(pattern) if known is None else known.get(pattern, "not compiled")
    if fault:
        raise ValueError(f"not a regular expression in RE2 syntax: {fault}")
    return pattern


def _is_schema(schema: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    try:
        json_schema.check_shape(schema, info.context)
    except ValidationError as error:
        raise ValueError(explain(error).partition("\n")[0]) from None
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        # YAML has dates, sets and infinity.
        raise ValueError("contains a value that JSON cannot represent: put dates in quotes") from None
    if size > MAX_SCHEMA_BYTES:
        raise ValueError(f"has more than {MAX_SCHEMA_BYTES} bytes as JSON: shorten it")
    return schema


Part = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Parts = Annotated[tuple[Part, ...], Field(min_length=1, max_length=16)]


class JudgeConfig(ConfigModel):
    """A model that judges the answer."""

    model: Name = Field(description="Name of the agent's model that judges the answer.")
    criterion: str = Field(
        min_length=1, max_length=4096, description="What the answer must fulfil, in one or two sentences."
    )


class CheckConfig(ConfigModel):
    """A prompt, and the expectations that its answer must meet. At least one expectation is required."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)] = Field(
        description="Name of the check in reports, a DNS label. Unique."
    )
    prompt: str = Field(min_length=1, max_length=32_000, description="The prompt, sent in a new conversation.")
    model: Name | None = Field(
        None, description="Name of the agent's model that gets the prompt. Default: the default model of the agent."
    )
    contains: Parts | None = Field(
        None, description="Texts that must all occur in the answer, case-sensitive. Default: none."
    )
    not_contains: Parts | None = Field(
        None, description="Texts that must not occur in the answer, case-sensitive. Default: none."
    )
    regex: Annotated[Part, AfterValidator(_compiles)] | None = Field(
        None,
        description="Regular expression in RE2 syntax that must match a part of the answer; (?i) ignores case. "
        "Default: none.",
    )
    json_schema: Annotated[dict[str, Any], AfterValidator(_is_schema)] | None = Field(
        None,
        description="JSON Schema (draft 2020-12). The answer must be valid JSON of this schema, plain or as one fenced "
        "block. Default: none.",
    )
    max_latency_seconds: int | None = Field(
        None, ge=1, le=3600, description="Seconds within which the complete answer must arrive. Default: no limit."
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Total tokens that the request may use (usage.total_tokens): prompts, tool rounds and answer. "
        "Default: no limit.",
    )
    judge: JudgeConfig | None = Field(None, description="A model that judges the answer. Default: none.")

    @model_validator(mode="after")
    def _has_an_expectation(self) -> Self:
        expectations = (self.contains, self.not_contains, self.regex, self.json_schema, self.judge)
        if expectations == (None,) * len(expectations) and self.max_latency_seconds is None and self.max_tokens is None:
            raise ValueError(
                "nothing is expected: set contains, notContains, regex, jsonSchema, maxLatencySeconds, maxTokens or "
                "judge"
            )
        return self


class ChecksConfig(ConfigModel):
    """The document checks.json."""

    checks: tuple[CheckConfig, ...] = Field(min_length=1, max_length=MAX_CHECKS, description="The checks, 1 to 50.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if len({check.name for check in self.checks}) < len(self.checks):
            raise ValueError("checks: every name must be unique: rename the duplicates")
        return self

    def unknown_models(self, models: Collection[str]) -> tuple[str, ...]:
        """Return the fields that name a model outside of this list, as `path: message`."""
        named = [(f"checks[{index}].model", check.model) for index, check in enumerate(self.checks)]
        named += [(f"checks[{index}].judge.model", c.judge.model) for index, c in enumerate(self.checks) if c.judge]
        known = ", ".join(models)
        return tuple(
            f"{path}: {name} is not one of models: {known}" for path, name in named if name not in {None, *models}
        )

    def dump(self) -> str:
        """Return the text of checks.json, without unset fields, so that a new field does not change existing files."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)


def load_checks(path: Path) -> ChecksConfig:
    """Read checks.json.

    Raises:
        ConfigError: the file cannot be read, is no JSON, or has invalid fields. The message quotes no value.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: correct the path or make the file readable") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: longer than {MAX_FILE_BYTES} bytes: shorten or remove checks")
    try:
        document = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}: correct the file") from None
    if not isinstance(document, dict):
        raise ConfigError(f'{path}: must be an object: write {{"checks": […]}}')
    try:
        return ChecksConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None
