"""Referenced objects are read by name. Existing objects are cached for a short time, absent ones never."""

from typing import Any, cast

import pytest

from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.inputs.gather import Gathered, References
from agent_operator.inputs.service_targets import ServiceTarget
from agent_operator.kube.client import Cluster
from agent_operator.kube.objects import Ref
from agent_operator.kube.transport import ApiError
from tests.clock import ManualClock

LIFETIME = 45.0


class FakeCluster:
    """A Cluster with some objects. It records what is read."""

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.read: list[Ref] = []
        self.error: ApiError | None = None

    async def find(self, target: Ref, _version: str) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        self.read.append(target)
        return self.objects.get(target)


PROMPTS = Ref("ConfigMap", "ns", "prompts")
AGENT = AgentDeployment.model_validate(
    {
        "apiVersion": "agent-operator.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "a", "namespace": "ns", "uid": "u"},
        "spec": {
            "config": {"models": [{"name": "echo", "provider": "echo"}]},
            "systemPrompt": {"configMapKeyRef": {"name": "prompts", "key": "text"}},
        },
    }
)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=1000.0)


@pytest.fixture
def references(cluster: Any, clock: ManualClock) -> References:
    return References(cluster, clock, LIFETIME)


async def gather(references: References) -> Gathered:
    return await references.gather(AGENT, Platform())


async def test_prompt_is_read_once_within_the_lifetime_of_the_cache(
    references: References, cluster: FakeCluster, clock: ManualClock
) -> None:
    cluster.objects[PROMPTS] = {"metadata": {}, "data": {"text": "Be kind."}}
    found = await gather(references)
    clock.now += LIFETIME - 1
    await gather(references)
    assert (found.inputs.prompt_template, found.refers, cluster.read) == ("Be kind.", True, [PROMPTS])
    clock.now += 1
    await gather(references)
    assert cluster.read == [PROMPTS] * 2


async def test_absence_is_not_cached(references: References, cluster: FakeCluster) -> None:
    assert (await gather(references)).inputs.prompt_template is None
    cluster.objects[PROMPTS] = {"metadata": {}, "data": {"text": "Be kind."}}
    assert (await gather(references)).inputs.prompt_template == "Be kind."


async def test_api_error_is_not_treated_as_absence(references: References, cluster: FakeCluster) -> None:
    cluster.error = ApiError(503, "ServiceUnavailable", "")
    with pytest.raises(ApiError):
        await gather(references)


async def test_checks_are_read_only_for_the_canary_strategy(references: References, cluster: FakeCluster) -> None:
    """The same ConfigMap may contain the prompt; it is read once."""
    checks = {"checksFrom": {"configMapKeyRef": {"name": "prompts", "key": "checks"}}}

    def agent(strategy: str) -> AgentDeployment:
        body = AGENT.model_dump(mode="json", by_alias=True, exclude_none=True)
        body["spec"] |= {"rollout": {"strategy": strategy, "canary": checks}}
        return AgentDeployment.model_validate(body)

    cluster.objects[PROMPTS] = {"metadata": {}, "data": {"text": "Be kind.", "checks": "checks: []"}}
    found = await references.gather(agent("Canary"), Platform())
    assert (found.inputs.checks_text, found.inputs.prompt_template) == ("checks: []", "Be kind.")
    assert (await references.gather(agent("RollingUpdate"), Platform())).inputs.checks_text is None
    assert cluster.read == [PROMPTS]


def agent_with_env(*sources: dict[str, Any]) -> AgentDeployment:
    containers = [{"name": "agent", **source} for source in sources]
    spec = {"config": AGENT.spec.config, "podTemplate": {"spec": {"containers": containers}}}
    return AgentDeployment.model_validate({"metadata": {"name": "a", "namespace": "ns", "uid": "u"}, "spec": spec})


async def test_a_large_environment_is_refused(references: References, cluster: FakeCluster) -> None:
    names = [f"c{number}" for number in range(3)]
    for name in names:
        data = {"large": "x" * 1_000_000, "small": "y"}
        cluster.objects[Ref("ConfigMap", "ns", name)] = {"metadata": {}, "data": data}
    whole = agent_with_env({"envFrom": [{"configMapRef": {"name": name}} for name in names]})
    with pytest.raises(ProblemError, match="mount them as volumes, or reference single keys"):
        await references.gather(whole, Platform())

    by_key = [{"name": name, "valueFrom": {"configMapKeyRef": {"name": name, "key": "small"}}} for name in names]
    found = await references.gather(agent_with_env({"env": by_key}), Platform())
    assert set(found.inputs.hashes) == {f"configmap/{name}" for name in names}


async def test_all_keys_count_if_one_container_reads_all(references: References, cluster: FakeCluster) -> None:
    target = Ref("ConfigMap", "ns", "c")
    one = {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}}]}
    everything = {"envFrom": [{"configMapRef": {"name": "c"}}]}
    hashes = []
    for value in ("1", "2"):
        cluster.objects[target] = {"metadata": {}, "data": {"a": "", "b": value}}
        references = References(cast(Cluster, cluster), ManualClock(), LIFETIME)
        for sources in ([one], [one, everything]):
            found = await references.gather(agent_with_env(*sources), Platform())
            hashes.append(found.inputs.hashes)
    assert hashes[0] == hashes[2], "b is not read"
    assert hashes[1] != hashes[3]


async def test_the_services_that_hosts_name_are_read(cluster: FakeCluster, references: References) -> None:
    spec = {
        "models": [
            {"name": "near", "provider": "openai", "baseUrl": "http://vllm:8000/v1"},
            {"name": "far", "provider": "openai", "baseUrl": "https://api.example.com/v1"},
        ],
        "mcp": [{"name": "s", "type": "http", "url": "http://search.tools/mcp"}],
    }
    ports = [{"port": 8000, "targetPort": "http"}, {"port": 81, "targetPort": 8081}, {"port": 9}]
    service = {"spec": {"selector": {"app": "vllm"}, "ports": ports}}
    cluster.objects[Ref("Service", "ns", "vllm")] = service
    agent = AgentDeployment.model_validate(
        {"metadata": {"name": "a", "namespace": "ns", "uid": "u"}, "spec": {"config": spec}}
    )

    found = await references.gather(agent, Platform())
    await references.gather(agent, Platform())

    vllm = ServiceTarget((("app", "vllm"),), ((9, 9), (81, 8081), (8000, "http")))
    assert found.inputs.services == {("ns", "vllm"): vllm, ("tools", "search"): None}
    assert found.refers
    # One that does not exist is read again.
    assert [str(ref) for ref in cluster.read] == ["Service ns/vllm", "Service tools/search", "Service tools/search"]

    cluster.objects[Ref("Service", "tools", "search")] = {"spec": {"type": "ExternalName", "selector": {"a": "b"}}}
    found = await references.gather(agent, Platform())
    assert found.inputs.services[("tools", "search")] == ServiceTarget()


async def test_a_service_that_the_operator_may_not_read_is_not_known(
    cluster: FakeCluster, references: References
) -> None:
    spec = {"models": [{"name": "far", "provider": "openai", "baseUrl": "http://vllm.models:8000/v1"}]}
    agent = AgentDeployment.model_validate(
        {"metadata": {"name": "a", "namespace": "ns", "uid": "u"}, "spec": {"config": spec}}
    )
    cluster.error = ApiError(403, "Forbidden", "services is forbidden")

    assert (await references.gather(agent, Platform())).inputs.services == {}

    cluster.error = ApiError(500, "InternalError", "etcd")
    with pytest.raises(ApiError):
        await references.gather(agent, Platform())
