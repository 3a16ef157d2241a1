"""Config of the tokens of callers (JSON Web Tokens, RFC 7519), which the agent accepts next to API keys."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from agent_runtime.config import patterns
from agent_runtime.config.base import ConfigModel, HttpUrl

# Asymmetric algorithms only: with a symmetric one, everyone who can check a token could also make one.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
DEFAULT_ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")
DEFAULT_LEEWAY = 60
# Where the operator mounts the token of the pod and the authority of the API server, for the preset kubernetes.
KUBERNETES_DIRECTORY = "/var/run/secrets/agent-operator.dev/kubernetes"
ENTRA = "https://login.microsoftonline.com"
# The variable with another URL of Microsoft Entra ID, as in its SDKs.
AUTHORITY_VARIABLE = "AZURE_AUTHORITY_HOST"

TenantId = Annotated[
    str,
    StringConstraints(pattern=patterns.UUID, max_length=36),
    Field(description=patterns.REMEDIES[patterns.UUID]),
]
Subject = Annotated[
    str,
    StringConstraints(pattern=patterns.SUBJECT, min_length=1, max_length=512),
    Field(description=patterns.REMEDIES[patterns.SUBJECT]),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
ClaimName = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", max_length=256)]


class JwtConfig(ConfigModel):
    """Who issues the tokens of callers, and which of them are accepted."""

    preset: Literal["entra_id", "kubernetes"] | None = Field(
        None,
        description="Where issuer and keys come from. entra_id: from the tenant of Microsoft Entra ID in tenantId. "
        "kubernetes: from the API server of the cluster, for tokens of ServiceAccounts, so that agents call agents "
        "without shared secrets. Default: none; set issuer.",
    )
    tenant_id: TenantId | None = Field(
        None,
        description="Id of the tenant, a UUID and not a domain, because tokens contain the UUID. Required with preset "
        "entra_id, not allowed otherwise.",
    )
    issuer: HttpUrl | None = Field(
        None,
        description="Issuer of the tokens, exactly as in their claim iss. Required without a preset, not allowed with "
        "entra_id. Default with kubernetes: the one that the API server names.",
    )
    audiences: tuple[Text, ...] = Field(
        min_length=1,
        max_length=16,
        description="Audiences of this agent: the claim aud of a token must contain one of them.",
    )
    jwks_url: HttpUrl | None = Field(
        None,
        description="URL of the keys of the issuer (JWKS). Not allowed with a preset. Default: the one in "
        "ISSUER/.well-known/openid-configuration.",
    )
    subjects: tuple[Subject, ...] | None = Field(
        None,
        max_length=64,
        description="Values of the claim sub that may call the agent; a * at the end stands for any text, such as in "
        "system:serviceaccount:team-a:*. Default: every subject.",
    )
    required_claims: dict[ClaimName, Text] | None = Field(
        None,
        max_length=16,
        description="Claims that a token must have, with their values. A list must contain the value, and so must the "
        "words of scope and scp. Default: none.",
    )
    algorithms: tuple[Algorithm, ...] | None = Field(
        None, min_length=1, max_length=10, description="Algorithms of signatures. Default: RS256 and ES256."
    )
    leeway_seconds: int | None = Field(
        None, ge=0, le=300, description="Seconds by which the clocks of issuer and agent may differ. Default: 60."
    )

    @model_validator(mode="after")
    def _fields_fit_the_preset(self) -> Self:
        unneeded = {
            "entra_id": {"issuer": self.issuer, "jwksUrl": self.jwks_url},
            "kubernetes": {"tenantId": self.tenant_id, "jwksUrl": self.jwks_url},
        }.get(self.preset or "", {"tenantId": self.tenant_id})
        given = [field for field, value in unneeded.items() if value is not None]
        if given:
            where = f"with preset {self.preset}" if self.preset else "without preset entra_id"
            raise ValueError(f"{', '.join(given)}: has no meaning {where}: remove it")
        if self.preset == "entra_id" and self.tenant_id is None:
            raise ValueError("tenantId: required with preset entra_id")
        if self.preset is None and self.issuer is None:
            raise ValueError("issuer: required without a preset: set it to the claim iss of the tokens")
        return self

    def issuers(self, authority: str = ENTRA) -> tuple[str, ...]:
        """Return the issuers whose tokens are accepted; none if only the API server knows it.

        Args:
            authority: URL of Microsoft Entra ID, which differs between its clouds.
        """
        if self.preset == "entra_id":
            # The manifest of an application chooses the version of its tokens.
            return f"{authority.rstrip('/')}/{self.tenant_id}/v2.0", f"https://sts.windows.net/{self.tenant_id}/"
        return (self.issuer,) if self.issuer else ()

    def keys_url(self, authority: str = ENTRA) -> str | None:
        """Return the URL of the keys, or of the document that names it; None for the preset kubernetes."""
        if self.preset == "kubernetes":
            return None
        return self.jwks_url or f"{self.issuers(authority)[0].rstrip('/')}/.well-known/openid-configuration"


class AuthConfig(ConfigModel):
    """How callers prove who they are, next to API keys. A request needs only one of the two."""

    jwt: JwtConfig | None = Field(
        None,
        description="Tokens (JWT) of an issuer. Sessions and rate limits belong to the subject. Default: not accepted.",
    )
