"""Pods as processes: environment, files, logs and termination."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localkube.cluster import LocalCluster
from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only


async def get(pod: dict[str, Any], path: str) -> Any:
    async with aiohttp.ClientSession() as client, client.get(f"http://{pod['status']['podIP']}:8000{path}") as answer:
        return await answer.text()


async def test_the_process_gets_environment_files_and_paths(
    kubectl: Any, deployment: Any, pods: Any, config_map: Any, secret: Any
) -> None:
    """Values, expansions, keys of ConfigMaps and Secrets, fields; mount paths in args and values."""
    await kubectl.apply(config_map("settings", {"a.txt": "from the map", "KEY": "value"}), secret("hidden", "password"))
    wanted = deployment(
        args=["/etc/app/a.txt", "--secret=/unrelated", "/run/secret/password", "/etc/part.txt"],
        env=[
            {"name": "WHO", "value": "me"},
            {"name": "GREETING", "value": "hello $(WHO) $$(WHO) $(NOBODY)"},
            {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "KEY"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "password"}}},
            {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "CONFIG", "value": "/etc/app"},
        ],
        envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "MAP_"}],
        resources={"limits": {"cpu": "1500m"}},
        volumeMounts=[
            {"name": "settings", "mountPath": "/etc/app"},
            {"name": "hidden", "mountPath": "/run/secret"},
            {"name": "settings", "mountPath": "/etc/part.txt", "subPath": "a.txt"},
        ],
    )
    wanted["spec"]["template"]["spec"]["volumes"] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "hidden", "secret": {"secretName": "hidden"}},
    ]
    await kubectl.apply(wanted)
    await kubectl("rollout", "status", "deployment/web")
    (found,) = pods()
    environment = {
        "GREETING": "hello me $(WHO) $(NOBODY)",
        "FROM_MAP": "value",
        "MAP_KEY": "value",
        "PASSWORD": "xyzzy",
        "MAYBE": "(unset)",
        "POD_IP": found["status"]["podIP"],
        "CPUS": "2",
    }
    for name, value in environment.items():
        assert await get(found, f"/env/{name}") == value
    assert (Path(await get(found, "/env/CONFIG")) / "a.txt").read_text() == "from the map"
    assert await get(found, "/file/1") == "from the map"
    assert await get(found, "/file/3") == "xyzzy"
    assert await get(found, "/file/4") == "from the map"


@pytest.fixture
def callers_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in the environment of the caller; request this fixture before the cluster."""
    monkeypatch.setenv("OPENAI_API_KEY", "mine")


async def test_the_callers_secrets_are_not_inherited(
    callers_key: None, kubectl: Any, deployment: Any, pods: Any
) -> None:
    await kubectl.apply(deployment())
    await kubectl("rollout", "status", "deployment/web")
    (found,) = pods()
    assert await get(found, "/env/OPENAI_API_KEY") == "(unset)"
    assert await get(found, "/env/HOME") != str(Path.home())


async def test_a_changed_config_map_changes_the_mounted_files(
    kubectl: Any, deployment: Any, pods: Any, until: Any, config_map: Any
) -> None:
    await kubectl.apply(config_map("settings", {"a.txt": "old"}))
    wanted = deployment(args=["/etc/app/a.txt"], volumeMounts=[{"name": "settings", "mountPath": "/etc/app"}])
    wanted["spec"]["template"]["spec"]["volumes"] = [{"name": "settings", "configMap": {"name": "settings"}}]
    await kubectl.apply(wanted)
    await kubectl("rollout", "status", "deployment/web")
    await kubectl("patch", "configmap", "settings", "-p", '{"data": {"a.txt": "new"}}')
    (found,) = pods()
    path = Path(await get(found, "/env/HOME")) / "etc/app/a.txt"
    await until(lambda: path.read_text() == "new")
    assert await get(found, "/file/1") == "new"


async def test_a_pod_with_restart_policy_never_finishes(kubectl: Any, pod: Any, shell: Any) -> None:
    await kubectl.apply(pod(containers=[shell("exit 0")], restartPolicy="Never"))
    await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", "--timeout=120s")
    await kubectl.apply(pod("two", containers=[shell("exit 1")], restartPolicy="Never"))
    await kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/two", "--timeout=120s")


