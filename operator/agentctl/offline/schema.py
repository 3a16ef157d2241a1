"""The admission checks of the API server, offline: the schema and the CEL rules of the CRD."""

import difflib
import itertools
import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from agent_operator.api import constants
from agent_operator.api.base import QUANTITY_PATTERN
from agent_operator.api.openapi import schemas
from agentctl.objects import Object
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document
from kubeschema import decode, schema
from kubeschema.cel_rules import RuleTree
from kubeschema.errors import Cause, FieldsError
from kubeschema.metadata_rules import validate_metadata
from kubeschema.value_rules import validate_value

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
_UNKNOWN = re.compile(r'unknown field "(.+)"')
_TYPE = re.compile(r'"(\w+)": must be of type (\w+): "\w+"')
_FORMAT = re.compile(r".*Checked value must be of type integer with format (\w+) in (\S+)")
# The longest name of Kubernetes has 253 characters.
_LONG = re.compile(r'("[^"]{253})[^"]{10,}"')
_INVALID = "Invalid value: "
_DUPLICATE = "Duplicate value: "
_EVALUATION = "rule evaluation error"
# The cause of `anyOf`. Another cause names the field that is missing.
_ALTERNATIVES = "must validate at least one schema (anyOf)"
_NOT_A_QUANTITY = re.compile(rf"should match '{re.escape(QUANTITY_PATTERN)}.*'")
_TEMPLATE = "spec.podTemplate."
# Values that are set in other fields, because everyone who can read the object can read this one.
_ELSEWHERE = {
    "spec.config.memory.cache.password": "set REDIS_PASSWORD in spec.credentials",
    "spec.config.memory.cache.sentinel.password": "set REDIS_SENTINEL_PASSWORD in spec.credentials",
}
# Letters from which a name is taken for the beginning of a longer one.
_MEANINGFUL = 3
# Items of lists and values of maps have no description of their own.
_REMEDY_BY_TYPE = {
    "string": "write text, in quotes if it is a number or a boolean",
    "object": "write its fields below it",
}
MAX_ERRORS = 100
_ENVELOPE = ("apiVersion", "kind", "metadata", "spec", "status")


def _crd_schema(kind: str) -> Object:
    return schemas()[kind]


@cache
def _rules(kind: str) -> RuleTree:
    return RuleTree(_crd_schema(kind))


def check(document: Document) -> tuple[Diagnostic, ...]:
    """Return all errors that admission would report, each with a remedy."""
    if not isinstance(document.body.get("metadata"), dict):
        return (Diagnostic.of(document, "metadata", "must be an object with a name: add it"),)
    twice = (Diagnostic.of(document, path, "duplicate field: keep one of the two") for path in document.duplicates)
    try:
        decoded = decode.prune(schema.from_crd(_crd_schema(document.kind)), document.body)
    except FieldsError as error:
        return (*twice, Diagnostic.of(document, "", f"{error.message}: correct its type"))
    unknown = (_unknown_field(document, problem) for problem in decoded.problems)
    found = itertools.chain(twice, unknown, _invalid_values(document, decoded.obj))
    errors = tuple(dict.fromkeys(itertools.islice(found, MAX_ERRORS)))
    more = sum(1 for _ in found)
    return (
        errors if not more else (*errors, Diagnostic.of(document, "", f"{more} more errors: correct the others first"))
    )


def _invalid_values(document: Document, obj: Object) -> Iterable[Diagnostic]:
    namespaced = document.kind == constants.KIND
    schema_causes = [
        *validate_metadata(obj, namespaced=namespaced),
        *validate_value(_crd_schema(document.kind), obj),
    ]
    named = (cause for cause in schema_causes if _ALTERNATIVES not in cause.message)
    yield from (_diagnostic(document, cause, _remedy_of(document.kind, cause)) for cause in named)
    for cause in _rules(document.kind).check(obj):
        # A rule cannot be evaluated on a value that the schema rejects. The schema error already covers that.
        if not (schema_causes and _EVALUATION in cause.message):
            yield _diagnostic(document, cause, "")


def _diagnostic(document: Document, cause: Cause, remedy: str) -> Diagnostic:
    """Shorten the message of the API server, and append the remedy."""
    field = cause.field.lstrip(".").removeprefix("<nil>")
    if found := _FORMAT.fullmatch(cause.message):
        # The API server names the field only in the message.
        return Diagnostic.of(document, found[2], f"does not fit into {found[1]}: write a smaller number")
    if cause.message.startswith(_DUPLICATE):
        return Diagnostic.of(document, field, _duplicate(cause.message.removeprefix(_DUPLICATE)))
    message = cause.message.removeprefix(_INVALID).replace(f"{field} in body ", "")
    message = _LONG.sub(r'\1…"', _TYPE.sub(r"must be of type \2, not \1", message))
    message = _NOT_A_QUANTITY.sub("is no quantity", message)
    return Diagnostic.of(document, field, f"{message}: {remedy}" if remedy else message)


def _duplicate(value: str) -> str:
    """Return the message for an item of a list that occurs twice, from the JSON of its keys."""
    try:
        keys = json.loads(value)
    except ValueError:
        keys = None
    if not isinstance(keys, dict):
        return f"two items are {value}: remove one"
    shown = " and ".join(f"the {name} {key}" for name, key in keys.items())
    return _LONG.sub(r'\1…"', f"two items have {shown}: change or remove one")


def _remedy_of(kind: str, cause: Cause) -> str:
    """Return the description of the field; Kubernetes describes the fields of a pod template at length elsewhere."""
    if not cause.field.startswith("spec"):
        return ""
    node = _schema_at(kind, cause.field)
    if str(node.get("pattern", "")).startswith(QUANTITY_PATTERN):
        return 'write a quantity, such as 500m, "2" or 1Gi'
    if description := node.get("description"):
        return str(description)
    if cause.field.startswith(_TEMPLATE):
        return "correct it as in a Pod"
    return _REMEDY_BY_TYPE.get(node.get("type", ""), "") if "must be of type" in cause.message else ""


def _unknown_field(document: Document, problem: str) -> Diagnostic:
    found = _UNKNOWN.fullmatch(problem)
    if not found:
        return Diagnostic.of(document, "", f"{problem}: remove it")
    path = found[1]
    parent, _, name = path.rpartition(".")
    fields = _schema_at(document.kind, parent).get("properties", ()) if parent else _ENVELOPE
    known = sorted(field for field in fields if not field.startswith("$"))
    if remedy := _ELSEWHERE.get(path):
        return Diagnostic.of(document, path, f"unknown field: {remedy}")
    longer = [field for field in known if field.startswith(name) and len(name) >= _MEANINGFUL]
    close = longer if len(longer) == 1 else difflib.get_close_matches(name, known, n=1)
    return Diagnostic.of(document, path, f"unknown field: {_remedy(close, known)}")


def _remedy(close: list[str], known: Iterable[str]) -> str:
    if close:
        return f'did you mean "{close[0]}"?'
    fields = ", ".join(known)
    return f"remove it, or use one of {fields}" if fields else "remove it"


def _schema_at(kind: str, path: str) -> Object:
    """Return the schema of a field; empty if there is none."""
    node: Any = _crd_schema(kind)
    for name, _ in _STEP.findall(path):
        # Brackets contain an index of a list or a key of a map.
        below = node.get("properties", {}).get(name) if name else node.get("items")
        node = below or node.get("additionalProperties")
        if not isinstance(node, dict):
            return {}
    return dict(node)
