"""The Secrets and ConfigMaps in the environment of the pods. New data of these requires new pods.

Volumes are not included: the kubelet updates their files in running pods.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent_operator.api import constants
from agent_operator.api.base import SUBDOMAIN_PATTERN
from agent_operator.inputs import credentials
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.inputs.model_sources import redis_ca

# The operator polls each of them. Users can merge Secrets to stay below the limit.
LIMIT = 64
CREDENTIALS = "spec.credentials"
Kind = Literal["ConfigMap", "Secret"]
_LONGEST = 253
_LISTS = ("initContainers", "containers")
_WHOLE: Mapping[str, Kind] = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_KEYS: Mapping[str, Kind] = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


@dataclass(frozen=True, slots=True)
class Source:
    """A key of a Secret or ConfigMap; all keys if `key` is None. `field` is the path of the reference in the spec."""

    kind: Kind
    name: str
    key: str | None
    optional: bool
    field: str

    @property
    def title(self) -> str:
        """Name of the object in the annotation of the pods. A Secret has no prefix, because its name has no slash."""
        return self.name if self.kind == "Secret" else f"configmap/{self.name}"


def of(inputs: Inputs) -> Iterator[Source]:
    """Yield the objects in the environment of the pods, in the order of the spec."""
    for key in credentials.keys(inputs):
        yield Source("Secret", key.secret, key.name, key.optional, CREDENTIALS)
    for model_key in inputs.secret_variables:
        yield Source("Secret", model_key.secret, model_key.key, optional=False, field=model_key.field)
    dumped = [variable.model_dump(by_alias=True, exclude_none=True) for variable in inputs.spec.env or ()]
    yield from _of_container({"env": dumped}, "spec")
    yield from of_template(inputs.spec.pod_template or {}, "spec.podTemplate")


def required(inputs: Inputs) -> Iterator[Source]:
    """Yield further Secrets that must exist: those of the credentials, the API keys and the trusted authorities.

    All but the credentials are files in volumes. The runtime reads new API keys, so they require no new pods.
    """
    if name := credentials.secret(inputs):
        yield Source("Secret", name, None, optional=False, field=CREDENTIALS)
    if inputs.spec.api_keys:
        reference = inputs.spec.api_keys.secret_key_ref
        yield Source("Secret", reference.name, reference.key, optional=False, field="spec.apiKeys.secretKeyRef")
    trusted = inputs.spec.trusted_ca
    if trusted and trusted.secret_key_ref:
        name, key = trusted.secret_key_ref.name, trusted.secret_key_ref.key or constants.TRUSTED_CA_FILE
        yield Source("Secret", name, key, optional=False, field="spec.trustedCA.secretKeyRef")
    for index, model in enumerate(inputs.spec.config.models):
        authorities = model.tls.ca_from.secret_key_ref if model.tls and model.tls.ca_from else None
        if authorities:
            field = f"spec.config.models[{index}].tls.caFrom.secretKeyRef"
            yield Source("Secret", authorities.name, authorities.key, optional=False, field=field)
    redis = redis_ca(inputs.spec.config) if inputs.spec.config.memory else None
    if redis and redis.secret_key_ref:
        field = "spec.config.memory.cache.tls.caFrom.secretKeyRef"
        yield Source("Secret", redis.secret_key_ref.name, redis.secret_key_ref.key, optional=False, field=field)


def is_own(inputs: Inputs, source: Source) -> bool:
    """Report whether this is the Secret that the operator creates from credentials.values."""
    plain = inputs.spec.credentials is not None and inputs.spec.credentials.values is not None
    return plain and (source.kind, source.name) == ("Secret", constants.secret(inputs.name))


def of_template(template: Mapping[str, Any], path: str = "") -> Iterator[Source]:
    """Yield the objects in the environment of a pod template, which may be an unvalidated patch of any shape."""
    spec = template.get("spec")
    for kind in _LISTS:
        for container in _objects(spec.get(kind) if isinstance(spec, Mapping) else None):
            yield from _of_container(container, f"{path}.spec.{kind}[{container.get('name')}]")


def hashes_of_template(hashes: str | None, template: Mapping[str, Any]) -> str | None:
    """Filter the hashes in an annotation by the objects that this pod template reads; None if none remain."""
    titles = {source.title for source in of_template(template)}
    entries = [entry for entry in (hashes or "").split(",") if entry.rpartition("=")[0] in titles]
    return ",".join(entries) or None


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
    """Report whether the name is valid. A name with slashes would address another path of the API."""
    return isinstance(value, str) and len(value) <= _LONGEST and re.fullmatch(SUBDOMAIN_PATTERN, value) is not None


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else ()
