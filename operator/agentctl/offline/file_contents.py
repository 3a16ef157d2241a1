"""The bytes of files, directories and standard input, and of the YAML documents in them."""

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agentctl.errors import CommandError

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
# etcd stores objects of at most 1.5 MiB. A file may contain many of them.
MAX_BYTES = 32 * 1024 * 1024
_SEPARATOR = re.compile(rb"^---(?=\s|$)", re.MULTILINE)


def read(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of a file, of each file of a directory, or of standard input.

    Raises:
        CommandError: a file cannot be read, or is too large.
    """
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


def split(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the documents of a file with the number of their first line, from 0."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", "replace").encode()
    starts = [match.start() for match in _SEPARATOR.finditer(content)]
    bounds = [*starts, len(content)]
    head = content[: bounds[0]]
    line = 0
    # Comments and directives before the first separator belong to the document after it.
    if all(not text.strip() or text.lstrip().startswith((b"#", b"%")) for text in head.splitlines()):
        bounds[0] = 0
    else:
        bounds = [0, *bounds]
    for start, end in itertools.pairwise(bounds):
        text = content[start:end]
        yield line, text
        line += text.count(b"\n")
