"""Waiting for the end of a rollout."""

from typing import Any

import pytest

from agentctl.cluster import rollout_wait
from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError


class FakeKubectl(Kubectl):
    """Returns an agent whose latest change the operator has not observed."""

    suspended = False

    def get(self, *_arguments: str) -> list[dict[str, Any]]:
        meta = {"name": "web", "namespace": "team", "generation": 2}
        return [{"metadata": meta, "spec": {"suspend": self.suspended}, "status": {"observedGeneration": 1}}]


class SuspendedKubectl(FakeKubectl):
    """Returns a suspended agent."""

    suspended = True


@pytest.mark.parametrize(("kubectl", "continues"), [(FakeKubectl(), True), (SuspendedKubectl(), False)])
def test_a_timeout_names_the_command_that_waits_again(kubectl: Kubectl, continues: bool) -> None:
    """The rollout of a suspended agent does not continue."""
    with pytest.raises(CommandError) as raised:
        rollout_wait.wait_for_end(kubectl, "web", 0.001)

    message = str(raised.value)
    assert ("and continues: " in message) is continues
    assert "run `agentctl rollout status web --namespace team --watch`, or set a longer --timeout" in message