async def test_init_containers_run_in_sequence_before_the_containers(kubectl: Any, pod: Any, shell: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/data"}]}
    init = [
        {"name": "first", "image": "sh:1", "args": ["echo 1 >> /data/order"], **mount},
        {"name": "second", "image": "sh:1", "args": ["echo 2 >> /data/order"], **mount},
    ]
    main = shell("echo 3 >> /data/order; cat /data/order; exec sleep 1000", **mount)
    await kubectl.apply(pod(containers=[main], initContainers=init, volumes=[{"name": "work", "emptyDir": {}}]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    assert (await kubectl("logs", "one", "-c", "main")).split() == ["1", "2", "3"]


async def test_logs_follow_tail_and_timestamps(cluster: LocalCluster, kubectl: Any, pod: Any, shell: Any) -> None:
    script = "for i in 1 2 3; do echo line $i; done; read go < /data/go; echo the end"
    main = shell(f"mkfifo /data/go; {script}", volumeMounts=[{"name": "work", "mountPath": "/data"}])
    await kubectl.apply(pod(containers=[main], restartPolicy="Never", volumes=[{"name": "work", "emptyDir": {}}]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    follower = await kubectl.start("logs", "-f", "one")
    for number in (1, 2, 3):
        assert await asyncio.wait_for(follower.stdout.readline(), DEADLINE) == f"line {number}\n".encode()
    assert await kubectl("logs", "one", "--tail=1") == "line 3\n"
    stamped = await kubectl("logs", "one", "--timestamps", "--tail=1")
    assert len(stamped.split()[0]) == len("2026-01-01T00:00:00.000000000Z")
    assert await kubectl("logs", "one", "--since=1h", "--tail=1") == "line 3\n"
    uid = cluster.registry.get("pods", "default", "one")["metadata"]["uid"]
    assert cluster.state_dir
    fifo = cluster.state_dir / "pods" / uid / "volumes" / "work" / "go"
    await asyncio.to_thread(fifo.write_text, "go\n")
    rest, _ = await asyncio.wait_for(follower.communicate(), DEADLINE)
    assert rest == b"the end\n"


async def test_sigterm_then_sigkill_after_the_grace_period(
    cluster: LocalCluster, kubectl: Any, pod: Any, shell: Any
) -> None:
    """A process that handles SIGTERM ends; one that ignores it is killed after the grace period."""
    polite = shell("trap 'echo bye > /data/bye; exit 0' TERM; while true; do sleep 0.05; done")
    polite["volumeMounts"] = [{"name": "work", "mountPath": "/data"}]
    assert cluster.state_dir
    shared = cluster.state_dir / "shared"
    shared.mkdir()
    volume = {"name": "work", "hostPath": {"path": str(shared)}}
    await kubectl.apply(pod(containers=[polite], volumes=[volume], terminationGracePeriodSeconds=20))
    stubborn = shell("trap '' TERM; while true; do sleep 0.05; done")
    await kubectl.apply(pod("two", containers=[stubborn], terminationGracePeriodSeconds=1))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "pod/two", "--timeout=120s")
    await kubectl("delete", "pod", "one", "two")
    assert (shared / "bye").read_text() == "bye\n"


async def test_pre_stop_runs_before_sigterm(cluster: LocalCluster, kubectl: Any, pod: Any, shell: Any) -> None:
    assert cluster.state_dir
    shared = cluster.state_dir / "shared"
    shared.mkdir()
    main = shell(f"trap 'echo term >> {shared}/order; exit 0' TERM; while true; do sleep 0.05; done")
    main["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", f"echo prestop >> {shared}/order"]}}}
    await kubectl.apply(pod(containers=[main]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    await kubectl("delete", "pod", "one")
    assert (shared / "order").read_text().split() == ["prestop", "term"]


async def test_a_forced_deletion_kills_the_process(
    kubectl: Any, until: Any, pod: Any, shell: Any, observed: Any
) -> None:
    await kubectl.apply(pod(containers=[shell("trap '' TERM; while true; do sleep 0.05; done")]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    pid = int(observed.state()["containerID"].removeprefix("local://"))
    await kubectl("delete", "pod", "one", "--force", "--grace-period=0")
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_describe_shows_the_events_of_a_pod(kubectl: Any, pod: Any) -> None:
    await kubectl.apply(pod())
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    shown = await kubectl("describe", "pod", "one")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in shown
    found = json.loads(await kubectl("get", "pod", "one", "-o", "json"))["status"]["conditions"]
    types = {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}
    assert {c["type"] for c in found if c["status"] == "True"} == types


async def test_child_processes_end_with_the_container(kubectl: Any, until: Any, pod: Any, shell: Any) -> None:
    """A background process ends with the first process of its container."""
    await kubectl.apply(pod(containers=[shell("sleep 1000 & echo $!; wait")], terminationGracePeriodSeconds=1))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    child = int(await kubectl("logs", "one"))
    os.kill(child, 0)
    await kubectl("delete", "pod", "one")
    await until(lambda: not Path(f"/proc/{child}").exists())


async def test_a_sidecar_starts_first_and_keeps_running(cluster: LocalCluster, kubectl: Any, pod: Any) -> None:
    sidecar = {"name": "side", "image": "sh:1", "args": ["echo up; exec sleep 1000"], "restartPolicy": "Always"}
    await kubectl.apply(pod(initContainers=[sidecar]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    found = cluster.registry.get("pods", "default", "one")["status"]
    assert found["initContainerStatuses"][0]["ready"] is True
    assert "running" in found["initContainerStatuses"][0]["state"]


async def test_missing_logs_are_reported(kubectl: Any, until: Any, pod: Any, observed: Any) -> None:
    await kubectl.apply(pod(containers=[{"name": "main", "image": "nginx:1"}]))
    await until(observed.waiting)
    assert "is waiting to start" in await kubectl("logs", "one", fails=True)
    await kubectl.apply(pod("two"))
    await kubectl("wait", "--for=condition=Ready", "pod/two", "--timeout=120s")
    shown = await kubectl("logs", "two", "--previous", fails=True)
    assert 'previous terminated container "main" in pod "two" not found' in shown


async def test_unsupported_pod_features_are_reported(kubectl: Any, pod: Any) -> None:
    await kubectl.apply(pod())
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    assert "does not implement" in await kubectl("exec", "-i", "one", "--", "true", fails=True)
