"""CEL rules of the CRDs, for constraints between fields. The API server rejects a violation with path and remedy.

The table is keyed by the model whose schema gets the rule. `self` is the new object, and `oldSelf` is the old object.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from agent_operator.api.base import list_atomic, list_map
from agent_operator.api.constants import MAX_NAME_LENGTH
from agent_operator.api.v1alpha1 import AgentDeployment, AgentDeploymentSpec
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannelSpec, LabelRequirement, MaintenanceWindow, Wave
from agent_operator.api.v1alpha1.exposure import IngressSpec, ServiceSpec
from agent_operator.api.v1alpha1.monitoring import ServiceMonitorSpec
from agent_operator.api.v1alpha1.outbound import TrustedCa
from agent_operator.api.v1alpha1.rollout import Canary, Rollout
from agent_operator.api.v1alpha1.sources import Credentials, ExternalSecret, NamespaceSpec, SystemPrompt
from agent_operator.api.v1alpha1.workload import Autoscaling, DisruptionBudget, Runtime
from agent_runtime.config import (
    AgentConfig,
    ApiKeySource,
    CacheConfig,
    CardConfig,
    CaSource,
    JwtConfig,
    McpServerConfig,
    ModelConfig,
    ModelParameters,
    ModelTls,
    PricesSource,
)
from agent_runtime.config.checks import CheckConfig
from agent_runtime.config.models import RESERVED_HEADERS, RESPONSES_API_VERSION, RESPONSES_DATE


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    rule: str
    message: str
    field_path: str = ""

    def schema(self) -> dict[str, str]:
        """Return the entry for the CRD."""
        path = {"fieldPath": self.field_path} if self.field_path else {}
        return {"rule": self.rule, "message": self.message, **path}


def _exactly_one(*fields: str) -> Rule:
    count = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    listed = ", ".join(fields[:-1]) + f" and {fields[-1]}"
    return Rule(f"{count} == 1", f"none or several are set: set exactly one of {listed}")


def _only_with(union: str, member: str, field: str) -> Rule:
    return Rule(
        f"self.{union} == '{member}' || !has(self.{field})",
        f"{field} requires {union} {member}: remove it or change the {union}",
        f".{field}",
    )


_CACHE_DISABLED = "(has(self.enabled) && !self.enabled)"
_EMBEDDINGS = "has(m.api) && m.api == 'embeddings'"


def _not_with_echo(field: str) -> Rule:
    return Rule(
        f"self.provider != 'echo' || !has(self.{field})",
        f"{field} has no meaning with provider echo, which sends no requests: remove it",
        f".{field}",
    )


RULES: Mapping[type[BaseModel], tuple[Rule, ...]] = {
    AgentDeployment: (
        Rule(
            f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            f"metadata.name must have at most {MAX_NAME_LENGTH} characters, because the names and labels of the "
            "children extend it: choose a shorter name",
        ),
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name must be a DNS label that starts with a letter (a-z, 0-9, -), because it names the "
            "Service: choose another name",
        ),
    ),
    AgentDeploymentSpec: (
        Rule(
            "has(self.__namespace__) == has(oldSelf.__namespace__)",
            "namespace can be neither added nor removed later: delete this AgentDeployment and create it again",
        ),
        Rule(
            "!has(self.apiKeys) || !has(self.config.server) || !has(self.config.server.apiKeysFile)",
            "apiKeys already sets server.apiKeysFile, to the mounted file: remove one of the two",
            ".config.server.apiKeysFile",
        ),
    ),
    NamespaceSpec: (
        Rule(
            "self.name == oldSelf.name",
            "name is immutable: to move the agent, delete this AgentDeployment and create it again",
            ".name",
        ),
    ),
    SystemPrompt: (_exactly_one("text", "configMapKeyRef"),),
    Credentials: (_exactly_one("secretRef", "externalSecret", "values"),),
    ExternalSecret: (_exactly_one("azureKeyVault", "secretStoreRef"),),
    Rollout: (
        Rule(
            "!has(self.canary) || (has(self.strategy) && self.strategy == 'Canary')",
            "canary requires strategy Canary: set strategy to Canary or remove canary",
            ".canary",
        ),
        Rule(
            "!has(self.rollingUpdate) || !has(self.strategy) || self.strategy != 'Recreate'",
            "rollingUpdate has no meaning with strategy Recreate: remove it, or set strategy to RollingUpdate",
            ".rollingUpdate",
        ),
    ),
    AgentRuntimeChannelSpec: (
        Rule(
            "!has(self.waves) || self.waves.filter(w, has(w.percent)).map(w, w.percent).isSorted()",
            "percent is cumulative and must not decrease from wave to wave: raise the percent of the later wave",
            ".waves",
        ),
    ),
    ServiceMonitorSpec: (
        Rule(
            "!has(self.interval) || duration(self.interval) >= duration('15s')",
            "interval must be at least 15s, because Prometheus serves others, too: raise it",
            ".interval",
        ),
    ),
    IngressSpec: (
        Rule("has(self.host) || has(self.hosts)", "the Ingress names no host: set host or hosts"),
        Rule(
            "!has(self.className) || !has(self.annotations) || !('kubernetes.io/ingress.class' in self.annotations)",
            "Kubernetes accepts the class only once: remove the annotation kubernetes.io/ingress.class, or className",
            ".className",
        ),
    ),
    ServiceSpec: (
        Rule(
            "!has(self.ipFamilies) || self.ipFamilies.size() < 2 || self.ipFamilies[0] != self.ipFamilies[1]",
            "ipFamilies names a family twice: remove one",
            ".ipFamilies",
        ),
        Rule(
            "!has(self.ipFamilies) || self.ipFamilies.size() < 2 || "
            "(has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
            "two ipFamilies require ipFamilyPolicy PreferDualStack or RequireDualStack: set it or remove a family",
            ".ipFamilies",
        ),
    ),
    TrustedCa: (_exactly_one("configMapKeyRef", "secretKeyRef"),),
    Wave: (_exactly_one("selector", "percent"),),
    LabelRequirement: (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            "In and NotIn require values, Exists and DoesNotExist do not allow them: correct operator or values",
            ".values",
        ),
    ),
    MaintenanceWindow: (
        Rule(
            "duration(self.duration) >= duration('1m')",
            "duration must be at least 1m: extend the window",
            ".duration",
        ),
    ),
    Canary: (
        Rule("!(has(self.checks) && has(self.checksFrom))", "checks and checksFrom are mutually exclusive: remove one"),
    ),
    CheckConfig: (
        Rule(
            "has(self.contains) || has(self.notContains) || has(self.regex) || has(self.jsonSchema) || "
            "has(self.maxLatencySeconds) || has(self.maxTokens) || has(self.judge)",
            "nothing is expected: set contains, notContains, regex, jsonSchema, maxLatencySeconds, maxTokens or judge",
        ),
    ),
    AgentConfig: (
        Rule(
            "!has(self.defaultModel) || self.models.exists(m, m.name == self.defaultModel)",
            "defaultModel must be the name of one of models: correct it or add the model",
            ".defaultModel",
        ),
        Rule(
            "!has(self.fallbacks) || self.fallbacks.all(f, self.models.exists(m, m.name == f))",
            "each of fallbacks must be the name of one of models: correct it or add the model",
            ".fallbacks",
        ),
        Rule(
            "!has(self.budget) || !(has(self.budget.costPerDay) || has(self.budget.costPerMonth)) || has(self.prices)",
            "costPerDay and costPerMonth of budget require prices: set prices",
            ".budget",
        ),
        Rule(
            "size(self.models) == 0 || self.models.exists(m, !has(m.api) || m.api != 'embeddings')",
            "at least one of models must have another api than embeddings: add one",
            ".models",
        ),
        Rule(
            f"!has(self.defaultModel) || !self.models.exists(m, m.name == self.defaultModel && {_EMBEDDINGS})",
            "defaultModel must not have the api embeddings: name another model",
            ".defaultModel",
        ),
        Rule(
            f"!has(self.fallbacks) || !self.models.exists(m, m.name in self.fallbacks && {_EMBEDDINGS})",
            "fallbacks must not have the api embeddings: remove them",
            ".fallbacks",
        ),
    ),
    PricesSource: (_exactly_one("configMapKeyRef", "file"),),
    ModelConfig: (
        Rule(
            "self.provider != 'azure_openai' || has(self.deployment)",
            "provider azure_openai requires deployment: set it to the name of the Azure OpenAI deployment",
        ),
        _only_with("provider", "azure_openai", "deployment"),
        _only_with("provider", "azure_openai", "apiVersion"),
        _only_with("provider", "azure_openai", "endpoint"),
        _only_with("provider", "openai", "model"),
        _only_with("provider", "openai", "baseUrl"),
        Rule(
            "!has(self.api) || self.api != 'responses' || !has(self.apiVersion) || "
            f"self.apiVersion >= '{RESPONSES_DATE}'",
            f"api responses requires apiVersion {RESPONSES_API_VERSION} or later: set it or remove it",
            ".apiVersion",
        ),
        _not_with_echo("api"),
        _not_with_echo("apiKeyFrom"),
        *map(_not_with_echo, ("headersFrom", "parameters", "timeouts", "tls", "streaming", "probe")),
        Rule(
            f"!has(self.headersFrom) || !self.headersFrom.exists(h, h.lowerAscii() in {sorted(RESERVED_HEADERS)})",
            "headersFrom must not contain headers that describe the body or the connection: remove them",
            ".headersFrom",
        ),
    ),
    ApiKeySource: (_exactly_one("secretKeyRef", "env", "serviceAccountToken", "file", "none"),),
    JwtConfig: (
        Rule(
            "has(self.issuer) || has(self.preset)",
            "issuer is required without a preset: set it to the claim iss of the tokens",
            ".issuer",
        ),
        Rule(
            "has(self.tenantId) || !has(self.preset) || self.preset != 'entra_id'",
            "preset entra_id requires tenantId: set it to the UUID of the tenant",
            ".tenantId",
        ),
        Rule(
            "!has(self.tenantId) || (has(self.preset) && self.preset == 'entra_id')",
            "tenantId has no meaning without preset entra_id: remove it, or set the preset",
            ".tenantId",
        ),
        Rule(
            "!has(self.issuer) || !has(self.preset) || self.preset != 'entra_id'",
            "issuer comes from the tenant with preset entra_id: remove it",
            ".issuer",
        ),
        Rule(
            "!has(self.jwksUrl) || !has(self.preset)",
            "jwksUrl comes from the preset: remove it, or the preset",
            ".jwksUrl",
        ),
    ),
    ModelTls: (_exactly_one("caFrom", "caFile"),),
    CaSource: (_exactly_one("configMapKeyRef", "secretKeyRef"),),
    McpServerConfig: (
        Rule("self.type != 'http' || has(self.url)", "type http requires url: set it to the URL of the MCP endpoint"),
        Rule("self.type != 'stdio' || has(self.command)", "type stdio requires command: set it to the program to run"),
        _only_with("type", "http", "url"),
        _only_with("type", "http", "headersFrom"),
        _only_with("type", "http", "serviceAccountToken"),
        _only_with("type", "http", "tokenFile"),
        Rule(
            "!(has(self.serviceAccountToken) || has(self.tokenFile)) || !has(self.headersFrom) || "
            "!self.headersFrom.exists(h, h.lowerAscii() == 'authorization')",
            "the token is sent as Authorization: remove this header or the token",
            ".headersFrom",
        ),
        _only_with("type", "http", "allowLinkLocal"),
        _only_with("type", "stdio", "command"),
        _only_with("type", "stdio", "args"),
        _only_with("type", "stdio", "env"),
    ),
    CacheConfig: (
        Rule(
            f"{_CACHE_DISABLED} || has(self.host) || has(self.sentinel)",
            "an enabled cache requires host or sentinel: set one of them, or set enabled to false",
        ),
        Rule(
            f"{_CACHE_DISABLED} || !has(self.sentinel) || !has(self.cluster) || !self.cluster",
            "a Cluster has no Sentinels: remove cluster or sentinel",
        ),
        Rule(
            f"{_CACHE_DISABLED} || !(has(self.tls) || (has(self.entraId) && self.entraId)) || "
            "(has(self.ssl) && self.ssl)",
            "tls and entraId require ssl: set ssl to true",
        ),
    ),
    Runtime: (
        Rule(
            "!has(self.version) || !has(self.image) || !self.image.matches('[:@][^/]*$')",
            "version must not be set if image has a tag or digest: remove version, or the tag or digest of image",
            ".version",
        ),
    ),
    Autoscaling: (
        Rule(
            "!has(self.external) || !self.external || !(has(self.minReplicas) || has(self.maxReplicas) || "
            "has(self.targetCPUUtilizationPercentage) || has(self.targetMemoryUtilizationPercentage) || "
            "has(self.metrics) || has(self.behavior))",
            "external leaves all settings to the other autoscaler: remove the other fields, or external",
            ".external",
        ),
        Rule(
            "(has(self.minReplicas) ? self.minReplicas : 3) <= (has(self.maxReplicas) ? self.maxReplicas : 10)",
            "minReplicas (default 3) must not exceed maxReplicas (default 10): change one of them",
            ".minReplicas",
        ),
    ),
    DisruptionBudget: (
        Rule(
            "!(has(self.minAvailable) && has(self.maxUnavailable))",
            "minAvailable and maxUnavailable are mutually exclusive: remove one",
        ),
    ),
}


def key_length(limit: int) -> Rule:
    """Return the rule that limits the length of the keys of a map."""
    return Rule(
        f"self.all(key, key.size() <= {limit})", f"every key must have at most {limit} characters: shorten the key"
    )


_ENV_KEYS = Rule(
    "self.all(key, key.matches('^[A-Za-z_][A-Za-z0-9_]*$') && key.size() <= 253)",
    "every key must be a valid environment variable name (letters, digits and _, no leading digit): rename the key",
)

# Schema extensions of single fields. agent_runtime.config knows nothing of Kubernetes, so the list types of its fields
# are here. A structural schema cannot restrict the keys of a map, so a rule does.
FIELDS: Mapping[tuple[type[BaseModel], str], Mapping[str, Any]] = {
    (AgentConfig, "models"): list_map("name"),
    (AgentConfig, "mcp"): list_map("name"),
    (CardConfig, "skills"): list_map("id"),
    (CheckConfig, "contains"): list_atomic(),
    (CheckConfig, "notContains"): list_atomic(),
    (CheckConfig, "jsonSchema"): {"x-kubernetes-preserve-unknown-fields": True},
    (ModelParameters, "extra"): {"x-kubernetes-preserve-unknown-fields": True},
    (ModelParameters, "stop"): list_atomic(),
    (Credentials, "values"): {"x-kubernetes-validations": [_ENV_KEYS.schema()]},
    (ExternalSecret, "data"): {"x-kubernetes-validations": [_ENV_KEYS.schema()]},
}
