"""References to Secrets and ConfigMaps. The operator resolves them; agent.toml contains none."""

from typing import Annotated

from pydantic import Field, StringConstraints

from agent_runtime.config.base import ConfigModel

FilePath = Annotated[str, StringConstraints(pattern=r"^[^\s]+$", max_length=1024)]


class ServiceAccountToken(ConfigModel):
    """A token of the ServiceAccount of the pods, which the kubelet renews."""

    audience: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="Audience of the token, which the server must expect: one of auth.jwt.audiences of another agent."
    )


class KeyReference(ConfigModel):
    """Reference to a key of a Secret or ConfigMap."""

    name: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253),
    ] = Field(description="Name of the object, in the namespace of the children.")
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = Field(
        description="Key in its data."
    )
