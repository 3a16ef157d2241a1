"""What the API server would say of an AgentDeployment, said offline: the CRD's own schema and CEL rules."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from agent_operator.api import constants
from agent_operator.api.openapi import schemas
from agentctl.offline.documents import Document
from agentctl.offline.faults import Fault
from kubeschema import decode, schema
from kubeschema.cel_rules import RuleTree
from kubeschema.errors import Cause, FieldsError
from kubeschema.metadata_rules import validate_metadata
from kubeschema.value_rules import validate_value

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
_UNKNOWN = re.compile(r'unknown field "(.+)"')
_TYPE = re.compile(r'"(\w+)": must be of type (\w+): "\w+"')
_LONG = re.compile(r'("[^"]{60})[^"]{10,}"')
_INVALID = "Invalid value: "
_EVALUATION = "rule evaluation error"
_ENVELOPE = ("apiVersion", "kind", "metadata", "spec", "status")


def _crd_schema() -> dict[str, Any]:
    return schemas()[constants.KIND]


@cache
def _rules() -> RuleTree:
    return RuleTree(_crd_schema())


def check(document: Document) -> tuple[Fault, ...]:
    """Return every fault that admission would find, at once, each with a remedy."""
    if not isinstance(document.body.get("metadata"), dict):
        return (Fault.of(document, "metadata", "must be an object with a name: write it"),)
    twice = (Fault.of(document, path, "given twice: keep one of the two") for path in document.duplicates)
    try:
        decoded = decode.prune(schema.from_crd(_crd_schema()), document.body)
    except FieldsError as error:
        return (*twice, Fault.of(document, "", f"{error.message}: correct its type"))
    unknown = (_unknown(document, problem) for problem in decoded.problems)
    return tuple(dict.fromkeys((*twice, *unknown, *_invalid(document, decoded.obj))))


def _invalid(document: Document, obj: dict[str, Any]) -> Iterable[Fault]:
    shape = [*validate_metadata(obj, namespaced=True), *validate_value(_crd_schema(), obj)]
    yield from (_told(document, cause, _purpose(cause.field)) for cause in shape)
    for cause in _rules().check(obj):
        # A rule may trip over what the schema refuses already; one that still has an opinion is heard.
        if not (shape and _EVALUATION in cause.message):
            yield _told(document, cause, "")


def _told(document: Document, cause: Cause, purpose: str) -> Fault:
    """Say a cause without the server's formulas, and what the field is for where no remedy is named."""
    field = cause.field.lstrip(".").removeprefix("<nil>")
    message = cause.message.removeprefix(_INVALID).replace(f"{field} in body ", "")
    message = _LONG.sub(r'\1…"', _TYPE.sub(r"must be of type \2, not \1", message))
    return Fault.of(document, field, f"{message}: {purpose}" if purpose else message)


def _purpose(path: str) -> str:
    description = _node(path).get("description", "") if path.startswith("spec") else ""
    return str(description)


def _unknown(document: Document, problem: str) -> Fault:
    found = _UNKNOWN.fullmatch(problem)
    if not found:
        return Fault.of(document, "", f"{problem}: remove it")
    path = found[1]
    parent, _, name = path.rpartition(".")
    known = sorted(_node(parent).get("properties", ())) if parent else _ENVELOPE
    close = difflib.get_close_matches(name, known, n=1)
    return Fault.of(document, path, f"unknown field: {_instead(close, known)}")


def _instead(close: list[str], known: Iterable[str]) -> str:
    if close:
        return f'did you mean "{close[0]}"?'
    fields = ", ".join(known)
    return f"remove it, or use one of {fields}" if fields else "remove it"


def _node(path: str) -> dict[str, Any]:
    """Return the schema of a field; empty when there is none."""
    node: Any = _crd_schema()
    for name, _ in _STEP.findall(path):
        # A key of a map stands in brackets too, as an index does.
        below = node.get("properties", {}).get(name) if name else node.get("items")
        node = below or node.get("additionalProperties")
        if not isinstance(node, dict):
            return {}
    return dict(node)
