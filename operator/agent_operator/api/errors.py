"""What can be wrong with an agent, as the user is told it: a reason, the field, and a message that names the remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a spec is refused, or what it is warned about. Each is a condition's reason and has a test."""

    FIELD_CONFLICT = "FieldConflict"
    """Two fields contradict each other, or one that is needed is missing."""
    NAME_INVALID = "NameInvalid"
    """A name is too long, or is not what Kubernetes takes there."""
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    """spec.namespace names a namespace that the operator must not own."""
    LABEL_INVALID = "LabelInvalid"
    """A label or annotation is malformed, or belongs to the operator."""
    PROMPT_MISSING = "PromptMissing"
    """The ConfigMap of the prompt, or its key, is not there."""
    PROMPT_INVALID = "PromptInvalid"
    """The template of the prompt cannot be rendered."""
    PROMPT_TOO_LARGE = "PromptTooLarge"
    """The prompt does not fit into a ConfigMap."""
    ENDPOINT_INVALID = "EndpointInvalid"
    """The address of a model or of Redis cannot be used."""
    CREDENTIALS_INVALID = "CredentialsInvalid"
    """A key of the credentials cannot be used."""
    IDENTITY_INVALID = "IdentityInvalid"
    """The ServiceAccount or the cloud identity cannot work as described."""
    ENV_INVALID = "EnvInvalid"
    """A variable of spec.env is malformed, set twice, or set by the operator."""
    RESOURCES_INVALID = "ResourcesInvalid"
    """A quantity is malformed, or a request exceeds its limit."""
    PROBE_INVALID = "ProbeInvalid"
    """A probe is one that Kubernetes refuses."""
    PORT_CONFLICT = "PortConflict"
    """Two ports of the Service are the same."""
    INGRESS_INVALID = "IngressInvalid"
    """The Ingress is one that Kubernetes refuses."""
    POD_TEMPLATE_INVALID = "PodTemplateInvalid"
    """spec.podTemplate makes no pod template, or changes what another field decides."""
    POD_TEMPLATE_UNSAFE = "PodTemplateUnsafe"
    """spec.podTemplate would take back the hardening of the pods."""
    CHECKS_MISSING = "ChecksMissing"
    """The ConfigMap of the checks of a canary, or its key, is not there."""
    CHECKS_INVALID = "ChecksInvalid"
    """The checks of a canary cannot be used."""
    SPEC_NOT_RENDERABLE = "SpecNotRenderable"
    """A verbatim part of the spec is not what Kubernetes takes there."""

    PLAIN_CREDENTIALS = "PlainCredentials"
    """Warning: secrets stand in the AgentDeployment itself."""
    REPLICAS_IGNORED = "ReplicasIgnored"
    """Warning: autoscaling decides, spec.replicas does not."""
    IDENTITY_OVERRIDDEN = "IdentityOverridden"
    """Warning: credentials take the place of the workload identity."""
    IDENTITY_NOT_ANNOTATED = "IdentityNotAnnotated"
    """Warning: a ServiceAccount that the operator does not own lacks the client ID of the managed identity."""
    BUDGET_LOWERED = "BudgetLowered"
    """Warning: the disruption budget would have blocked every drain."""
    PORT_MAY_DIFFER = "PortMayDiffer"
    """Warning: a NetworkPolicy sees the pods' port, not the Service's."""
    PATH_NOT_STRIPPED = "PathNotStripped"
    """Warning: the Ingress hands its path on to an agent that answers at /."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing to tell. `field` is a path such as `spec.systemPrompt.text`; `retry`: time alone may heal it."""

    reason: Reason
    field: str
    message: str
    retry: bool = False

    def __str__(self) -> str:
        """Return `path: message`."""
        return f"{self.field}: {self.message}"


class AgentError(Exception):
    """An agent cannot be brought to what its spec says. Never holds a secret's value.

    Attributes:
        reason: a CamelCase constant, fit for a condition.
        message: what is wrong and what to do about it.
        field: path of the field at fault, or "".
        retry: whether to try again without a change to the spec.
    """

    def __init__(self, reason: str, message: str, *, field: str = "", retry: bool = False) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry = retry


class InvalidSpec(AgentError):  # noqa: N818  (reads as what it is: the spec is invalid)
    """The spec cannot be rendered. `failures` has every fault; the attributes tell the first."""

    def __init__(self, first: Failure, *others: Failure) -> None:
        self.failures = (first, *others)
        # A fault that only a change of the spec heals is not healed by waiting for the others.
        retry = all(failure.retry for failure in self.failures)
        super().__init__(first.reason, first.message, field=first.field, retry=retry)
        if others:
            self.message = "; ".join([first.message, *(str(failure) for failure in others)])
            self.args = ("; ".join(str(failure) for failure in self.failures),)
