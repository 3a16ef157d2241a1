"""References to Secrets and ConfigMaps. The operator resolves them; agent.toml contains none."""

import posixpath
import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from agent_runtime.config.auth import KUBERNETES_DIRECTORY
from agent_runtime.config.base import ConfigModel

# The directories in which Kubernetes and the operator mount tokens for the API server. /var/run is a link to /run.
_API_SERVER_TOKENS = ("/run/secrets/kubernetes.io", KUBERNETES_DIRECTORY.removeprefix("/var"))
# Names of the Service of the API server, which are audiences that it accepts.
_API_SERVER = re.compile(r"(https?://)?kubernetes(\.default(\.svc(\..*)?)?)?(:\d+)?/?")


def _not_for_the_api_server(path: str) -> str:
    normal = posixpath.normpath("/" + path.lstrip("/")).removeprefix("/var")
    if any(normal == folder or normal.startswith(f"{folder}/") for folder in _API_SERVER_TOKENS):
        raise ValueError("contains a token for the API server, which no other server may get: name another file")
    return path


def _not_the_api_server(audience: str) -> str:
    if _API_SERVER.fullmatch(audience):
        raise ValueError("is the API server, whose tokens no other server may get: name the audience of that server")
    return audience


FilePath = Annotated[
    str, StringConstraints(pattern=r"^[^\s]+$", max_length=1024), AfterValidator(_not_for_the_api_server)
]


Audience = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_not_the_api_server)]


class ServiceAccountToken(ConfigModel):
    """A token of the ServiceAccount of the pods, which the kubelet renews."""

    audience: Audience = Field(
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
