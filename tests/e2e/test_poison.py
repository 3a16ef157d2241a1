"""Objects that a tenant may create, from small ones to the largest that the API server accepts.

None of them may stop the operator. After each one, another tenant's new agent becomes Ready, and the operator is live
and uses less memory than its manifest allows. The API server may also reject an object.
"""

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, Object, make_agent
from tests.e2e.processes import Operator
from tests.polling import eventually

LABELS = {"agent-operator.dev/agent": "victim"}
# Bytes: resources.limits.memory of deploy/kustomize/base.
MEMORY_LIMIT = 512 * 2**20


def nested(levels: int, key: str = "a") -> str:
    """JSON of an object that contains an object, and so on. json.dumps cannot write as many levels."""
    return f'{{"{key}":' * levels + "{}" + "}" * levels


def with_json(obj: Object, text: str) -> str:
    """JSON of an object in which the string "@" is replaced by other JSON."""
    return json.dumps(obj).replace('"@"', text)


def agent(**spec: object) -> str:
    return json.dumps(make_agent("poison", **spec))


def agent_with_pod(**spec: object) -> str:
    return agent(podTemplate={"spec": spec})


def labelled(kind: str, **fields: object) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"poison-{kind.lower()}", "labels": LABELS}} | fields


def list_of(objects: list[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def deep_managed_fields(levels: int) -> str:
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": "@"}
    config_map = labelled("ConfigMap")
    config_map["metadata"]["managedFields"] = [entry | {"time": "2026-01-01T00:00:00Z"}]
    return with_json(config_map, nested(levels, "f:a"))


def config_maps(number: int, size: int) -> str:
    """ConfigMaps that JSON writes with six bytes per character."""
    maps = [labelled("ConfigMap", data={"k": "<" * size}) for _ in range(number)]
    for index, obj in enumerate(maps):
        obj["metadata"]["name"] = f"poison-{index}"
    return list_of(maps)


def pod(**spec: object) -> str:
    return json.dumps(labelled("Pod", spec={"containers": [{"name": "c", "image": "x"}]} | spec))


def service(size: int) -> str:
    service = labelled("Service", spec={"ports": [{"port": 80}]})
    service["metadata"]["annotations"] = {"note": "<" * size}
    return json.dumps(service)


def deep_agent(levels: int) -> str:
    return with_json(make_agent("poison", podTemplate={"x": "@"}), nested(levels))


def deep_check(levels: int) -> str:
    """A check with the only field whose content the schema of the CRD does not bound."""
    check = {"name": "a", "prompt": "a", "jsonSchema": "@"}
    rollout = {"strategy": "Canary", "canary": {"checks": [check]}}
    return with_json(make_agent("poison", rollout=rollout), nested(levels, "items"))


def expensive_prompt(words: int) -> str:
    text = "{% if v|title == 'x' %}{% endif %}" * 300
    return agent(systemPrompt={"text": text, "variables": {"v": "a " * words}})


def long_quantity(digits: int) -> str:
    limits = {"cpu": "1" * digits + "x"}
    return agent_with_pod(containers=[{"name": "agent", "resources": {"limits": limits}}])


def unknown_fields(number: int) -> str:
    return agent(podTemplate={f"f{i}": 1 for i in range(number)})


LEVELS = (10, 210, 1100, 9000)
PROJECTED = [{"name": "p", "projected": {}}]

# The maxima are close to what a request (3 MB) or an object in etcd (1.5 MB) may hold.
CASES: dict[str, Callable[[], str]] = {
    **{f"podTemplate nested {levels} levels": partial(deep_agent, levels) for levels in LEVELS},
    **{f"jsonSchema of a check nested {levels} levels": partial(deep_check, levels) for levels in LEVELS},
    **{f"managedFields nested {levels} levels": partial(deep_managed_fields, levels) for levels in LEVELS},
    "an empty projected volume": lambda: agent_with_pod(volumes=PROJECTED),
    "a labelled Pod with an empty projected volume": lambda: pod(volumes=PROJECTED),
    "a mapping for a list of containers": lambda: agent_with_pod(containers={"name": "side"}),
    "a number for a list of containers": lambda: agent_with_pod(containers=5),
    "text for a pod spec": lambda: agent(podTemplate={"spec": "x"}),
    "null for what podTemplate contains": lambda: agent(podTemplate={"spec": None, "metadata": None}),
    **{f"an expensive prompt with {words} words": partial(expensive_prompt, words) for words in (10, 300_000)},
    **{f"a quantity of {digits} digits": partial(long_quantity, digits) for digits in (10, 1000, 30_000, 1_000_000)},
    **{f"{number} unknown fields": partial(unknown_fields, number) for number in (10, 1000, 60_000)},
    "an annotation of 250 kB on a labelled Service": lambda: service(250_000),
    "a labelled ConfigMap": lambda: config_maps(1, 1000),
    "20 labelled ConfigMaps of 1 MB": lambda: config_maps(20, 1_000_000),
    "50 agents": lambda: list_of([make_agent(f"many-{i}", suspend=True) for i in range(50)]),
}


# `make campaign` creates each of them alone. By default, one test creates all of them, and these are alone.
ALONE = (
    "podTemplate nested 9000 levels",
    "managedFields nested 1100 levels",
    "an empty projected volume",
    "a mapping for a list of containers",
    "an expensive prompt with 300000 words",
    "60000 unknown fields",
)


@pytest.fixture
def tenant(cluster: Kubectl, operator: Operator) -> Iterator[Kubectl]:
    """Kubectl in the namespace of the careless tenant."""
    yield from new_namespace(cluster, "poison")


@pytest.fixture
def neighbour(cluster: Kubectl, operator: Operator) -> Iterator[Kubectl]:
    """Kubectl in the namespace of another tenant."""
    yield from new_namespace(cluster, "neighbour")


def new_namespace(cluster: Kubectl, prefix: str) -> Iterator[Kubectl]:
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", name)
    yield Kubectl(cluster.kubeconfig, name)
    cluster.run("delete", "namespace", name, "--wait=false")


def assert_works(operator: Operator, neighbour: Kubectl, name: str) -> None:
    """Fail unless a new agent of another tenant becomes Ready, and the operator is live and small."""
    neighbour.apply(make_agent(name))
    neighbour.wait_for_condition(name, "Ready", "True", "Ready")
    neighbour.run("delete", "agd", name, "--wait=false")
    with urllib.request.urlopen(f"{operator.url}/healthz", timeout=30) as response:
        assert response.status == 200
    assert operator.process
    assert operator.process.poll() is None
    assert peak_memory(operator.process.pid) < MEMORY_LIMIT


def peak_memory(process: int) -> int:
    """Peak resident set size in bytes."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def create(tenant: Kubectl, text: str) -> None:
    """Create objects. The API server may reject some."""
    tenant.run("create", "--validate=ignore", "-f", "-", stdin=text, check=False)


@pytest.mark.parametrize("case", [pytest.param(it, marks=() if it in ALONE else pytest.mark.campaign) for it in CASES])
def test_another_tenants_agent_becomes_ready(
    case: str, operator: Operator, tenant: Kubectl, neighbour: Kubectl
) -> None:
    create(tenant, CASES[case]())

    assert_works(operator, neighbour, "healthy")


def test_all_cases_together_before_and_after_a_restart(operator: Operator, tenant: Kubectl, neighbour: Kubectl) -> None:
    for index, build in enumerate(CASES.values()):
        text = build().replace("poison", f"poison-{index}")
        create(tenant, text)
    assert_works(operator, neighbour, "healthy")

    operator.stop()
    operator.start()

    eventually("the operator is ready", lambda: is_ready(operator))
    assert_works(operator, neighbour, "new")


def is_ready(operator: Operator) -> bool:
    try:
        with urllib.request.urlopen(f"{operator.url}/readyz", timeout=30) as response:
            return bool(response.status == 200)
    except OSError:
        return False
