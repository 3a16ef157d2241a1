"""Types of the Kubernetes API in our models, imported lazily, because most agents use none of them.

Importing the models of `kubernetes.client` takes longer than validating an agent. Type checkers see the real models.
pydantic sees a stand-in that imports the model for the first value.
"""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

__all__ = [
    "KUBERNETES_PATCH",
    "KUBERNETES_TYPE",
    "V1Affinity",
    "V1EnvVar",
    "V1NetworkPolicyEgressRule",
    "V1NetworkPolicyIngressRule",
    "V1PodDNSConfigOption",
    "V1Probe",
    "V1Toleration",
    "V1TopologySpreadConstraint",
    "V2HorizontalPodAutoscalerBehavior",
    "V2MetricSpec",
    "Verbatim",
    "typed",
]

# Keywords that the CRD generator replaces with the schema of a model, and with that of a strategic merge patch for it.
KUBERNETES_TYPE = "x-kubernetes-type"
KUBERNETES_PATCH = "x-kubernetes-patch-of"

_PACKAGE = "kubernetes"
USED_BY = frozenset({"autoscaling", "dns", "env", "networkPolicy", "podTemplate", "probes", "rollout", "scheduling"})
"""Fields of the spec that contain these types."""


# The quantities of a model, by their path; * is any field. The models of `kubernetes.client` take only text for them.
_QUANTITIES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "V1EnvVar": (("valueFrom", "resourceFieldRef", "divisor"),),
    "V2HorizontalPodAutoscalerBehavior": (("*", "tolerance"),),
    "V2MetricSpec": (("*", "target", "value"), ("*", "target", "averageValue")),
}


def _with_quantities(value: Any, paths: Iterable[tuple[str, ...]]) -> Any:
    """Return a value with the integers at these paths as text. Kubernetes accepts both for a quantity."""
    for path in paths:
        value = _with_quantity(value, path)
    return value


def _with_quantity(value: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(value, dict):
        return value
    field, rest = path[0], path[1:]
    return {key: _with_quantity(item, rest) if field in ("*", key) else item for key, item in value.items()}


class Verbatim:
    """Stand-in for the model of `kubernetes.client` with the name of the subclass."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate a value with the model. Errors keep their paths."""

        def validate(value: Any) -> BaseModel:
            return typed(cls.__name__).model_validate(_with_quantities(value, _QUANTITIES.get(cls.__name__, ())))

        return core_schema.no_info_plain_validator_function(validate)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the name of the model. The CRD generator replaces it with the schema of the type."""
        return {KUBERNETES_TYPE: cls.__name__}


@cache
def typed(name: str) -> type[BaseModel]:
    """Return a model of `kubernetes.client`, such as V1PodTemplateSpec."""
    model: type[BaseModel] = getattr(_client(), name)
    return model


def is_loaded() -> bool:
    """Return whether the models are imported."""
    return f"{_PACKAGE}.client" in sys.modules


def load() -> None:
    """Import the models, which takes up to 0.6 s of CPU. In a thread, the event loop continues meanwhile."""
    for name in ("V1PodTemplateSpec", "V1Job"):
        typed(name).model_validate({})


def _client() -> ModuleType:
    """Import `kubernetes.client` without the other clients.

    The package `kubernetes` imports all clients, which takes 20 MiB and half a second. An empty package replaces it
    during this import. Later imports of `kubernetes` get the real package, with the same client.
    """
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None:
        return import_module("kubernetes.client")
    sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        return import_module("kubernetes.client")
    finally:
        del sys.modules[_PACKAGE]


if TYPE_CHECKING:
    from kubernetes.client import (
        V1Affinity,
        V1EnvVar,
        V1NetworkPolicyEgressRule,
        V1NetworkPolicyIngressRule,
        V1PodDNSConfigOption,
        V1Probe,
        V1Toleration,
        V1TopologySpreadConstraint,
        V2HorizontalPodAutoscalerBehavior,
        V2MetricSpec,
    )
else:

    class V1Affinity(Verbatim): ...

    class V1EnvVar(Verbatim): ...

    class V1NetworkPolicyEgressRule(Verbatim): ...

    class V1NetworkPolicyIngressRule(Verbatim): ...

    class V1PodDNSConfigOption(Verbatim): ...

    class V1Probe(Verbatim): ...

    class V1Toleration(Verbatim): ...

    class V1TopologySpreadConstraint(Verbatim): ...

    class V2HorizontalPodAutoscalerBehavior(Verbatim): ...

    class V2MetricSpec(Verbatim): ...
