"""Kubernetes objects from files, directories and standard input, with the line of every field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from agentctl.errors import CommandError
from agentctl.objects import Object
from agentctl.offline import file_contents
from kubeschema.go_yaml import Loader

# A few lines of YAML with aliases can expand to gigabytes. No Kubernetes object has this many fields.
MAX_NODES = 200_000
MAX_DEPTH = 100


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that is no object, or that cannot be parsed.

    Attributes:
        file: path as given on the command line, or `-`.
        number: position of the document in the file, counted from 1.
        line: its first line.
        message: what is wrong, with the file and, if it is known, the line.
    """

    file: str
    number: int
    line: int
    message: str


def read(sources: Sequence[str]) -> tuple[Document, ...]:
    """Read all objects of files, directories (without subdirectories) and `-`.

    Raises:
        CommandError: there are no objects, or a file cannot be read or is invalid YAML; the message has file and line.
    """
    found, unreadable = read_all(sources)
    for document in unreadable:
        raise CommandError(document.message)
    return found


def read_all(sources: Sequence[str], *, only: str = "") -> tuple[tuple[Document, ...], tuple[Unreadable, ...]]:
    """Read all objects as `read`, and return them with the documents that cannot be read.

    With `only`, the result may be empty, and a document that is no Kubernetes object is ignored unless its file
    contains the text `only`.

    Raises:
        CommandError: there are no objects, or a file cannot be read.
    """
    found: list[Document] = []
    unreadable: list[Unreadable] = []
    for source in sources:
        for file, content in file_contents.read(source):
            documents, rest = _parse_file(file, content)
            found += documents
            # pre-commit passes every file with the suffix .yaml: also Helm templates, lock files and Ansible tasks.
            unreadable += rest if only.encode() in content else ()
    if not found and not unreadable and not only:
        raise CommandError(f"{', '.join(sources)}: no objects found: add an AgentDeployment")
    return tuple(found), tuple(unreadable)


def _parse_file(file: str, content: bytes) -> tuple[list[Document], list[Unreadable]]:
    """Parse each document on its own, as kubectl does, so that an error in one does not hide the others."""
    found: list[Document] = []
    unreadable: list[Unreadable] = []
    for number, (first_line, text) in enumerate(file_contents.split(content), 1):
        try:
            found.extend(_parse(file, text, number, first_line))
        except CommandError as error:
            unreadable.append(Unreadable(file, number, first_line + 1, str(error)))
    return found, unreadable


def _parse(file: str, content: bytes, number: int, first_line: int) -> Iterator[Document]:
    """Yield the objects of one document, which starts at `first_line` of the file."""
    try:
        _check_depth(file, content, number, first_line)
        loader = Loader(content)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            lines, duplicates = _positions(f"{file}: document {number}", node, first_line)
            body = loader.construct_document(node)
            yield from _objects(file, number, body, lines, duplicates)
    except yaml.MarkedYAMLError as error:
        line = first_line + 1 + (error.problem_mark.line if error.problem_mark else 0)
        raise CommandError(f"{file}:{line}: invalid YAML: {error.problem}: correct this line") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "it contains characters that YAML does not allow"
        raise CommandError(f"{file}: invalid YAML: {reason}: use a text file in UTF-8") from error


def _check_depth(file: str, content: bytes, number: int, first_line: int) -> None:
    """Check the nesting of a document. The C code of PyYAML is recursive and would overflow its stack."""
    depth = 0
    for event in yaml.parse(content, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = first_line + 1 + (event.start_mark.line if event.start_mark else 0)
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


def _positions(where: str, root: yaml.Node, first_line: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the line of each path, and the paths that occur twice."""
    lines: dict[str, int] = {}
    duplicates: list[str] = []
    pending: list[tuple[str, yaml.Node, int]] = [("", root, 0)]
    while pending:
        path, node, depth = pending.pop()
        if path in lines and not f"{path}.".startswith(tuple(f"{twice}." for twice in duplicates)):
            duplicates.append(path)
        lines.setdefault(path, first_line + node.start_mark.line + 1)
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
