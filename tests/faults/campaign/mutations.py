"""Changes of every leaf of a schema: valid values, values at the limits, and values that are refused. Pure."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

Schema = Mapping[str, Any]
Spec = dict[str, Any]
# A key of an object, or 0 for the first item of a list.
Path = tuple[str | int, ...]
# Name of an entry that is added to a map.
KEY = "example"
# A longer text tests the same as one of this length, and takes more time.
_LONGEST = 2_000
_MOST = 2_147_483_647
# Has some 1,200 leaves, most of which the API server types and the operator only passes on.
_TYPED = "podTemplate"
_FEWEST = 3
# Texts that users write: the first that the schema of a field accepts is a valid value of it.
_TEXTS = (
    "example",
    "1",
    "100m",
    "64Mi",
    "50%",
    "10s",
    "a.example.com",
    "https://a.example.com",
    "/example",
    "EXAMPLE",
    "10.0.0.0/24",
    "2001:db8::/32",
    "00000000-0000-0000-0000-000000000000",
    "https://example.vault.azure.net",
    "2026-01-01T00:00:00Z",
    "example/example",
    "example:1.2.3",
    "0 3 * * *",
    "Europe/Berlin",
    "sha256:" + 64 * "0",
)
_INVALID_TEXTS = ("", "not valid\n!", "\u202eexample")


@dataclass(frozen=True)
class Mutation:
    """A change of one leaf: an apply with this spec.

    Attributes:
        path: of the leaf.
        value: of the leaf; None removes it.
    """

    path: Path
    value: Any

    @property
    def field(self) -> str:
        """The path as Kubernetes writes it."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")

    @property
    def order(self) -> bytes:
        """A sort key that looks random and depends on nothing else."""
        return blake2b(str(self).encode(), digest_size=8).digest()

    def __str__(self) -> str:
        return f"spec.{self.field} = {json.dumps(self.value)[:60]}"


def mutations(schema: Schema, spec: Spec) -> Iterator[Mutation]:
    """Yield at least three changes of each leaf of a spec with a schema."""
    for path, leaf in leaves(schema):
        found = [Mutation(path, value) for value in values(leaf)]
        changes = [it for it in found if mutate(spec, it, schema) != spec]
        yield from changes[:_FEWEST] if path[0] == _TYPED else changes


def leaves(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Yield path and schema of each field that has no fields of its own."""
    entries = schema.get("additionalProperties")
    if properties := schema.get("properties"):
        for name, child in properties.items():
            yield from leaves(child, (*path, name))
    elif isinstance(entries, dict):
        yield from leaves(entries, (*path, KEY))
    elif schema.get("type") == "array":
        yield from leaves(schema["items"], (*path, 0))
    else:
        yield path, schema


def values(schema: Schema) -> list[Any]:
    """Return at least three values of a leaf, one of which removes it."""
    if schema.get("x-kubernetes-int-or-string"):
        return [1, "50%", "", 0, "64Mi", None]
    found = {
        "boolean": lambda: [True, False, "yes"],
        "integer": lambda: _numbers(schema),
        "number": lambda: _numbers(schema),
        "string": lambda: _texts(schema),
    }.get(schema.get("type", ""), lambda: [{}, {"a": [{"b": 1}]}, "x"])()
    return [*found, None]


def mutate(spec: Spec, mutation: Mutation, schema: Schema) -> Spec:
    """Return a copy of a spec with the mutation. Missing parents get the fields that the schema requires."""
    changed = copy.deepcopy(spec)
    parent: Any = changed
    for part, following in zip(mutation.path, mutation.path[1:], strict=False):
        schema = _child(schema, part)
        if isinstance(part, int):
            if not parent:
                parent.append(minimal(schema))
        elif part not in parent:
            parent[part] = [] if isinstance(following, int) else minimal(schema)
        parent = parent[part]
    _set(parent, mutation.path[-1], mutation.value)
    return changed


def minimal(schema: Schema) -> Any:
    """Return a value with the fields that a schema requires."""
    match schema.get("type"):
        case "object":
            return {name: minimal(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [minimal(schema["items"])] * schema.get("minItems", 0)
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "string":
            return valid_texts(schema)[0]
    return 1 if schema.get("x-kubernetes-int-or-string") else {}


def valid_texts(schema: Schema) -> list[str]:
    """Return texts that a schema accepts."""
    if enum := schema.get("enum"):
        return list(enum)
    least, most = schema.get("minLength", 0), schema.get("maxLength", _LONGEST)
    pattern = re.compile(schema.get("pattern", ""))
    found = [text for text in _TEXTS if least <= len(text) <= most and pattern.search(text)]
    return found or ["x" * max(least, 1)]


def _child(schema: Schema, part: str | int) -> Schema:
    if isinstance(part, int):
        items: Schema = schema["items"]
        return items
    child: Schema = schema["properties"][part] if "properties" in schema else schema["additionalProperties"]
    return child


def _set(parent: Any, part: str | int, value: Any) -> None:
    if isinstance(part, int):
        parent[:] = [] if value is None else [value]
    elif value is None:
        parent.pop(part, None)
    else:
        parent[part] = value


def _texts(schema: Schema) -> list[Any]:
    valid = valid_texts(schema)
    if "enum" in schema:
        return [*valid, "Other"]
    longest = min(schema.get("maxLength", _LONGEST), _LONGEST)
    return [valid[0], "x" * longest, _INVALID_TEXTS[0], *valid[1:2], *_INVALID_TEXTS[1:]]


def _numbers(schema: Schema) -> list[Any]:
    least, most = schema.get("minimum", 0), schema.get("maximum", _MOST)
    return list(dict.fromkeys([least, most, most + 1, least + 1, least - 1]))
