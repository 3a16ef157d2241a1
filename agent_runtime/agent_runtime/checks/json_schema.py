"""Checks values against untrusted JSON Schemas, with a limit on CPU time.

An untrusted schema can keep a validator busy for years: with a pattern such as (a+)+$, for which Python's regular
expressions take exponential time, or with references that double at each level.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing.jsonschema import EMPTY_REGISTRY

from agent_runtime.tools.cpu_limit import at_most


def compiled(schema: Mapping[str, Any], seconds: float, draft: type[Validator] = Draft202012Validator) -> Validator:
    """Return the validator of a schema.

    If the validator reaches a reference to another document, it raises an error. It fetches no documents.

    Args:
        schema: the schema.
        seconds: of CPU time that the check of the schema itself may take.
        draft: of JSON Schema.

    Raises:
        TimeoutError: the check of the schema takes longer than `seconds`.
        SchemaError: the schema is not valid.
    """
    with _without_warnings(), at_most(seconds):
        draft.check_schema(dict(schema))
    # Without a registry of its own, jsonschema would fetch the documents that a schema refers to.
    return draft(schema, registry=EMPTY_REGISTRY)


def first_error(validator: Validator, value: Any, seconds: float) -> ValidationError | None:
    """Return the most relevant error of a value; None if it is valid.

    Raises:
        TimeoutError: the check takes longer than the limit on CPU time.
        Unresolvable: the schema refers to something that is not in it.
        RecursionError: schema or value is nested too deeply.
    """
    with _without_warnings(), at_most(seconds):
        error: ValidationError | None = best_match(validator.iter_errors(value))
        return error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide warnings about a schema's regular expressions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
