"""How commands print: objects for machines, lines and trees for people."""

import json
import os
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import yaml


class Format(StrEnum):
    """What `-o` takes where only objects are printed."""

    YAML = "yaml"
    JSON = "json"


class View(StrEnum):
    """What `-o` takes where there is a view for people, too."""

    TEXT = "text"
    YAML = "yaml"
    JSON = "json"


def dump(objects: Sequence[dict[str, Any]], form: Format) -> str:
    """Objects as a stream that kubectl reads: YAML documents, or one JSON List; one object stays one."""
    if form is Format.JSON:
        whole = objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"---\n{_yaml(item)}" for item in objects)


def data(value: dict[str, Any], form: Format) -> str:
    """Return what a command found as one YAML or JSON value."""
    return _yaml(value) if form is Format.YAML else json.dumps(value, indent=2, ensure_ascii=False) + "\n"


# What is a number to kubectl, which reads YAML 1.2, and none to PyYAML, which writes YAML 1.1: such as 12e3456789.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+")


class _Dumper(yaml.CSafeDumper):
    """Blocks for texts of several lines; no anchors, for a repeated value is no reference."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else "'" if _NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def yaml_text(value: Any) -> str:
    """Return any JSON value as YAML."""
    return _yaml(value)


def plain(text: str) -> str:
    """Return a text of lines without what a terminal would obey: it is of whoever may write it."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def write(text: str) -> None:
    """Write to standard output. A reader that has seen enough, such as `head`, is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must find somewhere to go when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(text: str) -> None:
    """Write a line to standard error, where it is in no pipe's way."""
    sys.stderr.write(f"{text}\n")
