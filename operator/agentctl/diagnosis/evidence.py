"""What is known of an agent and its surroundings: the input of all checks. Pure.

Others write these objects, so every value may have any shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent_operator.kube.shapes import conditions, mapping, mappings, text
from agentctl.diagnosis.findings import Area
from agentctl.objects import Object

_NO_LABELS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be read.

    Attributes:
        area: what cannot be checked without it.
        what: such as `pods`.
        error: why, from kubectl.
        remedy: how to read it.
    """

    area: Area
    what: str
    error: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself."""

    expires: datetime
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What is known of a Secret, without its values.

    Attributes:
        kind: its type, such as kubernetes.io/tls.
        faults: key -> what is wrong with its value: empty, newline, spaces, quotes, base64 or "".
        changed: when its data changed last; None if the API server does not say.
        certificate: that in tls.crt; None without one, or if it is unreadable.
    """

    kind: str = "Opaque"
    faults: Mapping[str, str] = field(default_factory=dict)
    changed: datetime | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was read.

    Attributes:
        now: when.
        agent: the AgentDeployment.
        namespace: namespace of its children.
        objects: plural -> objects. An absent plural was not read.
        secrets: name -> facts; None for a Secret that does not exist.
        logs: (pod, container) -> end of the log of the container that crashed.
        network: the report of check-network; None without one.
        network_pod: the pod in which it ran.
        gaps: what could not be read.
        version: version of agentctl.
    """

    now: datetime
    agent: Object
    namespace: str
    objects: Mapping[str, Sequence[Object]]
    secrets: Mapping[str, SecretFacts | None] = field(default_factory=dict)
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    network: Mapping[str, Any] | None = None
    network_pod: str = ""
    gaps: tuple[Gap, ...] = ()
    version: str = ""

    @property
    def name(self) -> str:
        """Name of the agent."""
        return name_of(self.agent)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec of the agent."""
        return mapping(self.agent.get("spec"))

    @property
    def status(self) -> Mapping[str, Any]:
        """The status of the agent."""
        return mapping(self.agent.get("status"))

    def of(self, plural: str) -> list[Mapping[str, Any]]:
        """Return the objects of a kind; none if it was not read."""
        return [item for item in self.objects.get(plural, ()) if isinstance(item, dict)]

    def has(self, plural: str) -> bool:
        """Return whether a kind was read."""
        return plural in self.objects

    def named(self, plural: str, name: str) -> Mapping[str, Any] | None:
        """Return the object of this name; None if it does not exist."""
        return next((item for item in self.of(plural) if name_of(item) == name), None)

    def pods(self) -> list[Mapping[str, Any]]:
        """Return the pods of the agent that are not being deleted and have not ended normally."""
        pods = (pod for pod in self.of("pods") if "deletionTimestamp" not in mapping(pod.get("metadata")))
        return [pod for pod in pods if mapping(pod.get("status")).get("phase") != "Succeeded"]

    def deployments(self) -> list[Mapping[str, Any]]:
        """Return the Deployments of the agent: that of the stable revision, and that of a canary."""
        return [it for it in self.of("deployments") if name_of(it) in (self.name, f"{self.name}-canary")]

    def events(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Yield the Events about the object of this name."""
        return (event for event in self.of("events") if mapping(event.get("regarding")).get("name") == name)


def name_of(obj: Mapping[str, Any]) -> str:
    """Return metadata.name."""
    return text(mapping(obj.get("metadata")).get("name"))


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return metadata.labels."""
    return mapping(mapping(obj.get("metadata")).get("labels")) or _NO_LABELS


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return metadata.annotations."""
    return mapping(mapping(obj.get("metadata")).get("annotations"))


def spec_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return spec."""
    return mapping(obj.get("spec"))


def status_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return status."""
    return mapping(obj.get("status"))


def conditions_of(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return status.conditions."""
    return conditions(status_of(obj).get("conditions"))


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the condition of this type; an empty one if it does not exist."""
    return next((it for it in conditions_of(obj) if it["type"] == kind), {})


def template_of(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the spec of the pods of a Deployment."""
    return spec_of(mapping(spec_of(deployment).get("template")))


def containers_of(pod_spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the init containers and the containers of a pod."""
    return [*mappings(pod_spec.get("initContainers")), *mappings(pod_spec.get("containers"))]


def parse_time(value: Any) -> datetime | None:
    """Return a time of the API server; None for anything else."""
    try:
        found = datetime.fromisoformat(text(value)[:40])
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def matches(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Return whether a label selector selects labels. An empty selector selects everything."""
    wanted = mapping(selector)
    if any(labels.get(key) != value for key, value in mapping(wanted.get("matchLabels")).items()):
        return False
    return all(_holds(expression, labels) for expression in mappings(wanted.get("matchExpressions")))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, values = text(expression.get("key")), expression.get("values")
    found = values if isinstance(values, list) else []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in found
        case "NotIn":
            return labels.get(key) not in found
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
