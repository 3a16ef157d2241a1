"""Fills the templates: jinja2 decides the shape of an object, and YAML parses it.

A value is never written as YAML. A template writes a number instead, and the value replaces it after parsing. So no
value can change the shape, and objects of the same shape are parsed once.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, Undefined, pass_context
from jinja2.runtime import Context

from agent_operator.render.canonical import Manifest, canonical

_DIRECTORY = Path(__file__).with_name("templates")
# The placeholder of a value: NUL, which no template contains, and the number of the value.
_MARK = "\0"
_VALUES = "_values"
# Number of cached shapes. Shapes of a kind differ in optional parts and in the lengths of lists.
_SHAPES = 256


def fill(template: str, view: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> Manifest:
    """Fill a template.

    Args:
        template: name of the template.
        view: the names that the template uses.
        metadata: metadata of the object, unless the template has its own.

    Returns:
        The object in canonical form.
    """
    values: list[Any] = [metadata]
    text = _template(template).render(view, **{_VALUES: values})
    manifest: Manifest = _filled(_shape(text), values)
    return manifest


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.yaml.j2")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_DIRECTORY),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  (YAML, not HTML: every value passes through tojson)
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tojson"] = _stand_in
    return environment


@pass_context
def _stand_in(context: Context, value: Any) -> str:
    """Store a value and return its placeholder."""
    if isinstance(value, Undefined):
        str(value)  # raises UndefinedError for a misspelled name
    values: list[Any] = context[_VALUES]
    values.append(value)
    return f'"\\0{len(values) - 1}"'


@lru_cache(maxsize=_SHAPES)
def _shape(text: str) -> Any:
    shape = yaml.load(text, Loader=yaml.CSafeLoader)
    return canonical(shape if "metadata" in shape else shape | {"metadata": f"{_MARK}0"})


def _filled(shape: Any, values: Sequence[Any]) -> Any:
    """Return a copy of a canonical shape with the values in place of their placeholders."""
    filled = shape.copy()
    for place, item in shape.items() if isinstance(shape, dict) else enumerate(shape):
        if isinstance(item, dict | list):
            filled[place] = _filled(item, values)
        elif isinstance(item, str) and item.startswith(_MARK):
            value = canonical(values[int(item[1:])])
            if isinstance(shape, dict) and (value is None or value == []):
                del filled[place]
            else:
                filled[place] = value
    return filled
