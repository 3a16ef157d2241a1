"""Templates to objects: jinja2 for the shape, YAML to read it, typed models to hold it to what Kubernetes knows."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel

from agent_operator.render.canonical import Manifest, canonical

_DIRECTORY = Path(__file__).with_name("templates")
# JSON spells a character beyond U+FFFF as two halves; YAML wants it whole. An escaped backslash is passed over.
_HALVES = re.compile(r"\\\\|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def build(template: str, model: type[BaseModel], view: Mapping[str, Any], metadata: Mapping[str, Any]) -> Manifest:
    """Return the manifest that a template makes of a view; `metadata` is the same for all kinds and is added.

    Raises:
        yaml.YAMLError: the text is not YAML; a key of more than 1,024 characters, for one.
        pydantic.ValidationError: the object is not what its kind allows.
    """
    text = _environment().get_template(f"{template}.yaml.j2").render(view)
    typed = model.model_validate(yaml.load(text, Loader=yaml.CSafeLoader) | {"metadata": metadata})
    manifest: Manifest = canonical(typed.model_dump(mode="json", by_alias=True, exclude_none=True))
    return manifest


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
    environment.policies["json.dumps_function"] = _dumps
    return environment


def _dumps(value: Any, **options: Any) -> str:
    """Write JSON that YAML reads as the same value."""
    return _HALVES.sub(_whole, json.dumps(value, **options))


def _whole(match: re.Match[str]) -> str:
    high, low = match.groups()
    if high is None:
        return match[0]
    return f"\\U{0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00:08x}"
