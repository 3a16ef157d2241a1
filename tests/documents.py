"""The commands of a Markdown page, as the reader would run them from top to bottom.

Directives are HTML comments, which GitHub does not show. They apply to the code block that follows:

    <!-- not run: REASON -->       the tests do not run the block, such as one that needs Docker or Azure, or
                                   another test does: `see tests/e2e/test_uninstall.py`
    <!-- exit status: 1 -->        the last command of the block ends with this status; default: 0
    <!-- file: agent.yaml -->      the block is the content of this file

    <!-- page not run: REASON -->  the tests run no block of the page
    <!-- setup: COMMAND -->        a command that the tests run and readers do not need, of one or more lines
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHELLS = {"console", "sh", "bash", "shell"}
_DIRECTIVE = re.compile(r"<!-- (not run|page not run|exit status|file|setup): (.+?) -->", re.DOTALL)
_PART = re.compile(
    rf"{_DIRECTIVE.pattern}|^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Command:
    """One command, or a script of several, with the output that the page shows."""

    line: int
    text: str
    output: tuple[str, ...] = ()
    status: int = 0
    not_run: str = ""


@dataclass(frozen=True)
class File:
    """A file that the page shows."""

    line: int
    name: str
    text: str


def steps(page: Path) -> Iterator[Command | File]:
    """Yield the commands and files of a page in their order."""
    text = page.read_text(encoding="utf-8")
    directives: dict[str, str] = {}
    whole_page = ""
    for part in _PART.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        kind, value = part[1], part[2]
        if kind == "setup":
            yield Command(line, value)
        elif kind == "page not run":
            whole_page = value
        elif kind:
            directives[kind] = value
        else:
            yield from _block(line, part, {"not run": whole_page} | directives)
            directives = {}


def _block(line: int, part: re.Match[str], directives: dict[str, str]) -> Iterator[Command | File]:
    indent = len(part["indent"])
    lines = [text[indent:] for text in part["code"].splitlines()]
    if name := directives.get("file"):
        yield File(line, name, "\n".join(lines) + "\n")
    elif part["language"] in SHELLS:
        found = list(_commands(line + 1, lines, directives.get("not run", "")))
        last = found.pop()
        yield from found
        yield Command(last.line, last.text, last.output, int(directives.get("exit status", "0")), last.not_run)


def _commands(start: int, lines: list[str], not_run: str) -> Iterator[Command]:
    """Split a session at its prompts. A block without a prompt is a script."""
    if not any(line.startswith("$ ") for line in lines):
        yield Command(start, "\n".join(lines), not_run=not_run)
        return
    number = 0
    while number < len(lines):
        first, command = number, [lines[number].removeprefix("$ ")]
        while command[-1].endswith("\\"):
            number += 1
            command.append(lines[number])
        number += 1
        output = []
        while number < len(lines) and not lines[number].startswith("$ "):
            output.append(lines[number])
            number += 1
        yield Command(start + first, "\n".join(command), tuple(output), not_run=not_run)


# What differs between runs, in the order in which it is replaced.
_VARYING = [
    (re.compile(pattern), name)
    for pattern, name in [
        (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME"),
        (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
        (r"-(?=\w*\d)[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-POD"),
        (r"\b(?=\w*\d)[0-9a-f]{10}\b", "REVISION"),
        (r"\b127(\.\d+){3}(:\d+)?", "ADDRESS"),
        (r"\bpid \d+", "pid N"),
        (r"\b\d+(\.\d+)? ?(ms|s)\b", "DURATION"),
        (r"\b(\d+[dhms])+\b|<invalid>", "DURATION"),
        (r"[─━═]{2,}|-{3,}", "LINE"),
        (r"\s+", " "),
    ]
]


def masked(line: str) -> str:
    """Replace what differs between two runs of a command."""
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line.strip()


def missing(expected: tuple[str, ...], output: str) -> list[str]:
    """Return the lines of a page that the output does not contain in this order. Lines with … stand for any output."""
    actual = iter([masked(line) for line in output.splitlines()])
    return [line for line in expected if line.strip(" …") and not _found(line, actual)]


def _found(line: str, actual: Iterator[str]) -> bool:
    pattern = re.compile(".*".join(map(re.escape, masked(line).split("…"))))
    return any(pattern.fullmatch(text) for text in actual)
