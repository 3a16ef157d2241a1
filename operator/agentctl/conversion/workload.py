"""Which Deployments of the input are agents, and which other objects belong to them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agent_operator.api import constants
from agent_runtime.config import CONFIG_FILE
from agentctl.conversion.manifests import Manifest, string_map
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field

# The container of the agent in findings. The operator names it so.
AGENT_FIELD = f"spec.template.spec.containers[{constants.CONTAINER}]"
_RUNTIME_IMAGE = "agent-runtime"
_UNFIT = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True)
class Workload:
    """A Deployment that becomes an AgentDeployment, and all objects of its namespace.

    Attributes:
        name: name of the AgentDeployment.
        deployment: the Deployment.
        others: the other objects of its namespace, and cluster-scoped objects.
    """

    name: str
    deployment: Manifest
    others: tuple[Manifest, ...]

    @property
    def namespace(self) -> str:
        """Namespace of the Deployment."""
        return self.deployment.namespace

    @cached_property
    def template(self) -> Object:
        """The pod template."""
        template: Object = self.deployment.spec.get("template") or {}
        return template

    @cached_property
    def pod(self) -> Object:
        """The spec of the pods."""
        pod: Object = self.template.get("spec") or {}
        return pod

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """All labels of the pods, also those that `template` leaves out."""
        return string_map(nested_field(self.deployment.document.body, "spec", "template", "metadata", "labels"))

    @cached_property
    def index(self) -> int:
        """Position of the container that runs the agent: the one with the config, the one named agent, or the first."""
        containers = self.pod.get("containers") or []
        with_config = [number for number, item in enumerate(containers) if _config_volumes(self, item)]
        named = [number for number, item in enumerate(containers) if item.get("name") == constants.CONTAINER]
        return (with_config or named or [0])[0]

    @cached_property
    def container(self) -> Object:
        """The container that runs the agent."""
        container: Object = self.pod["containers"][self.index]
        return container

    @cached_property
    def config_volumes(self) -> tuple[str, ...]:
        """Names of the volumes with agent.toml."""
        return _config_volumes(self, self.container)

    def of_kind(self, kind: str) -> tuple[Manifest, ...]:
        """Return the objects of a kind."""
        return tuple(item for item in self.others if item.kind == kind)

    def selecting(self, kind: str, labels: Mapping[str, str]) -> list[Manifest]:
        """Return the objects of a kind whose label selector is set and matches these labels."""
        return [
            item for item in self.of_kind(kind) if item.spec.get("selector") and selects(item.spec["selector"], labels)
        ]

    def find(self, kind: str, name: Any) -> Manifest | None:
        """Return one object; None if the input does not contain it."""
        return next((item for item in self.of_kind(kind) if item.name == name), None)

    def config_maps(self) -> Iterator[Manifest]:
        """Yield the ConfigMaps that the container mounts, and that the input contains."""
        mounted = {mount.get("name") for mount in self.container.get("volumeMounts") or ()}
        for volume in self.pod.get("volumes") or ():
            for name in _config_map_names(volume) if volume.get("name") in mounted else ():
                if found := self.find("ConfigMap", name):
                    yield found


def workloads(manifests: Sequence[Manifest], chosen: Sequence[str], new_name: str) -> tuple[Workload, ...]:
    """Return the Deployments that become AgentDeployments.

    Args:
        manifests: the objects of the input.
        chosen: names of Deployments; empty for all that run agents.
        new_name: name of the AgentDeployment; empty for the name of the Deployment.

    Raises:
        CommandError: there is no such Deployment, or a name cannot be used.
    """
    deployments = [item for item in manifests if item.kind == "Deployment"]
    missing = [name for name in chosen if name not in {item.name for item in deployments}]
    if missing:
        names = ", ".join(item.name for item in deployments) or "none"
        raise CommandError(f"Deployment {missing[0]} not found: use one of the input: {names}")
    found = [_workload(item, manifests, new_name) for item in deployments]
    agents = [item for item in found if (item.deployment.name in chosen if chosen else is_agent(item))]
    if not agents:
        names = ", ".join(item.name for item in deployments) or "none"
        raise CommandError(
            f"no Deployment with an {CONFIG_FILE} or the image {_RUNTIME_IMAGE} found (Deployments: {names}): "
            "specify more files, or name the Deployment"
        )
    if new_name and len(agents) > 1:
        raise CommandError(f"--name needs one Deployment, but there are {len(agents)}: name the Deployment")
    return tuple(agents)


def is_agent(workload: Workload) -> bool:
    """Report whether a Deployment runs an agent: it mounts agent.toml, or it runs the runtime image."""
    if not workload.pod.get("containers"):
        return False
    repository = str(workload.container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[0]
    return bool(workload.config_volumes) or repository == _RUNTIME_IMAGE


def _workload(deployment: Manifest, manifests: Iterable[Manifest], new_name: str) -> Workload:
    others = [item for item in manifests if item is not deployment and item.namespace in ("", deployment.namespace)]
    return Workload(new_name or agent_name(deployment.name), deployment, tuple(others))


def agent_name(name: str) -> str:
    """Return the name of the AgentDeployment: a DNS label that starts with a letter, of limited length."""
    label = _UNFIT.sub("-", name).strip("-")
    lettered = label if label[:1].isalpha() else f"agent-{label}".rstrip("-")
    return lettered[: constants.MAX_NAME_LENGTH].rstrip("-")


def selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Report whether a label selector matches. An empty or missing selector matches everything."""
    if not isinstance(selector, dict):
        return True
    equals, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    if not isinstance(equals, dict) or not isinstance(expressions, list):
        return False
    equal = all(labels.get(key) == value for key, value in equals.items())
    return equal and all(isinstance(item, dict) and _meets(item, labels) for item in expressions)


def _meets(requirement: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(str(requirement.get("key"))), requirement.get("values") or []
    if not isinstance(values, list):
        return False
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _config_volumes(workload: Workload, container: Object) -> tuple[str, ...]:
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or ()}
    return tuple(
        volume["name"]
        for volume in workload.pod.get("volumes") or ()
        if volume.get("name") in mounted and any(_has_config(workload, name) for name in _config_map_names(volume))
    )


def _has_config(workload: Workload, name: str) -> bool:
    config_map = workload.find("ConfigMap", name)
    return config_map is not None and CONFIG_FILE in (config_map.body.get("data") or {})


def _config_map_names(volume: Object) -> Iterator[str]:
    sources = [volume, *(nested_field(volume, "projected", "sources") or ())]
    for source in sources:
        name = nested_field(source, "configMap", "name")
        if isinstance(name, str):
            yield name
