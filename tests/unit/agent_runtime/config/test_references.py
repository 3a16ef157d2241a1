"""A token for the API server is never sent to another server."""

import pytest
from pydantic import ValidationError

from agent_runtime.config import ApiKeySource
from agent_runtime.config.references import ServiceAccountToken


@pytest.mark.parametrize(
    "path",
    [
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "/run/secrets/kubernetes.io/serviceaccount/token",
        "/var/run/secrets/agent-operator.dev/kubernetes/token",
        "/run/secrets/agent-operator.dev/kubernetes/token",
        "/keys/../var/run/secrets//kubernetes.io/./serviceaccount/token",
        "../var/run/secrets/kubernetes.io/serviceaccount/token",
    ],
)
def test_a_file_of_the_api_server_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="token for the API server"):
        ApiKeySource.model_validate({"file": path})


@pytest.mark.parametrize("path", ["/keys/openai", "/var/run/secrets/agent-operator.dev/tokens/model-0", "keys/openai"])
def test_another_file_is_accepted(path: str) -> None:
    assert ApiKeySource.model_validate({"file": path}).file == path


@pytest.mark.parametrize(
    "audience",
    [
        "https://kubernetes.default.svc.cluster.local",
        "https://kubernetes.default.svc",
        "https://kubernetes.default",
        "https://kubernetes.default.svc.cluster.local:443/",
        "kubernetes.default.svc",
        "kubernetes",
    ],
)
def test_an_audience_of_the_api_server_is_refused(audience: str) -> None:
    with pytest.raises(ValidationError, match="is the API server"):
        ServiceAccountToken.model_validate({"audience": audience})


@pytest.mark.parametrize("audience", ["support", "api://support", "https://kubernetes.example.com"])
def test_an_audience_of_another_server_is_accepted(audience: str) -> None:
    assert ServiceAccountToken.model_validate({"audience": audience}).audience == audience
