"""The base class and the scalar types of all config models."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from agent_runtime.config import patterns

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2048)]
EnvironmentName = Annotated[
    str,
    StringConstraints(pattern=patterns.ENVIRONMENT_NAME, max_length=256),
    Field(description=patterns.REMEDIES[patterns.ENVIRONMENT_NAME]),
]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=256)]


def in_order(value: Any) -> Any:
    """Return a value with the keys of its maps in order, so that equal configs become equal files."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


class ConfigModel(BaseModel):
    """Immutable, without unknown fields; camelCase in the CR and snake_case in Python and TOML."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)
