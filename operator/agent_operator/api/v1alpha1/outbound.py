"""How the pods reach servers outside of the cluster: a proxy, and certificate authorities."""

from typing import Annotated

from pydantic import Field, StringConstraints

from agent_operator.api import bounds
from agent_operator.api.base import ApiModel, DnsSubdomain, SecretKey, list_set

ProxyUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+/?$", max_length=bounds.URL)]
NoProxyEntry = Annotated[str, StringConstraints(pattern=r"^[^\s,]+$", max_length=bounds.DNS_SUBDOMAIN)]


class ProxySpec(ApiModel):
    """HTTP proxy of the pods, for models, MCP servers, tokens of Microsoft Entra ID and traces. Not for Redis."""

    https_proxy: ProxyUrl = Field(
        description="URL of the proxy, such as http://proxy.example.com:3128, without a user. For a proxy with a "
        "password, set HTTPS_PROXY in env from a Secret instead."
    )
    http_proxy: ProxyUrl | None = Field(
        None, description="URL of the proxy for http URLs outside of the cluster. Default: httpsProxy."
    )
    no_proxy: tuple[NoProxyEntry, ...] | None = Field(
        None,
        max_length=64,
        description="Further hosts, domains such as .example.com and addresses that the pods connect to directly. "
        "Always direct: localhost, the Services of the cluster, and private addresses in config. Default: none.",
        json_schema_extra=list_set(),
    )


class CaKeyRef(ApiModel):
    """Reference to a key with certificates in PEM."""

    name: DnsSubdomain = Field(description="Name of the object, in the namespace of the children.")
    key: SecretKey | None = Field(None, description="Key in its data. Default: ca.crt.")


class TrustedCa(ApiModel):
    """Certificate authorities in PEM, in addition to those of the image. Set exactly one of the two fields."""

    config_map_key_ref: CaKeyRef | None = Field(None, description="Key of a ConfigMap. Default: none.")
    secret_key_ref: CaKeyRef | None = Field(None, description="Key of a Secret. Default: none.")
