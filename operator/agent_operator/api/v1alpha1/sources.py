"""Where an agent's prompt, credentials and identity come from."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent_operator.api import bounds
from agent_operator.api.base import (
    AnnotationValue,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Duration,
    EnvName,
    LabelValue,
    SecretKey,
    list_set,
)
from agent_runtime.config import MAX_PROMPT_BYTES

# A variable may be the whole prompt.
VariableValue = Annotated[str, StringConstraints(max_length=MAX_PROMPT_BYTES)]
SecretName = Annotated[str, StringConstraints(max_length=bounds.SECRET_NAME)]
SecretValue = Annotated[str, StringConstraints(max_length=bounds.SECRET_VALUE)]


class NamespaceSpec(ApiModel):
    """Dedicated namespace of an agent."""

    name: DnsLabel = Field(description="Name of the namespace that the operator creates for the children. Immutable.")
    labels: dict[str, LabelValue] | None = Field(
        None, max_length=64, description="Additional labels of the namespace. Default: none."
    )
    pod_security: Literal["restricted", "baseline", "privileged"] | None = Field(
        None,
        description="Pod Security Standard that the namespace enforces: restricted, baseline or privileged. Default: "
        "restricted.",
    )


class ConfigMapKeyRef(ApiModel):
    """Reference to a key of a ConfigMap in the namespace of the AgentDeployment."""

    name: DnsSubdomain = Field(description="Name of the ConfigMap, in the namespace of this AgentDeployment.")
    key: SecretKey = Field(description="Key in the ConfigMap's data.")


class SystemPrompt(ApiModel):
    """System prompt of the agent. Set exactly one of text and configMapKeyRef."""

    text: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_PROMPT_BYTES,
        description="Template of the prompt. It supports {{ variable }}, {% if %} and the filters capitalize, default, "
        "lower, title, trim and upper. At most 900,000 characters.",
    )
    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None, description="Key of a ConfigMap that contains the template of the prompt."
    )
    variables: dict[str, VariableValue] | None = Field(
        None, max_length=256, description="Values for the variables of the template, {{ name }}. Default: none."
    )


class SecretRef(ApiModel):
    """Reference to an existing Secret."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")
    keys: tuple[EnvName, ...] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Keys that the pods read as environment variables of the same name. Each key must exist. Default: "
        "those of AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, "
        "OPENAI_API_KEY and REDIS_PASSWORD that config uses and the Secret contains.",
        json_schema_extra=list_set(),
    )


class AzureKeyVault(ApiModel):
    """Azure Key Vault, for which the operator creates a SecretStore."""

    vault_url: Annotated[str, StringConstraints(pattern=r"^https://[a-zA-Z0-9.-]+/?$", max_length=253)] = Field(
        description="https URL of the Key Vault, such as https://example.vault.azure.net."
    )
    auth_type: Literal["WorkloadIdentity", "ManagedIdentity"] | None = Field(
        None,
        description="How External Secrets authenticates to the vault: WorkloadIdentity or ManagedIdentity. Default: "
        "WorkloadIdentity.",
    )
    store_name: DnsSubdomain | None = Field(
        None,
        description="Name of the SecretStore that the operator creates. Default: the name of this AgentDeployment.",
    )


class SecretStoreRef(ApiModel):
    """Reference to an existing store of External Secrets."""

    name: DnsSubdomain = Field(description="Name of the SecretStore or ClusterSecretStore.")
    kind: Literal["SecretStore", "ClusterSecretStore"] | None = Field(
        None, description="Kind of the store: SecretStore or ClusterSecretStore. Default: SecretStore."
    )


class ExternalSecret(ApiModel):
    """ExternalSecret of the External Secrets Operator. Set exactly one of azureKeyVault and secretStoreRef."""

    azure_key_vault: AzureKeyVault | None = Field(
        None, description="Azure Key Vault to read from. The operator creates the SecretStore."
    )
    secret_store_ref: SecretStoreRef | None = Field(None, description="Existing store to read from.")
    refresh_interval: Duration | None = Field(
        None, description="Interval between two reads of the store, such as 30m. Default: 1h."
    )
    data: dict[EnvName, SecretName] = Field(
        min_length=1,
        max_length=64,
        description="Map from environment variable to the name of the secret in the store. Each entry becomes a key of "
        "the Secret and an environment variable of the pods.",
    )


class Credentials(ApiModel):
    """Secrets that the pods read as environment variables. Set exactly one source."""

    secret_ref: SecretRef | None = Field(None, description="Existing Secret.")
    external_secret: ExternalSecret | None = Field(
        None, description="Secret that the External Secrets Operator creates."
    )
    values: dict[EnvName, SecretValue] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Plain values, which the operator stores in a Secret. For evaluation only: every user who can read "
        "this object can read them, so a condition warns.",
    )


class SecretKeyRef(ApiModel):
    """Reference to a key of a Secret in the namespace of the children."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")
    key: SecretKey = Field(description="Key in the Secret's data.")


class ApiKeys(ApiModel):
    """API keys of the callers."""

    secret_key_ref: SecretKeyRef = Field(
        description="Key of a Secret that contains the API keys, one per line. Changes take effect within two minutes, "
        "without a restart."
    )


class AzureWorkloadIdentity(ApiModel):
    """Managed identity that the pods use through Azure workload identity, without a secret."""

    client_id: str = Field(min_length=1, max_length=64, description="Client ID of the managed identity.")
    tenant_id: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Tenant ID of the managed identity. Default: the tenant of the workload identity webhook.",
    )


class ServiceAccountSpec(ApiModel):
    """ServiceAccount of the pods."""

    name: DnsSubdomain | None = Field(
        None,
        description="Name of an existing ServiceAccount. Default: the operator creates one with the name of the agent.",
    )
    annotations: dict[str, AnnotationValue] | None = Field(
        None, max_length=64, description="Annotations of the ServiceAccount that the operator creates. Default: none."
    )


class Identity(ApiModel):
    """Identity of the pods in the cluster and in the cloud."""

    azure_workload_identity: AzureWorkloadIdentity | None = Field(
        None,
        description="Managed identity for Azure workload identity. The operator annotates the ServiceAccount and "
        "labels the pods. Default: none.",
    )
    service_account: ServiceAccountSpec | None = Field(
        None, description="ServiceAccount of the pods. Default: the operator creates one."
    )
