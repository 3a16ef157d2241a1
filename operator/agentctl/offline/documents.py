"""Kubernetes objects from files, directories and standard input, with the line that every field stands on."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agentctl.errors import CommandError

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
# A file of a few lines can alias itself into gigabytes; no object of Kubernetes has so many fields.
MAX_NODES = 200_000
MAX_DEPTH = 100
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: a date is a string."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the input.

    `lines` maps a path such as `spec.models[0].name` to its line; `duplicates` are paths that were given twice.
    """

    file: str
    number: int
    body: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict, repr=False)
    duplicates: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it says it is; empty when it does not."""
        kind = self.body.get("kind")
        return kind if isinstance(kind, str) else ""

    @property
    def api_version(self) -> str:
        """Group and version; empty when it does not say."""
        version = self.body.get("apiVersion")
        return version if isinstance(version, str) else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata, empty when it is not a map."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def line(self, path: str) -> int:
        """Line of a field, or of its nearest parent that is written."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get("", 1)


def read(sources: Sequence[str], *, only: str = "") -> tuple[Document, ...]:
    """Read every object of these files, directories (not their subdirectories) and `-`.

    With `only`, a file that does not hold Kubernetes objects is skipped unless its text contains `only`, and the
    result may be empty.

    Raises:
        CommandError: nothing is there, it cannot be read, or it is not YAML; the message names the file and line.
    """
    found = [
        document
        for source in sources
        for file, content in _contents(source)
        for document in _objects_in(file, content, only)
    ]
    if not found and not only:
        raise CommandError(f"{', '.join(sources)}: no object in it: write an AgentDeployment there")
    return tuple(found)


def _objects_in(file: str, content: bytes, only: str) -> tuple[Document, ...]:
    try:
        return tuple(_parse(file, content))
    except CommandError:
        if only.encode() in content:
            raise
        # A Helm template, the lock file of a package manager, a list of tasks: YAML to pre-commit, not to Kubernetes.
        return ()


def _contents(source: str) -> Iterator[tuple[str, bytes]]:
    if source == STDIN:
        yield STDIN, sys.stdin.buffer.read()
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise CommandError(f"{source}: a directory without {', '.join(SUFFIXES)} files: name another")
    else:
        files = [path]
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}: check the path given with -f") from error
        yield str(file), content


def _parse(file: str, content: bytes) -> Iterator[Document]:
    try:
        # The reader decodes as YAML says: UTF-8, or UTF-16 with a mark.
        loader = Loader(content)
        number = 0
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            number += 1
            lines, duplicates = _positions(file, node)
            body = loader.construct_document(node)
            yield from _objects(file, number, body, lines, duplicates)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CommandError(f"{file}:{line}: not YAML: {error.problem}: correct this line") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "it holds what YAML does not allow"
        raise CommandError(f"{file}: not YAML: {reason}: give a text file in UTF-8") from error


def _objects(
    file: str, number: int, body: Any, lines: dict[str, int], duplicates: tuple[str, ...]
) -> Iterator[Document]:
    """Leave out empty documents and take a List apart."""
    if body is None:
        return
    if not isinstance(body, dict):
        raise CommandError(
            f"{file}:{lines['']}: document {number} is {_shape(body)}, not an object: it needs apiVersion and kind"
        )
    items = body.get("items")
    if body.get("kind") != "List" or not isinstance(items, list):
        yield Document(file, number, body, lines, duplicates)
        return
    for index, item in enumerate(items):
        prefix = f"items[{index}]"
        own = {path.removeprefix(prefix).lstrip("."): line for path, line in lines.items() if path.startswith(prefix)}
        twice = tuple(path.removeprefix(prefix + ".") for path in duplicates if path.startswith(prefix))
        yield from _objects(file, number, item, {"": lines[""]} | own, twice)


def _shape(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a single value"


def _positions(file: str, root: yaml.Node) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return line by path, and the paths that stand there twice."""
    lines: dict[str, int] = {}
    duplicates: list[str] = []
    pending: list[tuple[str, yaml.Node, int]] = [("", root, 0)]
    while pending:
        path, node, depth = pending.pop()
        if path in lines and not f"{path}.".startswith(tuple(f"{twice}." for twice in duplicates)):
            duplicates.append(path)
        lines.setdefault(path, node.start_mark.line + 1)
        if len(lines) + len(pending) > MAX_NODES or depth > MAX_DEPTH:
            raise CommandError(
                f"{file}: more than {MAX_NODES} fields or {MAX_DEPTH} levels, by size or aliases: split or correct it"
            )
        pending.extend((below, child, depth + 1) for below, child in reversed(_below(path, node)))
    return lines, tuple(duplicates)


def _below(path: str, node: yaml.Node) -> list[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        return [(f"{path}[{index}]", item) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return [(f"{path}.{key.value}".lstrip("."), value) for key, value in node.value]
    return []
