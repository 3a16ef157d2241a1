"""The files of a support bundle, within a maximum of size and number. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_runtime.config.terminal import printable
from agentctl.diagnosis.findings import clipped
from agentctl.diagnosis.redaction import Redactor
from agentctl.objects import Object
from agentctl.ui import output

LARGEST_FILE = 1 << 20
LARGEST_BUNDLE = 24 << 20
MOST_FILES = 200
LONGEST_SECONDS = 90.0
_LEFT_OUT = "(the beginning is left out)\n"
_CUT = "\n(the rest is left out)\n"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the bundle."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Log:
    """The end of a log of a container."""

    path: str
    text: str


def files(
    collections: Mapping[str, Iterable[Mapping[str, Any]]],
    logs: Iterable[Log],
    texts: Mapping[str, str],
    redactor: Redactor,
    clock: Callable[[], float] | None = None,
) -> Iterator[File]:
    """Yield the files: first what is small and tells most.

    Args:
        collections: path -> objects of the cluster, which are redacted.
        logs: which are redacted, too.
        texts: path -> messages, such as the diagnosis.
        redactor: redacts.
        clock: the seconds of a clock, to end the bundle after LONGEST_SECONDS: others wrote the texts.
    """
    left, end = LARGEST_BUNDLE, (clock() if clock else 0.0) + LONGEST_SECONDS
    names: list[str] = []
    for file in _all(collections, logs, texts, redactor):
        size = len(file.content.encode(errors="replace"))
        if size > left or len(names) == MOST_FILES or (clock and clock() > end):
            break
        left -= size
        names.append(file.path)
        yield file
    yield File("INDEX.txt", "".join(f"{name}\n" for name in names))


def _all(
    collections: Mapping[str, Iterable[Mapping[str, Any]]],
    logs: Iterable[Log],
    texts: Mapping[str, str],
    redactor: Redactor,
) -> Iterator[File]:
    for path, text in texts.items():
        yield File(path, _bounded(redactor.sentence(text)))
    for path, objects in collections.items():
        yield File(path, _dumped(objects, redactor))
    for log in logs:
        yield File(log.path, _end(redactor.text(printable(log.text[-LARGEST_FILE:]))))


def _dumped(objects: Iterable[Mapping[str, Any]], redactor: Redactor) -> str:
    parts: list[str] = []
    left = LARGEST_FILE
    for obj in objects:
        part = f"---\n{output.yaml_text(redactor.object(obj))}"
        if len(part) > left:
            parts.append(f"---\n# left out: {_title(obj)}, {len(part)} characters\n")
            continue
        left -= len(part)
        parts.append(part)
    return _bounded("".join(parts))


def _title(obj: Mapping[str, Any]) -> str:
    meta = obj.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else ""
    return clipped(f"{obj.get('kind')} {name}", 300)


def _bounded(text: str) -> str:
    return text if len(text) <= LARGEST_FILE else text[: LARGEST_FILE - len(_CUT)] + _CUT


def _end(text: str) -> str:
    return text if len(text) <= LARGEST_FILE else _LEFT_OUT + text[len(_LEFT_OUT) - LARGEST_FILE :]


def versions(agentctl: str, kubectl: Object, runtime: str) -> Object:
    """Return the versions of all parts."""
    server = kubectl.get("serverVersion")
    client = kubectl.get("clientVersion")
    return {
        "agentctl": agentctl,
        "kubectl": client.get("gitVersion") if isinstance(client, dict) else None,
        "kubernetes": server.get("gitVersion") if isinstance(server, dict) else None,
        "runtime": runtime or None,
    }
