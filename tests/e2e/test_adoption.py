"""Agents adopt existing objects while they serve requests: no request fails."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent_operator import __version__
from tests import fast_yaml as yaml
from tests.e2e.conftest import _with_crds
from tests.e2e.kubectl import Kubectl, make_agent
from tests.e2e.load import Load
from tests.e2e.processes import Operator, localkube, runtime_image
from tests.e2e.test_seed import write
from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.processes import ModelServer
from tests.polling import eventually

pytestmark = [pytest.mark.local_only, pytest.mark.kubelet, pytest.mark.timeout(600)]

Object = dict[str, Any]
ADOPT = "agent-operator.dev/adopt"


def address(kubectl: Kubectl, name: str) -> str:
    """URL of a Service."""
    spec = kubectl.get("svc", name)["spec"]
    return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


def uids(kubectl: Kubectl, names: dict[str, str]) -> dict[str, str]:
    return {kind: kubectl.get(kind, name)["metadata"]["uid"] for kind, name in names.items()}


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[ModelServer]:
    server = ModelServer("--certificate", str(write_certificate(tmp_path / "azure.pem")), scheme="https")
    yield server
    server.stop()


@contextmanager
def seed(folder: Path, azure: ModelServer) -> Iterator[Kubectl]:
    """A cluster with the seed's own manifests, which serve, and a running operator."""
    variables = (f"AZURE_AUTHORITY_HOST={azure.url}", f"SSL_CERT_FILE={folder / 'azure.pem'}")
    (folder / "k8s").mkdir()
    with localkube(folder, *runtime_image("env", *variables)) as cluster:
        kubectl = Kubectl(cluster.kubeconfig, "msft-agent")
        kubectl.run("apply", *write(folder / "k8s", azure.url))
        _with_crds(cluster)
        operator = Operator(cluster.kubeconfig, folder / "operator.log")
        operator.start()
        kubectl.run("rollout", "status", "deployment/msft-agent", "--timeout=110s")
        yield kubectl
        assert operator.stop() == 0
        assert "Traceback" not in operator.log.read_text(encoding="utf-8")


