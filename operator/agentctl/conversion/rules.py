"""Why the operator sets a field to another value than the input, by kind and field."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentctl.conversion.findings import Outcome

_STANDARD = r"(\.app|\[app\.kubernetes\.io/(name|instance|component|managed-by)\])"
_TOOLS = (
    r"\[(helm\.sh|meta\.helm\.sh|argocd\.argoproj\.io|kustomize\.toolkit\.fluxcd\.io|helm\.toolkit\.fluxcd\.io)/.*\]"
)
_AGENT = r"spec\.template\.spec\.containers\[agent\]"
_HARDENED = "the pods meet the Pod Security Standard restricted"
_FALLBACK = "an AgentDeployment has no field for it: keep an object of your own for it, or do without it"
_ADDED = "set by the operator"


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a field and of everything below it.

    Attributes:
        kind: kind of the object; empty for every kind.
        pattern: regular expression of the field.
        reason: why, then what to do.
        outcome: changed or lost.
    """

    kind: str
    pattern: str
    reason: str
    outcome: Outcome = Outcome.CHANGED

    def matches(self, kind: str, field: str) -> bool:
        """Report whether the rule is about this field."""
        return self.kind in ("", kind) and re.fullmatch(rf"{self.pattern}([.\[].*)?", field) is not None


CHANGED: Sequence[Rule] = (
    Rule("", rf"metadata\.labels{_STANDARD}", "the operator sets the standard labels"),
    Rule(
        "", rf"metadata\.(labels|annotations){_TOOLS}", "a tool owns the object: remove it from the tool's source first"
    ),
    Rule(
        "",
        r"metadata\.(labels|annotations)",
        "there is no field for it: add it with kubectl label or annotate; the operator keeps what others add",
        Outcome.LOST,
    ),
    Rule("Deployment", r"spec\.selector", "the operator selects the pods by the label app with the name of the agent"),
    Rule("Deployment", r"spec\.replicas", "the autoscaler owns the number of replicas"),
    Rule(
        "Deployment", r"spec\.revisionHistoryLimit", "the operator keeps revisions: spec.rollout.revisionHistoryLimit"
    ),
    Rule("Deployment", rf"spec\.template\.metadata\.labels{_STANDARD}", "the operator sets the standard labels"),
    Rule(
        "Deployment",
        r"spec\.template\.metadata\.annotations\[prometheus\.io/port\]",
        "metrics are on port 9090",
    ),
    Rule(
        "Deployment",
        r"spec\.template\.metadata\.annotations\[kubectl\.kubernetes\.io/.*\]",
        "kubectl sets it: nothing to do",
    ),
    Rule(
        "Deployment",
        r"spec\.template\.spec\.serviceAccountName",
        "the operator creates the ServiceAccount of the agent",
    ),
    Rule("Deployment", r"spec\.template\.spec\.automountServiceAccountToken", "agents do not use the Kubernetes API"),
    Rule("Deployment", r"spec\.template\.spec\.imagePullSecrets", "see spec.runtime.imagePullSecrets"),
    Rule("Deployment", rf"{_AGENT}\.ports\[(8000|9090)\]", "the operator names the ports http and metrics"),
    Rule(
        "Deployment",
        rf"{_AGENT}\.ports",
        "the operator expects HTTP on port 8000 and metrics on port 9090: let the image listen there",
        Outcome.LOST,
    ),
    Rule(
        "Deployment",
        rf"{_AGENT}\.env\[(LOG_LEVEL|AGENT_NAME|AGENT_REVISION|SHUTDOWN_GRACE_SECONDS|PORT_HTTP|PORT_METRICS|LISTEN_ADDRESS)\]",
        "set by the operator",
    ),
    Rule("Deployment", rf"{_AGENT}\.env\[\w+\]\.valueFrom\.secretKeyRef", "the Secret has the name of the agent"),
    Rule(
        "Deployment", rf"{_AGENT}\.volumeMounts\[/app/config\]", "the operator mounts its own ConfigMap at /app/config"
    ),
    Rule(
        "Deployment", r"spec\.template\.spec\.volumes\[(config|api-keys)\]", "the operator mounts an object of its own"
    ),
    Rule(
        "Service",
        r"spec\.ports",
        "spec.service has one port for HTTP and one for metrics: keep a Service of your own",
        Outcome.LOST,
    ),
    Rule("Ingress", r"spec\.rules", "the operator writes pathType Prefix"),
    Rule("HorizontalPodAutoscaler", r"spec\.metrics", "the operator also scales by memory, or by CPU"),
    Rule(
        "PodDisruptionBudget",
        r"spec\.(minAvailable|maxUnavailable)",
        "the given budget would block every drain of a node",
    ),
    Rule(
        "PodDisruptionBudget", r"spec\.unhealthyPodEvictionPolicy", "unhealthy pods must not block the drain of a node"
    ),
    Rule("ServiceAccount", r"automountServiceAccountToken", "agents do not use the Kubernetes API"),
    Rule("ServiceAccount", r"imagePullSecrets", "see spec.runtime.imagePullSecrets"),
    Rule("ServiceMonitor", r"spec\.namespaceSelector", "the operator selects only the Service of this agent"),
)

ADDED: Sequence[Rule] = (
    Rule(
        "Deployment",
        rf"{_AGENT}\.securityContext(\.readOnlyRootFilesystem)?",
        "hardening; only /tmp is writable, so mount an emptyDir with spec.podTemplate where the program writes",
    ),
    Rule(
        "Deployment",
        r"spec\.template\.spec\.securityContext\.(runAsUser|runAsGroup|fsGroup)",
        "the pods run as user and group 1000: to let the cluster choose, replace the context in spec.podTemplate",
    ),
    Rule("Deployment", r"spec\.template\.spec\..*securityContext", _HARDENED),
    Rule("Deployment", r"spec\.template\.spec\.automountServiceAccountToken", "agents do not use the Kubernetes API"),
    Rule(
        "Deployment",
        r"spec\.template\.spec\.terminationGracePeriodSeconds",
        "requests in progress finish before a pod stops",
    ),
    Rule("Deployment", rf"{_AGENT}\.args", "the arguments of agent-runtime"),
    Rule("Deployment", rf"{_AGENT}\.resources", "the default of spec.resources"),
    Rule("Deployment", rf"{_AGENT}\.\w+Probe", "the default of spec.probes"),
    Rule("Deployment", r"spec\.template\.spec\.(affinity|topologySpreadConstraints)", "the default of spec.scheduling"),
    Rule("Deployment", r"spec\.template\.spec\..*(volumes|volumeMounts)", "the config, and a writable /tmp"),
    Rule("Deployment", r"spec\.strategy", "a new pod is ready before an old one stops"),
    Rule("Ingress", r"metadata\.annotations", "the default of spec.ingress"),
    Rule("HorizontalPodAutoscaler", r"spec\.behavior", "the default of spec.autoscaling.behavior"),
)


def explained(rules: Iterable[Rule], kind: str, field: str) -> Rule | None:
    """Return the first rule about a field."""
    return next((rule for rule in rules if rule.matches(kind, field)), None)


def of_change(kind: str, field: str, more: Iterable[Rule] = ()) -> Rule:
    """Return what becomes of a field of the input that the operator renders differently or not at all."""
    found = explained((*more, *CHANGED), kind, field)
    return found or Rule(kind, "", _FALLBACK, Outcome.LOST)


def of_addition(kind: str, field: str) -> str:
    """Return why the operator sets a field that the input does not have."""
    found = explained(ADDED, kind, field)
    return found.reason if found else _ADDED
