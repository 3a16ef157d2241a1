"""Where an agent's prompt, credentials and identity come from."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from agent_operator.api.base import ApiModel, DnsLabel, DnsSubdomain, Duration, EnvName, SecretKey, list_set
from agent_runtime.config import MAX_PROMPT_BYTES


class NamespaceSpec(ApiModel):
    """A namespace of the agent's own."""

    name: DnsLabel = Field(description="Name of the namespace that the operator creates for the children. Immutable.")
    labels: dict[str, str] | None = Field(
        None, max_length=64, description="Extra labels of the namespace. Default: none."
    )
    pod_security: Literal["restricted", "baseline", "privileged"] | None = Field(
        None, description="Pod Security Standard that the namespace enforces. Default: restricted."
    )


class ConfigMapKeyRef(ApiModel):
    """A key of a ConfigMap in the AgentDeployment's namespace."""

    name: DnsSubdomain = Field(description="Name of the ConfigMap, in the namespace of this AgentDeployment.")
    key: SecretKey = Field(description="Key within the ConfigMap's data.")


class SystemPrompt(ApiModel):
    """What the agent is told before every conversation. Exactly one of text and configMapKeyRef."""

    text: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_PROMPT_BYTES,
        description="The prompt: a template with {{ variable }}, {% if %} and the filters capitalize, default, lower, "
        "title, trim and upper. At most 900,000 characters.",
    )
    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None, description="The prompt, kept in a ConfigMap; it is a template, too."
    )
    variables: dict[str, str] | None = Field(
        None, max_length=256, description="Values for the template's {{ names }}. Default: none."
    )


class SecretRef(ApiModel):
    """A Secret that exists beside the pods."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")
    keys: tuple[EnvName, ...] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Keys that become environment variables of the same name; each must exist. Default: those of "
        "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, "
        "OPENAI_API_KEY and REDIS_PASSWORD that the config has a use for and the Secret has.",
        json_schema_extra=list_set(),
    )


class AzureKeyVault(ApiModel):
    """A vault to read from: becomes a SecretStore."""

    vault_url: Annotated[str, StringConstraints(pattern=r"^https://[a-zA-Z0-9.-]+/?$", max_length=253)] = Field(
        description="https URL of the Key Vault, such as https://example.vault.azure.net."
    )
    auth_type: Literal["WorkloadIdentity", "ManagedIdentity"] | None = Field(
        None,
        description="How External Secrets signs in: WorkloadIdentity or ManagedIdentity. Default: WorkloadIdentity.",
    )
    store_name: DnsSubdomain | None = Field(
        None, description="Name of the SecretStore that is created. Default: the name of this AgentDeployment."
    )


class SecretStoreRef(ApiModel):
    """A store that exists."""

    name: DnsSubdomain = Field(description="Name of the SecretStore or ClusterSecretStore.")
    kind: Literal["SecretStore", "ClusterSecretStore"] | None = Field(
        None, description="Kind of the store: SecretStore or ClusterSecretStore. Default: SecretStore."
    )


class ExternalSecret(ApiModel):
    """A Secret that the External Secrets Operator makes. Exactly one of azureKeyVault and secretStoreRef."""

    azure_key_vault: AzureKeyVault | None = Field(
        None, description="Read from this Key Vault, through a SecretStore made here."
    )
    secret_store_ref: SecretStoreRef | None = Field(None, description="Read through a store that exists.")
    refresh_interval: Duration | None = Field(
        None, description="How often the vault is read, such as 30m. Default: 1h."
    )
    data: dict[EnvName, str] = Field(
        min_length=1,
        max_length=64,
        description="Environment variable -> name of the secret in the vault. Each becomes a key and a variable.",
    )


class Credentials(ApiModel):
    """Secrets of the agent, seen by the pods as environment variables. Exactly one source."""

    secret_ref: SecretRef | None = Field(None, description="A Secret that exists.")
    external_secret: ExternalSecret | None = Field(None, description="A Secret made by the External Secrets Operator.")
    values: dict[EnvName, str] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Plain values, kept in a Secret. For trying out only: a condition warns, for who reads this object "
        "reads them.",
    )


class SecretKeyRef(ApiModel):
    """A key of a Secret in the namespace of the children."""

    name: DnsSubdomain = Field(description="Name of the Secret, in the namespace of the children.")
    key: SecretKey = Field(description="Key within the Secret's data.")


class ApiKeys(ApiModel):
    """Who may call the agent."""

    secret_key_ref: SecretKeyRef = Field(
        description="The keys, one a line. New ones count within a minute or two, without a restart."
    )


class AzureWorkloadIdentity(ApiModel):
    """A managed identity of Azure, without a secret."""

    client_id: str = Field(min_length=1, max_length=64, description="Client ID of the managed identity.")
    tenant_id: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Tenant ID. Default: the one that the cluster's webhook is set to.",
    )


class ServiceAccountSpec(ApiModel):
    """The account that the pods run as."""

    name: DnsSubdomain | None = Field(
        None, description="Name of a ServiceAccount that exists. Default: one is created with the agent's name."
    )
    annotations: dict[str, str] | None = Field(
        None, max_length=64, description="Annotations of the ServiceAccount that is created. Default: none."
    )


class Identity(ApiModel):
    """Who the agent is to the cloud and to the cluster."""

    azure_workload_identity: AzureWorkloadIdentity | None = Field(
        None,
        description="Sign in to Azure as this managed identity: annotates the account, labels the pods. Default: none.",
    )
    service_account: ServiceAccountSpec | None = Field(
        None, description="ServiceAccount of the pods. Default: created."
    )
