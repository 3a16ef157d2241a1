"""Kubernetes objects from files, directories and standard input, with the line of every field."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from agentctl.errors import CommandError
from agentctl.objects import Object
from kubeschema.go_yaml import Loader

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
# A few lines of YAML with aliases can expand to gigabytes. No Kubernetes object has this many fields.
MAX_NODES = 200_000
MAX_DEPTH = 100
# etcd stores objects of at most 1.5 MiB. A file may contain many of them.
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the input.

    Attributes:
        file: path as given on the command line, or `-`.
        number: position of the document in the file, counted from 1.
        body: the object.
        lines: line of each field, by path such as `spec.models[0].name`.
        duplicates: paths of fields that occur twice.
    """

    file: str
    number: int
    body: Object
    lines: dict[str, int] = field(default_factory=dict, repr=False)
    duplicates: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The field `kind`; empty if it is missing or not a string."""
        kind = self.body.get("kind")
        return kind if isinstance(kind, str) else ""

    @property
    def api_version(self) -> str:
        """The field `apiVersion`; empty if it is missing or not a string."""
        version = self.body.get("apiVersion")
        return version if isinstance(version, str) else ""

    @property
    def metadata(self) -> Object:
        """The field `metadata`; empty if it is missing or not a map."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def line(self, path: str) -> int:
        """Return the line of a field, or of its nearest parent in the file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get("", 1)


def read(sources: Sequence[str], *, only: str = "") -> tuple[Document, ...]:
    """Read all objects of files, directories (without subdirectories) and `-`.

    With `only`, the result may be empty, and a file that does not contain Kubernetes objects is ignored unless its text
    contains `only`.

    Raises:
        CommandError: there are no objects, or a file cannot be read or is invalid YAML; the message has file and line.
    """
    found = [
        document
        for source in sources
        for file, content in _read_files(source)
        for document in _parse_file(file, content, only)
    ]
    if not found and not only:
        raise CommandError(f"{', '.join(sources)}: no objects found: add an AgentDeployment")
    return tuple(found)


def _parse_file(file: str, content: bytes, only: str) -> tuple[Document, ...]:
    try:
        return tuple(_parse(file, content))
    except CommandError:
        if only.encode() in content:
            raise
        # pre-commit passes every file with the suffix .yaml: also Helm templates, lock files and Ansible tasks.
        return ()


def _read_files(source: str) -> Iterator[tuple[str, bytes]]:
    if source == STDIN:
        yield STDIN, _limited(STDIN, sys.stdin.buffer)
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
        if not files:
            raise CommandError(f"{source}: the directory contains no {', '.join(SUFFIXES)} files: specify another one")
    else:
        files = [path]
    for file in files:
        try:
            with file.open("rb") as stream:
                content = _limited(str(file), stream)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}: check the path") from error
        yield str(file), content


def _limited(file: str, stream: BinaryIO) -> bytes:
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise CommandError(f"{file}: larger than {MAX_BYTES // 2**20} MiB: split the file")
    return content


def _parse(file: str, content: bytes) -> Iterator[Document]:
    try:
        _check_depth(file, content)
        # The loader decodes bytes as YAML specifies: UTF-8, or UTF-16 with a byte order mark.
        loader = Loader(content)
        number = 0
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            number += 1
            lines, duplicates = _positions(f"{file}: document {number}", node)
            body = loader.construct_document(node)
            yield from _objects(file, number, body, lines, duplicates)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CommandError(f"{file}:{line}: invalid YAML: {error.problem}: correct this line") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "it contains characters that YAML does not allow"
        raise CommandError(f"{file}: invalid YAML: {reason}: use a text file in UTF-8") from error


def _check_depth(file: str, content: bytes) -> None:
    """Check the nesting of each document. The C code of PyYAML is recursive and would overflow its stack."""
    depth = number = 0
    for event in yaml.parse(content, Loader=Loader):
        number += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise CommandError(f"{file}:{line}: document {number}: more than {MAX_DEPTH} levels: flatten it")


def _objects(
    file: str, number: int, body: Any, lines: dict[str, int], duplicates: tuple[str, ...]
) -> Iterator[Document]:
    """Yield the object of a YAML document, each item of a List, or nothing if the document is empty."""
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


def _positions(where: str, root: yaml.Node) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the line of each path, and the paths that occur twice."""
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
                f"{where}: {path}: more than {MAX_NODES} fields or {MAX_DEPTH} levels with aliases expanded: split "
                "the file"
            )
        pending.extend((below, child, depth + 1) for below, child in reversed(_children(path, node)))
    return lines, tuple(duplicates)


def _children(path: str, node: yaml.Node) -> list[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        return [(f"{path}[{index}]", item) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return [(f"{path}.{key.value}".lstrip("."), value) for key, value in node.value]
    return []
