"""Which Secrets and ConfigMaps the environment of the pods is made of: new data of these needs new pods.

Files of volumes are not among them: these follow new data by themselves.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent_operator.api import constants
from agent_operator.api.base import SUBDOMAIN_PATTERN
from agent_operator.inputs import credentials
from agent_operator.inputs.agent_inputs import Inputs

# Each is read again and again. The environment of a pod that needs more can be put into fewer.
MOST = 64
CREDENTIALS = "spec.credentials"
Kind = Literal["ConfigMap", "Secret"]
_LONGEST = 253
_LISTS = ("initContainers", "containers")
_WHOLE: Mapping[str, Kind] = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEYS: Mapping[str, Kind] = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


@dataclass(frozen=True, slots=True)
class Source:
    """A key of a Secret or ConfigMap, or all of them where key is None. `field`: the path in the spec that names it."""

    kind: Kind
    name: str
    key: str | None
    optional: bool
    field: str

    @property
    def title(self) -> str:
        """How the pods' annotation names the object: a Secret by its name alone, which has no slash."""
        return self.name if self.kind == "Secret" else f"configmap/{self.name}"


def of(inputs: Inputs) -> Iterator[Source]:
    """Yield what the pods of an agent read, in the order in which its spec says it."""
    for key in credentials.keys(inputs):
        yield Source("Secret", key.secret, key.name, key.optional, CREDENTIALS)
    dumped = [variable.model_dump(by_alias=True, exclude_none=True) for variable in inputs.spec.env or ()]
    yield from _of_container({"env": dumped}, "spec")
    yield from of_template(inputs.spec.pod_template or {}, "spec.podTemplate")


def needed(inputs: Inputs) -> Iterator[Source]:
    """Yield what must be there besides: all of the credentials' Secret, and the callers' keys.

    The latter are a file of a volume, so new ones need no new pods.
    """
    if name := credentials.secret(inputs):
        yield Source("Secret", name, None, optional=False, field=CREDENTIALS)
    if inputs.spec.api_keys:
        reference = inputs.spec.api_keys.secret_key_ref
        yield Source("Secret", reference.name, reference.key, optional=False, field="spec.apiKeys.secretKeyRef")


def is_made_here(inputs: Inputs, source: Source) -> bool:
    """Tell whether this is the Secret that the operator makes of credentials.values."""
    plain = inputs.spec.credentials is not None and inputs.spec.credentials.values is not None
    return plain and (source.kind, source.name) == ("Secret", constants.secret(inputs.name))


def of_template(template: Mapping[str, Any], path: str = "") -> Iterator[Source]:
    """Yield what a pod template reads. It may be a patch that nobody has looked at yet, and so be anything."""
    spec = template.get("spec")
    for kind in _LISTS:
        for container in _objects(spec.get(kind) if isinstance(spec, Mapping) else None):
            yield from _of_container(container, f"{path}.spec.{kind}[{container.get('name')}]")


def fitting(hashes: str | None, template: Mapping[str, Any]) -> str | None:
    """Return, of the hashes that an annotation has, those of what this pod template reads."""
    titles = {source.title for source in of_template(template)}
    kept = [entry for entry in (hashes or "").split(",") if entry.rpartition("=")[0] in titles]
    return ",".join(kept) or None


def _of_container(container: Mapping[str, Any], path: str) -> Iterator[Source]:
    for variable in _objects(container.get("env")):
        where = f"{path}.env[{variable.get('name')}].valueFrom"
        yield from _of_source(variable.get("valueFrom"), _KEYS, where)
    for number, source in enumerate(_objects(container.get("envFrom"))):
        yield from _of_source(source, _WHOLE, f"{path}.envFrom[{number}]")


def _of_source(source: Any, fields: Mapping[str, Kind], path: str) -> Iterator[Source]:
    for field, kind in fields.items():
        reference = source.get(field) if isinstance(source, Mapping) else None
        if isinstance(reference, Mapping) and _is_name(reference.get("name")):
            key = reference.get("key") if fields is _KEYS else None
            if isinstance(key, str | None):
                yield Source(kind, reference["name"], key, reference.get("optional") is True, f"{path}.{field}")


def _is_name(value: Any) -> bool:
    """Tell whether an object can have this name. What has slashes and dots would name a path of the API instead."""
    return isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(SUBDOMAIN_PATTERN, value) is not None


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else ()
