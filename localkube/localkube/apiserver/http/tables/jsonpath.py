"""The subset of JSONPath for printer columns: fields, indexes, `*`, and filters by equality."""

import re
from typing import Any

_STEP = re.compile(
    r"""\.?\[\?\(\s*@\.(?P<field>[\w./-]+)\s*(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\s*\)\]"""
    r"""|\[(?P<index>-?\d+)\]|\[(?P<quoted>'[^']*'|"[^"]*")\]|\[\*\]|\.(?P<name>(?:\\.|[^.\[\\])+)"""
)


def find(obj: Any, path: str) -> list[Any]:
    """All values at a path such as `.status.conditions[?(@.type=="Ready")].status`."""
    values = [obj]
    at = 0
    path = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    while at < len(path):
        step = _STEP.match(path, at)
        if not step or step.end() == at:
            return []
        at = step.end()
        values = [inner for value in values for inner in _step(value, step)]
    return values


def _step(value: Any, step: re.Match[str]) -> list[Any]:
    if step["field"]:
        return [v for v in _items(value) if _holds(v, step)]
    if step["index"]:
        index = int(step["index"])
        return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
    name = step["quoted"][1:-1] if step["quoted"] else step["name"]
    if name is None or name == "*":
        return _items(value)
    name = name.replace("\\.", ".")
    return [value[name]] if isinstance(value, dict) and name in value else []


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _holds(value: Any, step: re.Match[str]) -> bool:
    for part in step["field"].split("."):
        value = value.get(part) if isinstance(value, dict) else None
    wanted = step["value"]
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    equal = value is not None and shown == (wanted[1:-1] if wanted[0] in "\"'" else wanted)
    return equal if step["op"] == "==" else not equal
