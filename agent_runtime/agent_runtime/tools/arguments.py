"""What a model wants to call a tool with, held against the schema that the tool's server gave for it."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from agent_runtime.models.base import Json
from agent_runtime.tools.toolbox import ToolError


def check(arguments: Json, schema: Mapping[str, Any]) -> None:
    """Look whether the arguments fit.

    A schema that refers to another document is not valid here: jsonschema would fetch it, wherever that is.

    Raises:
        ToolError: they do not, or nothing could; says why.
    """
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
        error = best_match(kind(schema, registry=EMPTY_REGISTRY).iter_errors(arguments))
    except (SchemaError, Unresolvable, RecursionError):
        raise ToolError("the tool's schema is not valid") from None
    if error is not None:
        raise ToolError(f"invalid arguments: {error.message}")
