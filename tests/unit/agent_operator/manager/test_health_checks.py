"""What /readyz reports while the operator waits for the API server or the CRD."""

import pytest

from agent_operator.kube.reachability import Reachability
from agent_operator.manager.health_checks import HealthChecks
from tests.clock import ManualClock


class Watch:
    """A watch of AgentDeployments in one state."""

    def __init__(self, served: bool | None, *, synced: bool = False) -> None:
        self.served = served
        self.synced = synced


def checks() -> HealthChecks:
    clock = ManualClock()
    return HealthChecks(Reachability(clock), {}, clock)


@pytest.mark.parametrize(
    ("watch", "message"),
    [
        (None, "initial list not complete: AgentDeployment"),
        (Watch(None), "initial list not complete: AgentDeployment"),
        (Watch(True), "initial list not complete: AgentDeployment"),
        (Watch(False), "the AgentDeployment CRD is not installed: kubectl apply -f crds/"),
    ],
)
def test_a_missing_crd_is_reported_only_if_the_api_server_lacks_it(watch: Watch | None, message: str) -> None:
    health = checks()
    health.agents = watch  # type: ignore[assignment]
    assert list(health.unready()) == [message]


def test_an_unreachable_api_server_is_the_only_report() -> None:
    reachability = Reachability(ManualClock())
    health = HealthChecks(reachability, {}, ManualClock())
    for _ in range(3):
        reachability.failed("https://api", ConnectionError())
    assert list(health.unready()) == ["the API server is unreachable"]
