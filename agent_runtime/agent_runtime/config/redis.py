"""The Redis that stores conversations: one server, a primary that Sentinels name, or a Cluster."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from agent_runtime.config import patterns
from agent_runtime.config.base import ConfigModel
from agent_runtime.config.model_options import CaSource

SENTINEL_PORT = 26379
MAX_PORT = 65535
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)]
HostAndPort = Annotated[
    str,
    StringConstraints(pattern=patterns.HOST_AND_PORT, max_length=259),
    Field(description=patterns.REMEDIES[patterns.HOST_AND_PORT]),
]


class SentinelConfig(ConfigModel):
    """Redis Sentinels. Their password is in REDIS_SENTINEL_PASSWORD, if they need one."""

    master: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=128)] = Field(
        description="Name of the primary as the Sentinels know it, such as mymaster."
    )
    hosts: tuple[HostAndPort, ...] = Field(
        min_length=1,
        max_length=16,
        description="DNS names or IPv4 addresses of the Sentinels, each with its port if that is not 26379.",
    )

    @model_validator(mode="after")
    def _ports_exist(self) -> Self:
        if not all(0 < port <= MAX_PORT for _, port in self.addresses):
            raise ValueError(f"hosts: a port must be 1 to {MAX_PORT}")
        return self

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each Sentinel."""
        parts = (address.partition(":") for address in self.hosts)
        return tuple((host, int(port) if port else SENTINEL_PORT) for host, _, port in parts)


class RedisTls(ConfigModel):
    """TLS of the connections to Redis."""

    ca_from: CaSource | None = Field(
        None,
        description="Authorities of Redis's certificate, which the operator mounts. Only in an AgentDeployment.",
    )
    ca_file: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(
        None, description="Path of a file with them in the pods."
    )
    server_name: Host | None = Field(
        None,
        description="Name in Redis's certificate. Default: the host; host for nodes of a Cluster without a name.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.ca_from is not None and self.ca_file is not None:
            raise ValueError("caFrom, caFile: remove one of the two")
        return self


class CacheConfig(ConfigModel):
    """A Redis that stores conversations, so that any replica can continue a session."""

    enabled: bool = Field(
        True, description="Store sessions in Redis; false stores them in the memory of the pod. Default: true."
    )
    host: Host | None = Field(
        None,
        description="DNS name or IPv4 address of Redis, or of any node of a Cluster. Required while enabled, "
        "except with sentinel.",
    )
    port: int = Field(
        6379, ge=1, le=65535, description="TCP port of Redis, with sentinel that of its servers. Default: 6379."
    )
    ssl: bool = Field(False, description="Connect with TLS. Default: false.")
    ttl: int = Field(
        300, ge=1, le=31_536_000, description="Seconds after its last turn until a session expires. Default: 300."
    )
    prefix: str = Field(
        "chat:",
        max_length=128,
        description="Prefix of every key, which must differ between the agents of a Redis. Default: "
        '"chat:NAMESPACE/NAME:" of the AgentDeployment; "chat:" in an agent.toml without it.',
    )
    username: Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=256)] | None = Field(
        None,
        description="ACL user; with entraId, the object id of the identity. Default: REDIS_USERNAME in the "
        "environment; otherwise the default user, or with entraId the object id in the token.",
    )
    sentinel: SentinelConfig | None = Field(
        None, description="Sentinels that name the primary. Not together with cluster. Default: host is the primary."
    )
    cluster: bool | None = Field(
        None, description="true: Redis is a Cluster, such as Azure Managed Redis with the OSS policy. Default: false."
    )
    tls: RedisTls | None = Field(None, description="TLS of the connections. Requires ssl. Default: none.")
    entra_id: bool | None = Field(
        None,
        description="true: authenticate with tokens of Microsoft Entra ID, such as for Azure Managed Redis, with the "
        "same identity as for Azure OpenAI. Default: false; REDIS_PASSWORD is the password.",
    )

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if not self.enabled:
            return self
        if self.host is None and self.sentinel is None:
            raise ValueError("host: required while enabled: set host or sentinel, or set enabled to false")
        if self.sentinel is not None and self.cluster:
            raise ValueError("cluster, sentinel: a Cluster has no Sentinels: remove one of the two")
        if self.tls is not None and not self.ssl:
            raise ValueError("tls: requires ssl: set ssl to true or remove tls")
        if self.entra_id and not self.ssl:
            raise ValueError("entraId: requires ssl, because the token would be sent in clear text: set ssl to true")
        return self

    @property
    def address(self) -> str:
        """The address in messages: host and port, or those of the first Sentinel."""
        host, port = self.sentinel.addresses[0] if self.sentinel is not None else (self.host, self.port)
        return f"{host}:{port}"
