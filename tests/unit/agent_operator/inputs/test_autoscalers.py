"""Autoscalers of others are found by what they target, whatever else the objects of a namespace contain."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent_operator.inputs.agent_inputs import OtherAutoscaler
from agent_operator.inputs.autoscalers import Autoscalers


class Lists:
    """Stands in for the API server: pages of autoscalers, and the number of pages that were read."""

    def __init__(self, *pages: list[Any]) -> None:
        self.pages = pages
        self.read = 0

    async def list_pages(self, _path: str, _kind: str, _selector: str) -> AsyncIterator[tuple[list[Any], str]]:
        for page in self.pages:
            self.read += 1
            yield page, "1"


def scaler(title: str, *, owner: str = "", least: Any = 2, **target: Any) -> dict[str, Any]:
    owners = [{"controller": True, "uid": owner}] if owner else None
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "support"} | target
    return {
        "metadata": {"name": title, "ownerReferences": owners},
        "spec": {"scaleTargetRef": reference, "minReplicas": least},
    }


HOSTILE: list[Any] = [
    {},
    {"metadata": None, "spec": None},
    {"metadata": {"name": 7, "ownerReferences": "x"}, "spec": {"scaleTargetRef": ["support"]}},
    scaler("other", name="another"),
    scaler("custom", kind="AgentDeployment", apiVersion="agent-operator.dev/v1alpha1"),
    scaler("own", owner="u"),
]
CASES: list[tuple[list[Any], OtherAutoscaler | None]] = [
    (HOSTILE, None),
    ([*HOSTILE, scaler("b", least=1), scaler("a", least=3)], OtherAutoscaler("a", 3)),
    ([scaler("foreign", owner="another-agent")], OtherAutoscaler("foreign", 2)),
    ([scaler("text", least="x")], OtherAutoscaler("text", 0)),
]


@pytest.mark.parametrize(("items", "found"), CASES)
def test_the_first_autoscaler_of_others_that_targets_the_deployment_is_found(
    items: list[Any], found: OtherAutoscaler | None
) -> None:
    autoscalers = Autoscalers(Lists(items), lambda: 0.0, 45.0)  # type: ignore[arg-type]
    assert asyncio.run(autoscalers.find("team-a", "support", "u")) == found


def test_a_match_is_cached_and_absence_is_not() -> None:
    now = [0.0]
    lists = Lists([scaler("a")])
    autoscalers = Autoscalers(lists, lambda: now[0], 45.0)  # type: ignore[arg-type]
    for _ in range(3):
        assert asyncio.run(autoscalers.find("team-a", "support", "u")) == OtherAutoscaler("a", 2)
    assert lists.read == 1

    now[0], lists.pages = 46.0, ([],)
    for _ in range(2):
        assert asyncio.run(autoscalers.find("team-a", "support", "u")) is None
    assert lists.read == 3


def test_a_namespace_with_many_autoscalers_is_read_in_part() -> None:
    page = [scaler(f"s{number}", name=f"d{number}") for number in range(100)]
    lists = Lists(*([page] * 1000))
    autoscalers = Autoscalers(lists, lambda: 0.0, 45.0)  # type: ignore[arg-type]
    assert asyncio.run(autoscalers.find("team-a", "support", "u")) is None
    assert lists.read == 10
