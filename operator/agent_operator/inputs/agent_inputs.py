"""The inputs of rendering. Manifests depend on nothing else: no clock, no environment, no cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import tomli_w

from agent_operator.api import constants, image_reference
from agent_operator.api.image_reference import ImageReference
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.api.v1alpha1.workload import Autoscaling
from agent_operator.inputs import model_sources, prompt, tracing
from agent_operator.inputs.checks_text import ChecksError
from agent_operator.inputs.platform import Assigned, OtherAutoscaler, Platform
from agent_operator.inputs.service_targets import ServiceTarget
from agent_runtime.config import (
    CONFIG_FILE,
    PROMPT_FILE,
    AgentSection,
    LimitsConfig,
    MemoryConfig,
    ServerConfig,
)
from agent_runtime.config.checks import ChecksConfig
from agent_runtime.config.migrations import oldest

__all__ = [
    "DEFAULT_MAX_REPLICAS",
    "DEFAULT_PROMPT",
    "DEFAULT_REPLICAS",
    "Assigned",
    "Inputs",
    "OtherAutoscaler",
    "Platform",
]

DEFAULT_PROMPT = "You are a helpful AI assistant.\nProvide accurate, helpful responses to user queries.\n"
DEFAULT_REPLICAS = 3
DEFAULT_MAX_REPLICAS = 10


@dataclass(frozen=True)
class Inputs:
    """One agent, the objects that it references, and the platform.

    Attributes:
        agent: the AgentDeployment.
        prompt_template: text of systemPrompt.configMapKeyRef; None if it is not set or does not exist.
        hashes: hashes of the Secrets and ConfigMaps in the environment of the pods, by title (see
            inputs/references.py). An object that does not exist is left out.
        platform: settings of the operator.
        assigned: version that a channel assigned to the agent; None without a channel, or before the assignment.
        checks_text: text of rollout.canary.checksFrom; None if it is not set or does not exist.
        services: the Services that the agent connects to, by namespace and name; None for one that does not exist. One
            that is not known is left out.
        other_autoscaler: an autoscaler of others that scales the Deployment instead of the AgentDeployment.
        evaluated_prompt: the prompt, or why it cannot be rendered; None to render it in this process.
        evaluated_checks: the checks in `checks_text`, or why they are invalid; None to parse them in this process.
    """

    agent: AgentDeployment
    prompt_template: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)
    assigned: Assigned | None = None
    checks_text: str | None = None
    services: Mapping[tuple[str, str], ServiceTarget | None] = field(default_factory=dict)
    other_autoscaler: OtherAutoscaler | None = None
    evaluated_prompt: str | prompt.PromptError | None = None
    evaluated_checks: ChecksConfig | ChecksError | None = None

    @cached_property
    def spec(self) -> AgentDeploymentSpec:
        """The spec of the AgentDeployment."""
        return self.agent.spec

    @cached_property
    def name(self) -> str:
        """Name of the agent and of most children."""
        return self.agent.metadata.name

    @cached_property
    def own_namespace(self) -> str:
        """Namespace of the AgentDeployment."""
        return self.agent.metadata.namespace

    @cached_property
    def namespace(self) -> str:
        """Namespace of the children."""
        return self.spec.namespace.name if self.spec.namespace else self.own_namespace

    @cached_property
    def service_account(self) -> str:
        """Name of the ServiceAccount of the pods."""
        account = self.spec.identity.service_account if self.spec.identity else None
        return (account.name if account else None) or self.name

    @cached_property
    def image(self) -> str:
        """Image of the pods."""
        return str(self._image)

    @cached_property
    def _image(self) -> ImageReference:
        runtime, platform = self.spec.runtime, self.platform
        if runtime and runtime.image:
            image = image_reference.parse(runtime.image)
            return image if image.tag or image.digest else replace(image, tag=runtime.version or "")
        if runtime and runtime.version:
            return ImageReference(platform.runtime_image, runtime.version)
        if self.assigned:
            return ImageReference(self.assigned.image or platform.runtime_image, self.assigned.version)
        return ImageReference(platform.runtime_image, platform.runtime_version, platform.runtime_digest)

    @cached_property
    def runtime_version(self) -> str:
        """Tag of the image, or the start of its digest; `latest` without either, like Kubernetes."""
        return self._image.version

    @cached_property
    def pull_secrets(self) -> tuple[str, ...]:
        """Names of the Secrets that pull the image. Those of the operator are for its own image."""
        runtime = self.spec.runtime
        own = [secret.name for secret in (runtime and runtime.image_pull_secrets) or ()]
        common = () if runtime and runtime.image else self.platform.runtime_image_pull_secrets
        return tuple(dict.fromkeys([*own, *common]))

    @cached_property
    def autoscaling(self) -> Autoscaling | None:
        """The HorizontalPodAutoscaler to create; None if replicas sets the number of pods."""
        wanted = self.spec.autoscaling
        return None if wanted is None or wanted.external else wanted

    @cached_property
    def secret_variables(self) -> tuple[model_sources.SecretVariable, ...]:
        """The variables from Secrets that single fields name: API keys of models, and headers of traces."""
        of_traces = tracing.secret_variables(self.spec) if self.spec.monitoring else ()
        return (*model_sources.keys(self.spec.config.models), *of_traces)

    @cached_property
    def fewest_replicas(self) -> int:
        """Minimum number of desired pods."""
        if self._yields and self.other_autoscaler:
            return self.other_autoscaler.min_replicas
        fewest = self.autoscaling.min_replicas if self.autoscaling else self.spec.replicas
        return DEFAULT_REPLICAS if fewest is None else fewest

    @cached_property
    def fixed_replicas(self) -> int | None:
        """Number of pods that the spec requests; None if an autoscaler sets it."""
        return None if self.autoscaling or self._yields else self.fewest_replicas

    @property
    def _yields(self) -> bool:
        """Whether the operator leaves the replicas to another autoscaler. No autoscaler changes a Deployment of 0."""
        return self.other_autoscaler is not None and self.autoscaling is None and self.spec.replicas != 0

    @cached_property
    def has_canary(self) -> bool:
        """Whether rollouts use the strategy Canary."""
        return self.spec.rollout is not None and self.spec.rollout.strategy == "Canary"

    @cached_property
    def uses_api_server(self) -> bool:
        """Whether the pods fetch the keys of tokens from the API server."""
        tokens = self.spec.config.auth.jwt if self.spec.config.auth else None
        return tokens is not None and tokens.preset == "kubernetes"

    @cached_property
    def request_timeout_seconds(self) -> int:
        """Maximum duration of a request, and so of the termination of a pod."""
        return (self.spec.config.limits or LimitsConfig()).request_timeout_seconds

    @cached_property
    def section(self) -> AgentSection:
        """The `[agent]` table of agent.toml, with the defaults of the fields that the AgentDeployment uses."""
        config = self.spec.config
        complete: dict[str, Any] = {
            "models": tuple(model_sources.complete(model, index) for index, model in enumerate(config.models)),
            "default_model": config.default.name,
            "log_level": config.log_level or "INFO",
        }
        if self.spec.api_keys:
            server = config.server or ServerConfig()
            complete["server"] = server.model_copy(update={"api_keys_file": constants.API_KEYS_PATH})
        if config.mcp:
            servers = enumerate(config.mcp)
            complete["mcp"] = tuple(model_sources.complete_server(server, index) for index, server in servers)
        if config.prices:
            complete["prices"] = model_sources.complete_prices(config.prices)
        if config.memory:
            complete["memory"] = self._memory(config.memory)
        return AgentSection.model_validate(dict(config) | complete)

    def _memory(self, memory: MemoryConfig) -> MemoryConfig:
        """Set the default prefix of the keys in Redis, by which agents that share a Redis do not share sessions.

        The pods read its certificate authorities from a file.
        """
        cache = memory.cache
        if cache is None or not cache.enabled:
            # Without Redis there is nothing to resolve.
            return memory.model_copy(update={"cache": cache.model_copy(update={"tls": None})}) if cache else memory
        complete: dict[str, Any] = {}
        if "prefix" not in cache.model_fields_set:
            complete["prefix"] = f"chat:{self.own_namespace}/{self.name}:"
        if cache.tls and cache.tls.ca_from:
            complete["tls"] = model_sources.redis_tls(cache.tls)
        return memory.model_copy(update={"cache": cache.model_copy(update=complete)}) if complete else memory

    @cached_property
    def prompt(self) -> str:
        """The rendered prompt.

        Raises:
            prompt.PromptError: the template cannot be rendered.
            LookupError: the ConfigMap of the template, or its key, does not exist.
        """
        if isinstance(self.evaluated_prompt, prompt.PromptError):
            raise self.evaluated_prompt.with_traceback(None)
        if self.evaluated_prompt is not None:
            return self.evaluated_prompt
        source = self.spec.system_prompt
        if source is None:
            return DEFAULT_PROMPT
        template = self.template
        if template is None:
            raise LookupError("the template does not exist")
        return prompt.render(template, source.variables or {})

    @property
    def template(self) -> str | None:
        """The template of the prompt; None if the spec has none, or if its ConfigMap or key does not exist."""
        source = self.spec.system_prompt
        return source.text if source and source.text is not None else self.prompt_template

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The files that the runtime reads, by name.

        Raises:
            prompt.PromptError, LookupError: as `prompt`.
        """
        section = self.section.model_dump(mode="json", exclude_none=True)
        # A pinned runtime may be old: leave out unused fields, and write the oldest schema that can express the rest.
        used = {field: value for field, value in section.items() if value != []}
        return {CONFIG_FILE: tomli_w.dumps(oldest({"agent": used})), PROMPT_FILE: self.prompt}
