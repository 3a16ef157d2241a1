"""No spec blocks the event loop for more than a tenth of a second, however large it is and whatever it contains."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_operator.api import bounds, kubernetes_models
from agent_operator.api.reasons import Reason
from agent_operator.sandbox.sandbox import Sandbox
from tests.cpu_time import LIMIT, longest_step
from tests.memory_api import AGENT
from tests.unit.agent_operator.limits.hostile_specs import SPECS
from tests.unit.agent_operator.render.test_generated import agents as generated_agents

# A profile may ask for more: --hypothesis-profile=thorough tries 10,000.
ENOUGH = settings().max_examples if settings().max_examples > settings.get_profile("default").max_examples else 30
LARGEST_BYTES = 1_400_000
# The cache does not keep what has more than 50,000 objects and lists.
UNREADABLE = ("affinity", "egress", "empty lists", "lists in a schema", "volumes")
NAMES = st.sampled_from(["agent", "name", "spec", "x", "$patch", "value"])
SCALARS = st.sampled_from([None, True, 0, -1, 2**31, 1.5, "", "x", "1" * 100, "{{ a }}", "a" * 2_000])
# Where a spec may contain a value of any kind, if the CustomResourceDefinition of another version accepts it.
PATHS = st.sampled_from(
    [
        "podTemplate",
        "podTemplate.metadata.labels",
        "podTemplate.metadata.annotations",
        "podTemplate.spec",
        "podTemplate.spec.containers",
        "podTemplate.spec.containers.0.env",
        "podTemplate.spec.containers.0.resources.limits",
        "podTemplate.spec.volumes",
        "podTemplate.spec.affinity",
        "config",
        "config.models",
        "config.mcp",
        "env",
        "systemPrompt.variables",
        "rollout.canary.checks",
        "rollout.canary.checks.0.jsonSchema",
        "networkPolicy.extraEgress",
        "autoscaling.metrics",
        "credentials.values",
        "unknown",
    ]
)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(asyncio.get_running_loop().time)
    yield sandbox
    await sandbox.close()


@pytest.fixture(autouse=True, scope="module")
def _models() -> None:
    """A pass imports the models in a thread. That is not measured here."""
    kubernetes_models.load()


@pytest.mark.parametrize("name", SPECS)
async def test_a_hostile_spec_does_not_block_the_event_loop(name: str, sandbox: Sandbox) -> None:
    seconds, result, api = await longest_step(AGENT | {"spec": AGENT["spec"] | SPECS[name]}, sandbox)
    assert seconds <= LIMIT
    reason = api.agent["status"]["conditions"][0]["reason"]
    assert (reason == Reason.UNREADABLE) is (name in UNREADABLE), reason
    conditions = {it["type"]: it for it in api.agent["status"]["conditions"]}
    if result.invalid:
        assert conditions["ConfigValid"]["reason"] == result.invalid.reason
    assert all(len(condition["message"]) <= bounds.MESSAGE for condition in conditions.values())


@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(generated_agents())
def test_a_generated_agent_does_not_block_the_event_loop(inputs: Any) -> None:
    spec = inputs.agent.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    _check(spec)


@dataclass(frozen=True)
class HostileSpec:
    """A value that is repeated at a place of the spec. It is built late: Hypothesis keeps 10,000 examples in memory."""

    unit: Any
    # The divisor of the largest number of repetitions, or the number itself.
    share: int
    number: int
    shape: str
    path: str

    def build(self) -> dict[str, Any]:
        """Return the spec, of up to 1.4 MB."""
        count = self.number or LARGEST_BYTES // (len(repr(self.unit)) + 10) // self.share
        value: Any = {
            "list": lambda: [self.unit] * count,
            "dict": lambda: {f"k{number}": self.unit for number in range(count)},
            "named": lambda: [{"name": f"n{number}", "value": self.unit} for number in range(count // 2)],
            "nested": lambda: _nested(self.unit, min(count, 190)),
            "text": lambda: str(self.unit) * count,
        }[self.shape]()
        for part in reversed(self.path.split(".")):
            value = [{"name": "agent", "prompt": "x", **value}] if part == "0" else {part: value}
        spec: dict[str, Any] = value
        return spec


UNITS = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3))
SHAPES = st.sampled_from(["list", "dict", "named", "nested", "text"])
HOSTILE = st.builds(
    HostileSpec, UNITS, st.sampled_from([1, 2]), st.sampled_from([0, 4_900, 1_200, 60, 1]), SHAPES, PATHS
)


def _nested(unit: Any, levels: int) -> Any:
    for _ in range(levels):
        unit = {"a": unit}
    return unit


@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(HOSTILE)
def test_a_generated_hostile_spec_does_not_block_the_event_loop(hostile: HostileSpec) -> None:
    _check(hostile.build())


def _check(spec: dict[str, Any]) -> None:
    async def measure() -> float:
        sandbox = Sandbox(asyncio.get_running_loop().time)
        try:
            return (await longest_step(AGENT | {"spec": AGENT["spec"] | spec}, sandbox))[0]
        finally:
            await sandbox.close()

    assert asyncio.run(measure()) <= LIMIT
