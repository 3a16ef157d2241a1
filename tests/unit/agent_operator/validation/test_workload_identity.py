"""Preflight checks of Azure workload identity report the problem and the remedy."""

from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.kube.objects import pack
from agent_operator.render import Inputs
from agent_operator.validation.workload_identity import preflight

AZURE = {"azureWorkloadIdentity": {"clientId": "client-1"}}
OWN = AZURE | {"serviceAccount": {"name": "mine"}}
ANNOTATED = {"azure.workload.identity/client-id": "client-1"}
TOKEN: dict[str, Any] = {
    "env": [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/tokens/azure-identity-token"}]
}


def inputs(identity: dict[str, Any]) -> Inputs:
    spec = {"config": {"models": [{"name": "e", "provider": "echo"}]}, "identity": identity}
    return Inputs(AgentDeployment.model_validate({"metadata": {"name": "bot", "namespace": "team"}, "spec": spec}))


def pod(audience: str = "", phase: str = "Running", **container: Any) -> dict[str, Any]:
    """A pod in the trimmed form of the cache."""
    token = {"serviceAccountToken": {"path": "t", "audience": audience}}
    volumes = [{"name": "token", "projected": {"sources": [token]}}] if audience else []
    labels = {"azure.workload.identity/use": "true"}
    spec = {"containers": [{"name": "agent", **container}], "volumes": volumes}
    raw = {"metadata": {"name": "p", "uid": "u", "labels": labels}, "spec": spec, "status": {"phase": phase}}
    return pack("Pod", raw).object


CASES: list[tuple[str, dict[str, Any], list[dict[str, Any]], dict[str, str] | None, list[tuple[str, str]]]] = [
    ("no identity", {"serviceAccount": {"annotations": {"a": "b"}}}, [pod()], None, []),
    ("no pods yet", AZURE, [], None, []),
    ("a token was injected", AZURE, [pod(**TOKEN)], None, []),
    ("a terminated pod is ignored", AZURE, [pod(phase="Failed"), pod(**TOKEN)], None, []),
    ("no token", AZURE, [pod(), pod(**TOKEN)], None, [("IdentityTokenMissing", "1 of 2 pods")]),
    ("what to install", AZURE, [pod()], None, [("IdentityTokenMissing", "az aks update --enable-oidc-issuer")]),
    ("then restart", AZURE, [pod()], None, [("IdentityTokenMissing", "rollout restart -n team deployment/bot")]),
    (
        "a token for another audience",
        AZURE,
        [pod("https://vault", **TOKEN)],
        None,
        [("IdentityAudienceWrong", "api://AzureADTokenExchange")],
    ),
    ("the right audience", AZURE, [pod("api://AzureADTokenExchange", **TOKEN)], None, []),
    ("a missing account", OWN, [], None, [("ServiceAccountMissing", "team/mine")]),
    (
        "a missing account without Azure",
        {"serviceAccount": {"name": "mine"}},
        [],
        None,
        [("ServiceAccountMissing", "create it")],
    ),
    (
        "an account without the annotation",
        OWN,
        [],
        {},
        [("IdentityNotAnnotated", "annotate --overwrite sa -n team mine azure.workload.identity/client-id=client-1")],
    ),
    (
        "an account of another identity",
        OWN,
        [],
        {"azure.workload.identity/client-id": "other"},
        [("IdentityNotAnnotated", "another client ID, other")],
    ),
    ("an annotated account", OWN, [pod(**TOKEN)], ANNOTATED, []),
]


@pytest.mark.parametrize(
    ("identity", "pods", "account", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_preflight_reports(
    identity: dict[str, Any],
    pods: list[dict[str, Any]],
    account: dict[str, str] | None,
    expected: list[tuple[str, str]],
) -> None:
    found = list(preflight(inputs(identity), pods, account))

    assert [problem.reason for problem in found] == [reason for reason, _ in expected]
    for problem, (_, text) in zip(found, expected, strict=True):
        assert text in problem.message