def agentctl(kubectl: Kubectl, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agentctl", *arguments, "--kubeconfig", str(kubectl.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


async def test_the_seeds_manifests_are_adopted_without_a_failed_request(tmp_path: Path, azure: ModelServer) -> None:
    """Import from the cluster, preview, apply. Deployment and Service stay the same objects."""
    with seed(tmp_path, azure) as kubectl:
        names = dict.fromkeys(("deploy", "svc", "ing", "hpa", "pdb", "netpol"), "msft-agent")
        before = uids(kubectl, names)
        imported = agentctl(kubectl, "import", "-n", "msft-agent", "--adopt")
        agent = yaml.safe_load(imported.stdout)
        assert "Deployment/msft-agent" in agent["metadata"]["annotations"][ADOPT]

        async with Load(address(kubectl, "msft-agent"), requests=4) as load:
            await asyncio.to_thread(kubectl.apply, agent)
            await asyncio.to_thread(kubectl.wait_for_condition, "msft-agent", "Ready", "True", "Ready", 180)
            await asyncio.to_thread(kubectl.run, "rollout", "status", "deployment/msft-agent", "--timeout=60s")

        sys.stdout.write(f"\n{load.tally.requests} requests, {sum(load.tally.failures.values())} failed\n")
        assert load.tally.failures == {}
        assert load.tally.requests > 0
        assert uids(kubectl, names) == before
        pod = kubectl.get("deploy", "msft-agent")["spec"]["template"]["spec"]
        mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
        assert "/app/config/agent.toml" not in mounts
        assert kubectl.condition("msft-agent", "Warning").get("reason") != "AdoptionInvalid"


def hand_written(name: str, port: Object, **selector: str) -> list[Object]:
    """A Deployment with an autoscaler and a Service, whose pods run the runtime image."""
    toml = '[agent]\ndefault_model = "echo"\n[[agent.models]]\nname = "echo"\nprovider = "echo"\n'
    labels = {"app": name} | selector
    container = {
        "name": "server",
        "image": f"agent-operator/agent-runtime:{__version__}",
        "ports": [port],
        "env": [{"name": "OLD", "value": "1"}],
        "volumeMounts": [{"name": "settings", "mountPath": "/app/config"}],
        "readinessProbe": {"httpGet": {"path": "/health/ready", "port": 8000}, "periodSeconds": 2},
    }
    pod = {"containers": [container], "volumes": [{"name": "settings", "configMap": {"name": f"{name}-settings"}}]}
    meta = {"name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-settings"},
            "data": {"agent.toml": toml, "system_prompt.txt": "Be brief."},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta | {"labels": {"team": "a"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
        },
    ]


async def test_a_deployment_with_another_selector_is_replaced_without_losing_a_pod(kubectl: Kubectl) -> None:
    """The former pods name no port, so the Service changes only when the new pods serve. The autoscaler adds none."""
    kubectl.apply(*hand_written("old", {"containerPort": 8000}, tier="api"))
    kubectl.run("rollout", "status", "deployment/old", "--timeout=110s")
    before = uids(kubectl, {"deploy": "old", "svc": "old"})
    agent = make_agent("old", autoscaling={"minReplicas": 1, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70})
    del agent["spec"]["replicas"]
    kubectl.apply(agent)
    conflict = kubectl.wait_for_condition("old", "Ready", "False", "Conflict")["message"]
    assert f"Service {kubectl.namespace}/old, Deployment {kubectl.namespace}/old exist and do not belong" in conflict
    assert f"the annotation {ADOPT}: Service/old,Deployment/old" in conflict
    seen: list[int] = []

    def count() -> bool:
        found = kubectl.list("pods", labels="app=old")
        ready = [it for it in found if {"type": "Ready", "status": "True"}.items() <= _readiness(it).items()]
        seen.append(len([it for it in ready if "deletionTimestamp" not in it["metadata"]]))
        deployment = kubectl.get("deploy", "old")
        return bool(deployment) and kubectl.condition("old", "Ready").get("status") == "True"

    async with Load(address(kubectl, "old"), requests=4) as load:
        kubectl.run("annotate", "agd", "old", f"{ADOPT}=Deployment/old,Service/old")
        await asyncio.to_thread(eventually, "the agent is ready", count, 120)

    assert load.tally.failures == {}
    assert min(seen) >= 3
    after = uids(kubectl, {"deploy": "old", "svc": "old"})
    assert (after["svc"] == before["svc"], after["deploy"] == before["deploy"]) == (True, False)
    deployment, service = kubectl.get("deploy", "old"), kubectl.get("svc", "old")
    assert [it["name"] for it in deployment["spec"]["template"]["spec"]["containers"]] == ["agent"]
    assert [it["targetPort"] for it in service["spec"]["ports"]] == ["http", "metrics"]


def _readiness(pod: Object) -> Object:
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((it for it in conditions if it["type"] == "Ready"), {})


async def test_a_deleted_agent_is_applied_again_and_adopts_what_it_left(kubectl: Kubectl) -> None:
    """`kubectl delete --cascade=orphan`, and a backup without owner references. Former revisions are adopted, too."""
    for number in range(3):
        kubectl.apply(make_agent("left", replicas=2, systemPrompt={"text": f"Prompt {number}."}))
        eventually("the revision is stored", partial(_has_revisions, kubectl, number + 1))
        kubectl.wait_for_condition("left", "Ready", "True", "Ready")
    names = dict.fromkeys(("deploy", "svc", "sa", "netpol", "pdb"), "left")
    before, revisions = uids(kubectl, names), _revisions(kubectl)
    agent = make_agent("left", replicas=2, systemPrompt={"text": "Prompt 2."})

    async with Load(address(kubectl, "left"), requests=4) as load:
        await asyncio.to_thread(kubectl.run, "delete", "agd", "left", "--cascade=orphan")
        kubectl.apply(agent | {"metadata": {"name": "left", "annotations": {ADOPT: "labeled"}}})
        await asyncio.to_thread(kubectl.wait_for_condition, "left", "Ready", "True", "Ready", 120)

    assert load.tally.failures == {}
    assert uids(kubectl, names) == before
    assert _revisions(kubectl) == revisions
    owner = kubectl.get("agd", "left")["metadata"]["uid"]
    for kind in ("deploy", "svc", "cm", "controllerrevisions"):
        for child in kubectl.list(kind, labels="agent-operator.dev/agent=left"):
            assert [it["uid"] for it in child["metadata"]["ownerReferences"]] == [owner]


def _has_revisions(kubectl: Kubectl, count: int) -> bool:
    return len(_revisions(kubectl)) == count


def _revisions(kubectl: Kubectl) -> set[str]:
    found = kubectl.list("controllerrevisions", labels="agent-operator.dev/agent=left")
    return {it["metadata"]["uid"] for it in found}


def test_an_object_that_another_controller_owns_is_never_adopted(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "boss"}})
    boss = kubectl.get("cm", "boss")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "boss", "uid": boss, "controller": True}
    service = hand_written("taken", {"containerPort": 8000})[-1]
    kubectl.apply(service | {"metadata": {"name": "taken", "ownerReferences": [owner]}})
    version = kubectl.get("svc", "taken")["metadata"]["resourceVersion"]

    agent = make_agent("taken")
    kubectl.apply(agent | {"metadata": {"name": "taken", "annotations": {ADOPT: "Service/taken,Secret"}}})

    message = kubectl.wait_for_condition("taken", "Ready", "False", "Conflict")["message"]
    assert "taken (controlled by ConfigMap boss) exists and does not belong" in message
    assert ADOPT not in message
    assert kubectl.get("svc", "taken")["metadata"]["resourceVersion"] == version
    assert kubectl.condition("taken", "Warning")["reason"] == "AdoptionInvalid"
    assert kubectl.get("deploy", "taken") is None
