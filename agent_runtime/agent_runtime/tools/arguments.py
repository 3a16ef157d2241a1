"""Checks a model's arguments for a tool against the schema that the tool's server declares.

Schema and arguments are untrusted, and the check runs in the event loop. So it is bounded in three ways: by the size of
both, by keywords whose time is linear, and by a limit on CPU time. What cannot be checked within these bounds is left
to the tool's server, if it is one pattern, or else refused.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing.jsonschema import EMPTY_REGISTRY

from agent_runtime.models.base import Json
from agent_runtime.tools.cpu_limit import at_most
from agent_runtime.tools.patterns import matches
from agent_runtime.tools.toolbox import ToolError

MAX_SCHEMA_BYTES = 64 * 1024
# A common check takes 0.05 ms. A step that does not yield to the limit, such as compiling a pattern, takes up to 45 ms.
CPU_SECONDS = 0.05
MAX_REASON = 500


class ArgumentCheck:
    """Checks the arguments of one tool."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._validator: Validator | None = None

    def __call__(self, arguments: Json) -> None:
        """Check arguments.

        Raises:
            ToolError: the arguments do not match the schema, or cannot be checked against it in bounded time.
        """
        try:
            # best_match() collects all errors, and so finds the most relevant one.
            with at_most(CPU_SECONDS):
                error = best_match(self._prepared().iter_errors(arguments))
        except ToolError:
            raise
        except TimeoutError:
            raise ToolError("the arguments take too long to check: send fewer or shorter ones") from None
        except RecursionError:
            raise ToolError("the tool's schema or the arguments are nested too deeply") from None
        except Exception:  # noqa: BLE001  (foreign input; jsonschema lists no complete set of errors)
            raise ToolError("the tool's schema is not valid") from None
        if error is not None:
            raise ToolError(f"invalid arguments: {error.message[:MAX_REASON]}")

    def _prepared(self) -> Validator:
        """Return the validator. It does not check the schema itself, which would take longer than the arguments."""
        if self._validator is None:
            if len(orjson.dumps(self.schema)) > MAX_SCHEMA_BYTES:
                raise ToolError(f"the tool's schema is longer than {MAX_SCHEMA_BYTES} bytes")
            draft = _bounded(validator_for(self.schema, default=Draft202012Validator))
            # Without a registry of its own, jsonschema would fetch the documents that a schema refers to.
            self._validator = draft(self.schema, registry=EMPTY_REGISTRY)
        return self._validator


@cache
def _bounded(draft: type[Validator]) -> type[Validator]:
    """Return the validator of a draft without the keywords that can take more than linear time."""
    bounded: type[Validator] = extend(  # type: ignore[no-untyped-call]
        draft,
        {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
            # These evaluate the same subschemas again and again. They are left to the tool's server.
            "unevaluatedItems": _accept,
            "unevaluatedProperties": _accept,
        },
    )
    return bounded


def _accept(*_: object) -> Iterator[ValidationError]:
    return iter(())


def _pattern(_: Validator, pattern: str, instance: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(instance, str) and matches(pattern, instance) is False:
        yield ValidationError(f"{instance[:MAX_REASON]!r} does not match {pattern[:MAX_REASON]!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, subschema: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    patterns = tuple(schema.get("patternProperties", ()))
    # A name that may match counts as matched.
    extras = [
        name
        for name in instance
        if name not in schema.get("properties", ()) and all(matches(pattern, name) is False for pattern in patterns)
    ]
    if isinstance(subschema, dict):
        for name in extras:
            yield from validator.descend(instance[name], subschema, path=name)
    elif not subschema and extras:
        names = ", ".join(repr(name[:MAX_REASON]) for name in extras[:10])
        yield ValidationError(f"Additional properties are not allowed: {names}")


def _unique_items(_: Validator, unique: Any, instance: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if unique is True and isinstance(instance, list):
        # Keep hashes, because the JSON of all items would take a hundred times the memory.
        distinct = {hash(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)) for item in instance}
        if len(distinct) < len(instance):
            yield ValidationError("the items of an array are not unique")
