"""Translates the path of a field of a child into the path of the field of the AgentDeployment that sets it. Pure.

The API server writes paths in two ways: `spec.containers[0].env[4]` when it validates an object, and
`.spec.containers[name="agent"].env[name="TOKEN"]` when it decodes a server-side apply.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent_operator.api import constants
from agent_operator.render.list_keys import merge_key
from agent_operator.status.field_table import COMMON, COMPUTED, COPIED, LISTS, MODEL_VOLUMES, POD_TEMPLATE

Object = Mapping[str, Any]
# A name or an index of a path.
Step = str | int

# The message of a webhook may contain a long text where a path is expected.
LONGEST_PATH = 1_024
_MOST_STEPS = 24
_STEP = re.compile(r"\[([^\[\]]*)\]|([^.\[\]]+)")
_KEY = re.compile(r'(\w+)="?([^",]*)"?')
_PLAIN = re.compile(r"[\w-]+")
_TEMPLATE = ("spec", "template")
# Containers and volumes that the operator renders. spec.podTemplate may change them.
_OF_OPERATOR = frozenset({constants.CONTAINER, "config", "tmp", "api-keys", "trusted-ca", *MODEL_VOLUMES})


def agent_path(kind: str, path: str, manifest: Object, spec: Object) -> str:
    """Return the path of the field of the AgentDeployment; empty if no field sets the field of the child.

    Args:
        kind: kind of the child.
        path: path of the field as the API server writes it.
        manifest: the child as the operator applies it.
        spec: spec of the AgentDeployment.
    """
    # The API server leaves out `metadata` here.
    path = re.sub(r"^\.?spec\.template\.(?=labels|annotations)", "spec.template.metadata.", path[:LONGEST_PATH])
    steps = tuple(itertools.islice(_steps(path, manifest), _MOST_STEPS))
    if steps[:2] == _TEMPLATE and (found := _in_pod_template(steps, manifest, spec)):
        return found
    prefixes = list(_prefixes(steps, manifest))
    for length in range(len(prefixes), 0, -1):
        prefix, rest = prefixes[length - 1], steps[length:]
        if prefix in LISTS.get(kind, {}) and (found := _item(LISTS[kind][prefix], steps, length, manifest, spec)):
            return found
        if copied := COPIED.get(kind, {}).get(prefix):
            return copied + _text(rest)
        if (common := COMMON.get(prefix)) and common.removeprefix("spec.") in spec:
            return common + _text(rest)
        if (computed := COMPUTED.get(kind, {}).get(prefix)) and _applies(computed, spec):
            return computed
    return "metadata.name" if steps[:2] == ("metadata", "name") else ""


def _steps(path: str, manifest: Any) -> Iterator[Step]:
    """Yield names and indexes. Keys of list items become indexes, as far as the manifest has the item."""
    node: Any = manifest
    for match in _STEP.finditer(path.lstrip(".")):
        bracket: str | None = match[1]
        step: Step = match[2] if bracket is None else bracket
        if bracket is not None and isinstance(node, list):
            step = int(bracket) if bracket.isdecimal() else _index(node, bracket)
        node = _below(node, step)
        yield step


def _index(items: Sequence[Any], selector: str) -> Step:
    """Return the index of the item with the keys of a selector such as `name="agent"`."""
    keys: dict[str, str] = dict(_KEY.findall(selector))
    for index, item in enumerate(items):
        if (
            keys
            and isinstance(item, Mapping)
            and all(str(item.get(key, value)) == value for key, value in keys.items())
        ):
            return index
    return selector


def _below(node: Any, step: Step) -> Any:
    if isinstance(node, Mapping):
        return node.get(step)
    return node[step] if isinstance(node, list) and isinstance(step, int) and step < len(node) else None


def _at(node: Any, steps: Sequence[Step]) -> Any:
    for step in steps:
        node = _below(node, step)
    return node


def _prefixes(steps: Sequence[Step], manifest: Object) -> Iterator[str]:
    """Yield the paths of the tables that match the first step, the first two steps, and so on."""
    text, node = "", manifest
    for step in steps:
        node = _below(node, step)
        name = node.get("name") if isinstance(step, int) and isinstance(node, Mapping) else None
        text = f"{text}{_text((step,))}" if name is None else f"{text}[{name}]"
        yield text.lstrip(".")


def _text(steps: Sequence[Step]) -> str:
    return "".join(f".{step}" if isinstance(step, str) and _PLAIN.fullmatch(step) else f"[{step}]" for step in steps)


def _applies(field: str, spec: Object) -> bool:
    """Return whether a field may have set a value: credentials set no variable of an agent without them."""
    return field != "spec.credentials" or "credentials" in spec


def _item(field: str, steps: Sequence[Step], length: int, manifest: Object, spec: Object) -> str:
    """Return the path of an item of a list of the AgentDeployment; empty if the operator added the item."""
    children, given = _at(manifest, steps[:length]), _at(spec, field.split(".")[1:])
    if not isinstance(given, Sequence) or not isinstance(children, list):
        return ""
    index = steps[length] if length < len(steps) else None
    if index is None:
        return field
    item = _below(children, index)
    if not isinstance(index, int) or item is None:
        return field + _text(steps[length:])
    own = _position(item, given, index - max(len(children) - len(given), 0))
    # In a rule of an Ingress, the paths are below `http`, and the operator sets the backend.
    rest = [step for step in itertools.takewhile(lambda it: it != "backend", steps[length + 1 :]) if step != "http"]
    return "" if own is None else f"{field}[{own}]{_text(rest)}"


def _position(item: Any, given: Sequence[Any], expected: int) -> int | None:
    """Return the index of an item: by its name, otherwise as expected."""
    if isinstance(item, Mapping) and "name" in item:
        names = [it.get("name") if isinstance(it, Mapping) else None for it in given]
        return names.index(item["name"]) if item["name"] in names else None
    return expected if 0 <= expected < len(given) else None


def _in_pod_template(steps: Sequence[Step], manifest: Object, spec: Object) -> str:
    """Return the path in spec.podTemplate, if it sets the field, or adds the item of a list that lacks the field."""
    node, given, path, added = _at(manifest, _TEMPLATE), spec.get("podTemplate"), POD_TEMPLATE, False
    for at, step in enumerate(steps[2:], start=2):
        below = _below(node, step)
        if isinstance(step, int) and isinstance(given, Sequence):
            found = _same_item(str(steps[at - 1]), step, below, given)
            added = added or (found is not None and not _is_of_operator(below))
            step = step if found is None else found  # noqa: PLW2901
            given = None if found is None else given[found]
        else:
            given = _below(given, step)
        if given is None:
            return path + _text(steps[at:]) if added else ""
        node, path = below, path + _text((step,))
    return path


def _same_item(field: str, index: int, item: Any, given: Sequence[Any]) -> int | None:
    """Return the index in spec.podTemplate of an item of the merged list."""
    key = merge_key(field)
    if not key or not isinstance(item, Mapping):
        return index if index < len(given) else None
    values = [it.get(key) if isinstance(it, Mapping) else None for it in given]
    return values.index(item.get(key)) if item.get(key) in values else None


def _is_of_operator(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("name") in _OF_OPERATOR
