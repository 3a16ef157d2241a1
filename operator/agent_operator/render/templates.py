"""Fills the templates, and adds the metadata that all children have.

jinja2 decides the shape of an object, and YAML parses it.

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

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest, canonical, with_manifest_hash

View = dict[str, Any]

_DIRECTORY = Path(__file__).with_name("templates")
# The placeholder of a value: NUL, which no template contains, and the number of the value.
_MARK = "\0"
_VALUES = "_values"
# Number of cached shapes. Shapes of a kind differ in optional parts and in the lengths of lists.
_SHAPES = 256


def manifest(template: str, inputs: Inputs, view: View) -> Manifest:
    """Return the manifest of a child: its template filled with its view, and metadata."""
    given = {"name": inputs.name, "selector": {constants.LABEL_APP: inputs.name}} | view
    return with_manifest_hash(fill(template, given, metadata(inputs, view)))


def metadata(inputs: Inputs, view: View) -> View:
    """Return the metadata of a child. Its view may set name, namespace and annotations, and may add labels."""
    has_common = view.get("has_common_metadata", True)
    return {
        "name": view.get("name", inputs.name),
        "namespace": view.get("namespace", inputs.namespace),
        "labels": (common_labels(inputs) if has_common else {}) | view.get("labels", {}) | labels(inputs),
        "annotations": (common_annotations(inputs) if has_common else {}) | view.get("annotations", {}),
        "ownerReferences": owners(inputs),
    }


def common_labels(inputs: Inputs) -> dict[str, str]:
    """Return the labels that the spec gives to all children and pods."""
    return inputs.spec.common_labels or {}


def common_annotations(inputs: Inputs) -> dict[str, str]:
    """Return the annotations that the spec gives to all children and pods."""
    return inputs.spec.common_annotations or {}


def labels(inputs: Inputs) -> dict[str, str]:
    """Return the labels by which the operator knows its children. Offline there is no UID, and so no label with it."""
    found = {
        constants.LABEL_NAME: constants.APPLICATION,
        constants.LABEL_INSTANCE: inputs.name,
        constants.LABEL_MANAGED_BY: constants.MANAGER,
        constants.LABEL_AGENT: inputs.name,
    }
    if inputs.agent.metadata.uid:
        found[constants.LABEL_OWNER_UID] = inputs.agent.metadata.uid
    if inputs.namespace != inputs.own_namespace:
        found[constants.LABEL_AGENT_NAMESPACE] = inputs.own_namespace
    return found


def owners(inputs: Inputs) -> list[View]:
    """Return the owner reference. Offline, or for a child in another namespace, there is none."""
    metadata = inputs.agent.metadata
    if not metadata.uid or inputs.namespace != metadata.namespace:
        return []
    return [
        {
            "apiVersion": constants.API_VERSION,
            "kind": constants.KIND,
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


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
