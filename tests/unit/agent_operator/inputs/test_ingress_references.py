"""An Ingress whose class or issuer does not exist gets a warning, which ends when the object exists."""

from typing import Any, cast

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.inputs.ingress_references import IngressReferences
from agent_operator.kube.client import Cluster
from agent_operator.kube.resources import Kind
from agent_operator.kube.transport import ApiError
from tests.clock import ManualClock

LIFETIME = 45.0


class FakeCluster:
    """A Cluster with some objects. It records what is read."""

    def __init__(self, *existing: tuple[str, str, str]) -> None:
        self.existing = set(existing)
        self.read: list[tuple[str, str, str]] = []
        self.error: ApiError | None = None
        self.controller: Any = "k8s.io/ingress-nginx"

    async def find_named(self, kind: Kind, name: str, namespace: str = "") -> dict[str, Any] | None:
        self.read.append((kind.kind, namespace, name))
        if self.error:
            raise self.error
        return {"spec": {"controller": self.controller}} if self.read[-1] in self.existing else None


def inputs(**ingress: Any) -> Inputs:
    agent = {
        "metadata": {"name": "a", "namespace": "ns", "uid": "u"},
        "spec": {
            "config": {"models": [{"name": "echo", "provider": "echo"}]},
            "ingress": {"host": "a.example.com"} | ingress,
        },
    }
    return Inputs(agent=AgentDeployment.model_validate(agent), platform=Platform())


CLUSTER_ISSUER = {"cert-manager.io/cluster-issuer": "other"}


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [
        ({}, [("IngressClassMissing", "spec.ingress.className", "IngressClass nginx")]),
        (
            {"className": "traefik", "tls": {"clusterIssuer": "le"}},
            [
                ("IngressClassMissing", "spec.ingress.className", "IngressClass traefik"),
                ("IssuerMissing", "spec.ingress.tls.clusterIssuer", "ClusterIssuer le of cert-manager"),
            ],
        ),
        (
            {"className": "there", "tls": {"clusterIssuer": "le"}, "annotations": CLUSTER_ISSUER},
            [("IssuerMissing", "spec.ingress.annotations[cert-manager.io/cluster-issuer]", "ClusterIssuer other")],
        ),
        (
            {"className": "there", "annotations": {"cert-manager.io/issuer": "own"}},
            [
                (
                    "IssuerMissing",
                    "spec.ingress.annotations[cert-manager.io/issuer]",
                    "Issuer own of cert-manager does not exist in the namespace ns",
                )
            ],
        ),
        ({"className": "there", "annotations": {"cert-manager.io/issuer": "../../api/v1/secrets/x"}}, []),
        ({"className": "there"}, []),
    ],
)
async def test_what_does_not_exist_is_a_warning(ingress: Any, expected: list[tuple[str, str, str]]) -> None:
    cluster = FakeCluster(("IngressClass", "", "there"))
    references = IngressReferences(cast(Cluster, cluster), ManualClock(now=1000.0), LIFETIME)

    problems = await references.problems(inputs(**ingress))

    assert [(problem.reason, problem.field) for problem in problems] == [it[:2] for it in expected]
    assert all(words in problem.message for problem, (_, _, words) in zip(problems, expected, strict=True))


AUTH = {"nginx.ingress.kubernetes.io/auth-url": "https://sso.example.com/auth"}


@pytest.mark.parametrize(
    ("controller", "annotations", "is_open"),
    [
        ("nginx.org/ingress-controller", AUTH, True),
        ("k8s.io/ingress-nginx", AUTH, False),
        (None, AUTH, False),
        ("nginx.org/ingress-controller", {}, False),
    ],
)
async def test_annotations_of_another_controller_do_not_authenticate(
    controller: str | None, annotations: dict[str, str], is_open: bool
) -> None:
    """Without annotations, there is another warning already."""
    cluster = FakeCluster(("IngressClass", "", "nginx"))
    cluster.controller = controller
    references = IngressReferences(cast(Cluster, cluster), ManualClock(now=1000.0), LIFETIME)

    problems = await references.problems(inputs(annotations=annotations))

    assert [problem.reason for problem in problems] == (["ExposedWithoutAuth"] if is_open else [])
    assert all("nginx.org/ingress-controller of the IngressClass nginx" in problem.message for problem in problems)


async def test_a_missing_object_is_read_again_soon_and_an_existing_one_rarely() -> None:
    cluster, clock = FakeCluster(), ManualClock(now=1000.0)
    references = IngressReferences(cast(Cluster, cluster), clock, LIFETIME)
    for _ in range(3):
        assert await references.problems(inputs())
    assert len(cluster.read) == 1

    cluster.existing.add(("IngressClass", "", "nginx"))
    clock.now += LIFETIME
    for _ in range(10):
        assert await references.problems(inputs()) == ()
        clock.now += LIFETIME
    assert len(cluster.read) == 2


@pytest.mark.parametrize("code", [403, 500, 0])
async def test_an_object_that_cannot_be_read_causes_no_warning(code: int) -> None:
    """The operator of one namespace may not read IngressClasses."""
    cluster = FakeCluster()
    cluster.error = ApiError(code, "Forbidden", "no")
    references = IngressReferences(cast(Cluster, cluster), ManualClock(now=1000.0), LIFETIME)

    assert await references.problems(inputs()) == ()
