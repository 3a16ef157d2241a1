"""Pods as processes: what they are given, how they fail, how they end."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local_cluster.cluster import LocalCluster

pytestmark = pytest.mark.local_only


def pod(name: str = "one", *, containers: list[dict[str, Any]] | None = None, **spec: Any) -> Any:
    """A pod; without containers, one that a shell runs for long."""
    found = containers or [{"name": "main", "image": "sh:1", "args": ["exec sleep 1000"]}]
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": found, **spec}}


def shell(script: str, **more: Any) -> Any:
    """A container that runs a shell script."""
    return {"name": "main", "image": "sh:1", "args": [script], **more}


def config_map(name: str, data: dict[str, str]) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, key: str) -> Any:
    """A Secret whose one key has the value xyzzy."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: "xyzzy"}}


def state_of(cluster: LocalCluster, name: str = "one") -> Any:
    """The first container's status."""
    found = cluster.registry.find("pods", "default", name)
    return ((found or {}).get("status", {}).get("containerStatuses") or [{}])[0]


def waiting(cluster: LocalCluster, name: str = "one") -> Any:
    return state_of(cluster, name).get("state", {}).get("waiting", {})


def events_of(cluster: LocalCluster, reason: str) -> Any:
    return [e["message"] for e in cluster.registry.list("events", "default") if e["reason"] == reason]


async def get(pod: dict[str, Any], path: str) -> Any:
    async with aiohttp.ClientSession() as client, client.get(f"http://{pod['status']['podIP']}:8000{path}") as answer:
        return await answer.text()


async def test_environment_files_and_paths_reach_the_process(kubectl: Any, deployment: Any, pods: Any) -> None:
    """Values, expansions, ConfigMap and Secret keys, fields; volumes are where args and values say."""
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


async def test_the_callers_secrets_are_not_inherited(
    kubectl: Any, deployment: Any, pods: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "mine")
    await kubectl.apply(deployment())
    await kubectl("rollout", "status", "deployment/web")
    (found,) = pods()
    assert await get(found, "/env/OPENAI_API_KEY") == "(unset)"
    assert await get(found, "/env/HOME") != str(Path.home())


async def test_a_changed_config_map_changes_the_mounted_files(
    kubectl: Any, deployment: Any, pods: Any, until: Any
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


async def test_an_unknown_image_is_told_with_the_known_ones(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    await kubectl.apply(pod(containers=[{"name": "main", "image": "nginx:1"}]))
    await until(lambda: waiting(cluster).get("reason") == "ErrImagePull")
    assert "known images: web:*, sh:*" in waiting(cluster)["message"]
    await until(lambda: waiting(cluster).get("reason") == "ImagePullBackOff")
    assert "ImagePullBackOff" in await kubectl("get", "pod", "one")
    assert any("Failed to pull image" in message for message in events_of(cluster, "Failed"))


async def test_a_missing_secret_key_is_told_and_heals(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    await kubectl.apply(secret("hidden", "other"))
    value = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "password"}}}
    await kubectl.apply(pod(containers=[shell("exec sleep 1000", env=[value])]))
    await until(lambda: waiting(cluster).get("reason") == "CreateContainerConfigError")
    assert waiting(cluster)["message"] == "couldn't find key password in Secret default/hidden"
    await kubectl("patch", "secret", "hidden", "-p", '{"stringData": {"password": "x"}}')
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")


