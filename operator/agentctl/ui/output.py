"""Output formats: JSON and YAML for programs, text for people."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from agent_runtime.config.terminal import escaped, is_printable, printable
from agentctl.formats import Format
from agentctl.objects import Object
from kubeschema.go_yaml import is_string


def objects_text(objects: Sequence[Object], form: Format) -> str:
    """Return objects as input for kubectl: YAML documents, or one JSON object, which is a List if there are several."""
    if form is Format.JSON:
        whole = objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return json_text(whole)
    return "".join(f"---\n{yaml_text(item)}" for item in objects)


def data_text(value: Object, form: Format) -> str:
    """Return one value as YAML or JSON."""
    return yaml_text(value) if form is Format.YAML else json_text(value)


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return escaped(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


class _Dumper(yaml.CSafeDumper):
    """Writes multi-line strings as blocks, and repeated values in full instead of as aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_string(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    # PyYAML does not quote every string that kubectl would read as another value, such as y and 12e34567.
    # Only a string in double quotes can contain the escapes of control characters.
    style = '"' if not is_printable(value) else "|" if "\n" in value else None if is_string(value) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_string)


def yaml_text(value: Any) -> str:
    """Return a JSON value as YAML."""
    return escaped(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def write(text: str) -> bool:
    """Write to standard output, and return False if its reader has closed the pipe, as `head` does.

    Like all output of agentctl, the text may quote what others wrote, so control characters are replaced.
    """
    try:
        sys.stdout.write(printable(text))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the rest of the buffer at exit; without this, that flush would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def note(text: str) -> None:
    """Write a line to standard error, so that it does not mix with the output in a pipe."""
    sys.stderr.write(f"{printable(text)}\n")
