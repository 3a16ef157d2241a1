"""What one agent is rendered from. Nothing else decides a manifest: no clock, no environment, no cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import tomli_w

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.inputs import prompt
from agent_runtime import __version__ as runtime_version
from agent_runtime.config import CONFIG_FILE, PROMPT_FILE, AgentSection, LimitsConfig, ModelConfig, ServerConfig
from agent_runtime.config.migrations import oldest

DEFAULT_PROMPT = "You are a helpful AI assistant.\nProvide accurate, helpful responses to user queries.\n"
DEFAULT_REPLICAS = 3
DEFAULT_MAX_REPLICAS = 10
AZURE_API_VERSION = "2024-10-01-preview"


@dataclass(frozen=True, slots=True)
class Platform:
    """What is the same for every agent of one operator."""

    runtime_image: str = "agent-operator/agent-runtime"
    runtime_version: str = runtime_version
    external_secrets_version: Literal["v1", "v1beta1"] = "v1"
    manage_namespaces: bool = True
    allow_unsafe_pod_templates: bool = False
    """Whether spec.podTemplate may take back the hardening of the pods."""
    set_pod_user: bool = True
    """Whether pods set user and group; without, the cluster or the image decides. Pods never run as root."""
    kubernetes_minor: int = 25
    """Oldest 1.x that the manifests must fit: the seed's 1.25, unless the cluster is known to be newer."""
    operator_namespace: str = "agent-operator-system"
    """Where the operator runs, which reads the metrics of pods that are compared with a canary's."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an AgentRuntimeChannel has given to an agent.

    Attributes:
        version: tag of the image.
        image: repository of the image; empty for the platform's.
    """

    version: str
    image: str = ""


@dataclass(frozen=True)
class Inputs:
    """One agent, what it refers to, and the platform. Compare nothing by it: it caches what it derives.

    Attributes:
        agent: the AgentDeployment.
        prompt_template: text of systemPrompt.configMapKeyRef; None when it is not used, or not there.
        hashes: of the data of the Secrets and ConfigMaps that the pods' environment is made of, by their titles (as in
            spec.references); what is not there, or not known, is left out.
        platform: what is the same for every agent.
        assigned: what the channel that the agent follows has given to it; None when it follows none, or none yet.
        checks_text: text of rollout.canary.checksFrom; None when it is not used, or not there.
    """

    agent: AgentDeployment
    prompt_template: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = Platform()
    assigned: Assigned | None = None
    checks_text: str | None = None

    @cached_property
    def spec(self) -> AgentDeploymentSpec:
        """What the user wants."""
        return self.agent.spec

    @cached_property
    def name(self) -> str:
        """Name of the agent and of most children."""
        return self.agent.metadata.name

    @cached_property
    def own_namespace(self) -> str:
        """Where the AgentDeployment is."""
        return self.agent.metadata.namespace

    @cached_property
    def namespace(self) -> str:
        """Where the children are."""
        return self.spec.namespace.name if self.spec.namespace else self.own_namespace

    @cached_property
    def service_account(self) -> str:
        """The account that the pods run as."""
        account = self.spec.identity.service_account if self.spec.identity else None
        return (account.name if account else None) or self.name

    @cached_property
    def image(self) -> str:
        """The image that the pods run."""
        runtime = self.spec.runtime
        if runtime and runtime.image:
            return runtime.image
        if runtime and runtime.version:
            return f"{self.platform.runtime_image}:{runtime.version}"
        given = self.assigned or Assigned(self.platform.runtime_version)
        return f"{given.image or self.platform.runtime_image}:{given.version}"

    @cached_property
    def runtime_version(self) -> str:
        """Tag of the image, or its digest; `latest` when it says neither, as Kubernetes reads it."""
        image, _, digest = self.image.partition("@")
        _, colon, tag = image.rpartition("/")[2].partition(":")
        return digest or (tag if colon else "latest")

    @cached_property
    def fewest_replicas(self) -> int:
        """How many pods there are at the least while nothing is wrong."""
        fewest = self.spec.autoscaling.min_replicas if self.spec.autoscaling else self.spec.replicas
        return DEFAULT_REPLICAS if fewest is None else fewest

    @cached_property
    def fixed_replicas(self) -> int | None:
        """How many pods the spec asks for; None when an autoscaler decides."""
        return None if self.spec.autoscaling else self.fewest_replicas

    @cached_property
    def has_canary(self) -> bool:
        """Whether a new revision runs beside the old one for a while."""
        return self.spec.rollout is not None and self.spec.rollout.strategy == "Canary"

    @cached_property
    def request_timeout_seconds(self) -> int:
        """How long one request may take, and so how long a pod may need to end."""
        return (self.spec.config.limits or LimitsConfig()).request_timeout_seconds

    @cached_property
    def section(self) -> AgentSection:
        """The `[agent]` of agent.toml, with the defaults of whatever the CR uses written out."""
        config = self.spec.config
        complete: dict[str, Any] = {
            "models": tuple(_complete(model) for model in config.models),
            "default_model": config.default.name,
            "log_level": config.log_level or "INFO",
        }
        if self.spec.api_keys:
            server = config.server or ServerConfig()
            complete["server"] = server.model_copy(update={"api_keys_file": constants.API_KEYS_PATH})
        return AgentSection.model_validate(dict(config) | complete)

    @cached_property
    def prompt(self) -> str:
        """The rendered prompt.

        Raises:
            prompt.PromptError: the template cannot be rendered.
            LookupError: the ConfigMap that holds it, or its key, is not there.
        """
        source = self.spec.system_prompt
        if source is None:
            return DEFAULT_PROMPT
        template = self.prompt_template if source.text is None else source.text
        if template is None:
            raise LookupError("no text")
        return prompt.render(template, source.variables or {})

    @cached_property
    def files(self) -> Mapping[str, str]:
        """What the runtime reads, by file name.

        Raises:
            prompt.PromptError, LookupError: as `prompt`.
        """
        section = self.section.model_dump(mode="json", exclude_none=True)
        # What is not used is not written, and what an older schema can say is said so: a pinned runtime may be older.
        used = {field: value for field, value in section.items() if value != []}
        return {CONFIG_FILE: tomli_w.dumps(oldest({"agent": used})), PROMPT_FILE: self.prompt}


def _complete(model: ModelConfig) -> ModelConfig:
    """Write out a model's defaults. baseUrl stays: without it the runtime insists on a key for OpenAI's public API."""
    if model.provider == "azure_openai":
        return model.model_copy(update={"api_version": model.api_version or AZURE_API_VERSION})
    if model.provider == "openai":
        return model.model_copy(update={"model": model.model or model.name})
    return model
