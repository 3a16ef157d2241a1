"""The Secrets that an agent uses, from its spec and from the pods. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agent_operator.inputs import references
from agent_operator.kube.shapes import mapping, mappings, text
from agentctl.diagnosis.evidence import spec_of, template_of

MOST_SECRETS = 32
WHOLE_CREDENTIALS = "spec.credentials.secretRef"
_DEPTH = 12


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A use of a Secret.

    Attributes:
        name: of the Secret.
        key: the key that is used; empty for all keys.
        optional: whether the pods start without it.
        field: path of the reference.
        is_variable: whether it becomes a variable, so that a change needs new pods.
    """

    name: str
    key: str
    optional: bool
    field: str
    is_variable: bool = False


def used(agent: Mapping[str, Any], deployments: list[Mapping[str, Any]]) -> list[SecretReference]:
    """Return the uses of a bounded number of Secrets."""
    found = dict.fromkeys([*_of_spec(spec_of(agent)), *(it for live in deployments for it in _of_pods(live))])
    names = list(islice(dict.fromkeys(reference.name for reference in found), MOST_SECRETS))
    return [reference for reference in found if reference.name in names]


def _of_spec(spec: Mapping[str, Any]) -> Iterator[SecretReference]:
    reference = mapping(mapping(spec.get("credentials")).get("secretRef"))
    if name := text(reference.get("name")):
        keys = reference.get("keys")
        for key in keys if isinstance(keys, list) else [""]:
            yield SecretReference(name, text(key), optional=False, field=WHOLE_CREDENTIALS, is_variable=True)
    rest = {key: value for key, value in spec.items() if key not in ("credentials", "podTemplate", "env")}
    yield from _keys_in(rest, "spec", _DEPTH)


def _keys_in(value: Any, path: str, depth: int) -> Iterator[SecretReference]:
    """Yield the references `secretKeyRef` anywhere in a value."""
    if depth == 0:
        return
    if isinstance(value, list):
        for index, item in enumerate(value[:256]):
            yield from _keys_in(item, f"{path}[{index}]", depth - 1)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        reference = mapping(item)
        if key == "secretKeyRef" and text(reference.get("name")):
            field = f"{path}.{key}"
            yield SecretReference(reference["name"], text(reference.get("key")), optional=False, field=field)
        else:
            yield from _keys_in(item, f"{path}.{key}", depth - 1)


def _of_pods(deployment: Mapping[str, Any]) -> Iterator[SecretReference]:
    template = mapping(spec_of(deployment).get("template"))
    for source in references.of_template(template, "spec.template"):
        if source.kind == "Secret":
            yield SecretReference(source.name, source.key or "", source.optional, source.field, is_variable=True)
    spec = template_of(deployment)
    for volume in mappings(spec.get("volumes")):
        for mounted, name in _sources(volume):
            optional = mounted.get("optional") is True
            keys = [text(item.get("key")) for item in mappings(mounted.get("items"))] or [""]
            field = f"spec.template.spec.volumes[{text(volume.get('name'))}]"
            yield from (SecretReference(name, key, optional, field) for key in keys if name)
    for pull in mappings(spec.get("imagePullSecrets")):
        if name := text(pull.get("name")):
            yield SecretReference(name, "", optional=True, field="spec.runtime.imagePullSecrets")


def _sources(volume: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    whole = mapping(volume.get("secret"))
    yield whole, text(whole.get("secretName"))
    for projected in mappings(mapping(volume.get("projected")).get("sources")):
        source = mapping(projected.get("secret"))
        yield source, text(source.get("name"))