async def test_a_missing_secret_is_told(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    await kubectl.apply(pod(containers=[shell("exec sleep 1000", envFrom=[{"secretRef": {"name": "no"}}])]))
    await until(lambda: waiting(cluster).get("message") == 'secret "no" not found')


async def test_a_missing_volume_source_keeps_the_pod_creating_until_it_comes(
    cluster: LocalCluster, kubectl: Any, until: Any
) -> None:
    volume = {"name": "settings", "configMap": {"name": "late"}}
    await kubectl.apply(pod(volumes=[volume]))
    told = 'MountVolume.SetUp failed for volume "settings" : configmap "late" not found'
    await until(lambda: told in events_of(cluster, "FailedMount"))
    assert waiting(cluster)["reason"] == "ContainerCreating"
    await kubectl.apply(config_map("late", {"a": "b"}))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")


async def test_a_crash_loop_backs_off_and_keeps_the_last_state(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    script = "echo it broke; exit 7"
    await kubectl.apply(pod(containers=[shell(script, terminationMessagePolicy="FallbackToLogsOnError")]))
    await until(lambda: waiting(cluster).get("reason") == "CrashLoopBackOff")
    found = state_of(cluster)
    assert found["lastState"]["terminated"] | {"startedAt": "", "finishedAt": ""} == {
        "exitCode": 7,
        "reason": "Error",
        "message": "it broke\n",
        "startedAt": "",
        "finishedAt": "",
    }
    assert found["restartCount"] >= 1
    assert waiting(cluster)["message"].startswith("back-off 10s restarting failed container=main pod=one_default(")
    assert "it broke" in await kubectl("logs", "one", "--previous")


async def test_restart_policy_never_ends_the_pod(kubectl: Any) -> None:
    await kubectl.apply(pod(containers=[shell("exit 0")], restartPolicy="Never"))
    await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/one", "--timeout=20s")
    await kubectl.apply(pod("two", containers=[shell("exit 1")], restartPolicy="Never"))
    await kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/two", "--timeout=20s")


async def test_a_failing_readiness_probe_keeps_the_pod_out_of_the_service(
    cluster: LocalCluster, kubectl: Any, deployment: Any, service: dict[str, Any], until: Any
) -> None:
    await kubectl.apply(deployment(env=[{"name": "READY", "value": "never"}]), service)
    await until(lambda: any("statuscode: 503" in message for message in events_of(cluster, "Unhealthy")))
    found = cluster.registry.get("endpoints", "default", "web")["subsets"][0]
    assert "addresses" not in found
    assert found["notReadyAddresses"]
    host, port = cluster.service_address("default", "web", 8080)
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"http://{host}:{port}/", timeout=aiohttp.ClientTimeout(5))


async def test_a_failing_liveness_probe_restarts_the_container(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    script = "trap 'exit 0' TERM; touch alive; while true; do sleep 0.1; done"
    probe = {"exec": {"command": ["test", "-f", "alive"]}, "periodSeconds": 1, "failureThreshold": 2}
    await kubectl.apply(pod(containers=[shell(script, livenessProbe=probe)]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    uid = cluster.registry.get("pods", "default", "one")["metadata"]["uid"]
    (cluster.state_dir / "pods" / uid / "rootfs" / "main" / "alive").unlink()
    await until(lambda: state_of(cluster)["restartCount"] == 1 and "running" in state_of(cluster)["state"])
    assert "Container main failed liveness probe, will be restarted" in events_of(cluster, "Killing")


async def test_a_startup_probe_holds_the_others_back(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    script = "sleep 0.6; touch up; exec sleep 1000"
    startup = {"exec": {"command": ["test", "-f", "up"]}, "periodSeconds": 1, "failureThreshold": 100}
    liveness = {"exec": {"command": ["test", "-f", "up"]}, "periodSeconds": 1, "failureThreshold": 1}
    await kubectl.apply(pod(containers=[shell(script, startupProbe=startup, livenessProbe=liveness)]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    assert state_of(cluster)["restartCount"] == 0
    assert state_of(cluster)["started"] is True


async def test_init_containers_run_one_after_the_other_before_the_others(kubectl: Any, cluster: LocalCluster) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    init = [
        {"name": "first", "image": "sh:1", "args": ["echo 1 >> /work/order"], **mount},
        {"name": "second", "image": "sh:1", "args": ["echo 2 >> /work/order"], **mount},
    ]
    main = shell("echo 3 >> /work/order; cat /work/order; exec sleep 1000", **mount)
    await kubectl.apply(pod(containers=[main], initContainers=init, volumes=[{"name": "work", "emptyDir": {}}]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    assert (await kubectl("logs", "one", "-c", "main")).split() == ["1", "2", "3"]


async def test_logs_follow_tail_and_timestamps(cluster: LocalCluster, kubectl: Any) -> None:
    script = "for i in 1 2 3; do echo line $i; done; read go < /work/go; echo the end"
    main = shell(f"mkfifo /work/go; {script}", volumeMounts=[{"name": "work", "mountPath": "/work"}])
    await kubectl.apply(pod(containers=[main], restartPolicy="Never", volumes=[{"name": "work", "emptyDir": {}}]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    follower = await kubectl.start("logs", "-f", "one")
    for number in (1, 2, 3):
        assert await asyncio.wait_for(follower.stdout.readline(), 20) == f"line {number}\n".encode()
    assert await kubectl("logs", "one", "--tail=1") == "line 3\n"
    stamped = await kubectl("logs", "one", "--timestamps", "--tail=1")
    assert len(stamped.split()[0]) == len("2026-01-01T00:00:00.000000000Z")
    assert await kubectl("logs", "one", "--since=1h", "--tail=1") == "line 3\n"
    uid = cluster.registry.get("pods", "default", "one")["metadata"]["uid"]
    fifo = cluster.state_dir / "pods" / uid / "volumes" / "work" / "go"
    await asyncio.to_thread(fifo.write_text, "go\n")
    rest, _ = await asyncio.wait_for(follower.communicate(), 20)
    assert rest == b"the end\n"


async def test_sigterm_then_sigkill_after_the_grace_period(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    """A process that handles SIGTERM ends by itself; one that ignores it is killed when its grace is over."""
    polite = shell("trap 'echo bye > /work/bye; exit 0' TERM; while true; do sleep 0.05; done")
    polite["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    shared = cluster.state_dir / "shared"
    shared.mkdir()
    volume = {"name": "work", "hostPath": {"path": str(shared)}}
    await kubectl.apply(pod(containers=[polite], volumes=[volume], terminationGracePeriodSeconds=20))
    stubborn = shell("trap '' TERM; while true; do sleep 0.05; done")
    await kubectl.apply(pod("two", containers=[stubborn], terminationGracePeriodSeconds=1))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "pod/two", "--timeout=20s")
    await kubectl("delete", "pod", "one", "two")
    assert (shared / "bye").read_text() == "bye\n"


async def test_pre_stop_runs_before_sigterm(cluster: LocalCluster, kubectl: Any) -> None:
    shared = cluster.state_dir / "shared"
    shared.mkdir()
    main = shell(f"trap 'echo term >> {shared}/order; exit 0' TERM; while true; do sleep 0.05; done")
    main["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", f"echo prestop >> {shared}/order"]}}}
    await kubectl.apply(pod(containers=[main]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    await kubectl("delete", "pod", "one")
    assert (shared / "order").read_text().split() == ["prestop", "term"]


async def test_a_forced_deletion_ends_the_process_at_once(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    await kubectl.apply(pod(containers=[shell("trap '' TERM; while true; do sleep 0.05; done")]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    pid = int(state_of(cluster)["containerID"].removeprefix("local://"))
    await kubectl("delete", "pod", "one", "--force", "--grace-period=0")
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_describe_shows_the_story_of_a_pod(kubectl: Any) -> None:
    await kubectl.apply(pod())
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    shown = await kubectl("describe", "pod", "one")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in shown
    found = json.loads(await kubectl("get", "pod", "one", "-o", "json"))["status"]["conditions"]
    types = {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"}
    assert {c["type"] for c in found if c["status"] == "True"} == types


async def test_what_pods_start_ends_with_them(cluster: LocalCluster, kubectl: Any, until: Any) -> None:
    """A background child dies with its container's first process."""
    await kubectl.apply(pod(containers=[shell("sleep 1000 & echo $!; wait")], terminationGracePeriodSeconds=1))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=20s")
    child = int(await kubectl("logs", "one"))
    os.kill(child, 0)
    await kubectl("delete", "pod", "one")
    await until(lambda: not Path(f"/proc/{child}").exists())
