"""The shape of a JSON Schema, so that a mistake in one is reported while the user applies the AgentDeployment.

The operator imports this module, so it uses pydantic. The package jsonschema takes 0.3 ms per subschema for the same
task, 3 s of CPU for a schema of 32 KiB, and 9 MiB of memory. `agent-runtime check-answers` uses it nevertheless, with a
limit on CPU time, and checks all of draft 2020-12.
"""

import re
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, core_schema

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_SUBSCHEMA = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_SUBSCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SUBSCHEMA_MAPS = ("$defs", "definitions", "dependentSchemas", "properties")
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_REF = "schema"
# Key of the context of a validation: the faults of patterns.
PATTERN = "pattern"


def check_shape(schema: Any, context: Mapping[str, Any] | None = None) -> None:
    """Check a schema. Keywords that are not listed here may have any value.

    Args:
        schema: the schema.
        context: its item PATTERN has the fault of each pattern, or None for a valid one. Without it, patterns are
            compiled here.

    Raises:
        ValidationError: a keyword has a value of the wrong type; each error has the path.
    """
    _validator().validate_python(schema, strict=True, context=dict(context or {}))


@cache
def _validator() -> SchemaValidator:
    schema = core_schema.no_info_before_validator_function(_as_object, core_schema.definition_reference_schema(_REF))
    text = core_schema.str_schema()
    pattern = core_schema.with_info_after_validator_function(_compiled, text)
    reference = core_schema.no_info_after_validator_function(_local, text)
    types = core_schema.list_schema(core_schema.literal_schema(list(TYPES)), min_length=1)
    keywords: dict[str, CoreSchema] = {
        **dict.fromkeys(_SUBSCHEMA, schema),
        **dict.fromkeys(_SUBSCHEMA_LISTS, core_schema.list_schema(schema, min_length=1)),
        **dict.fromkeys(_SUBSCHEMA_MAPS, core_schema.dict_schema(text, schema)),
        **dict.fromkeys(_COUNTS, core_schema.int_schema(ge=0)),
        "patternProperties": core_schema.dict_schema(pattern, schema),
        "type": core_schema.no_info_before_validator_function(_as_list, types),
        "required": core_schema.list_schema(text),
        "enum": core_schema.list_schema(min_length=1),
        "pattern": pattern,
        "$ref": reference,
        "$dynamicRef": reference,
    }
    fields = {name: core_schema.typed_dict_field(value, required=False) for name, value in keywords.items()}
    shape = core_schema.typed_dict_schema(fields, extra_behavior="ignore", ref=_REF)
    return SchemaValidator(core_schema.definitions_schema(schema, [shape]))


def _as_object(schema: Any) -> Any:
    """Return the keywords of a schema. The schemas true and false have none."""
    return {} if isinstance(schema, bool) else schema


def _as_list(types: Any) -> Any:
    return types if isinstance(types, list) else [types]


def pattern_fault(pattern: str) -> str | None:
    """Return why a pattern is invalid; None if it is valid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return "must be a regular expression"
    return None


def _compiled(pattern: str, info: core_schema.ValidationInfo) -> str:
    known = (info.context or {}).get(PATTERN)
    fault = pattern_fault(pattern) if known is None else known.get(pattern, "is not compiled")
    if fault:
        raise ValueError(fault)
    return pattern


def _local(reference: str) -> str:
    if not reference.startswith("#"):
        raise ValueError("must begin with #: a schema can refer only to its own parts")
    return reference
