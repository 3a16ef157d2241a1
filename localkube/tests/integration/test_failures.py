"""Pods that cannot start, that crash, or whose probes fail."""

from typing import Any

import aiohttp
import pytest

from localkube.cluster import LocalCluster

pytestmark = pytest.mark.local_only


async def test_an_unknown_image_is_reported_with_the_known_ones(
    kubectl: Any, until: Any, pod: Any, observed: Any
) -> None:
    await kubectl.apply(pod(containers=[{"name": "main", "image": "nginx:1"}]))
    await until(lambda: observed.waiting().get("reason") == "ErrImagePull")
    assert "known images: web:*, sh:*" in observed.waiting()["message"]
    await until(lambda: observed.waiting().get("reason") == "ImagePullBackOff")
    assert "ImagePullBackOff" in await kubectl("get", "pod", "one")
    assert any("Failed to pull image" in message for message in observed.events("Failed"))


async def test_a_missing_secret_key_is_reported_until_it_exists(
    kubectl: Any, until: Any, pod: Any, shell: Any, secret: Any, observed: Any
) -> None:
    await kubectl.apply(secret("hidden", "other"))
    value = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "password"}}}
    await kubectl.apply(pod(containers=[shell("exec sleep 1000", env=[value])]))
    await until(lambda: observed.waiting().get("reason") == "CreateContainerConfigError")
    assert observed.waiting()["message"] == "couldn't find key password in Secret default/hidden"
    await kubectl("patch", "secret", "hidden", "-p", '{"stringData": {"password": "x"}}')
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")


async def test_a_missing_secret_is_reported(kubectl: Any, until: Any, pod: Any, shell: Any, observed: Any) -> None:
    await kubectl.apply(pod(containers=[shell("exec sleep 1000", envFrom=[{"secretRef": {"name": "no"}}])]))
    await until(lambda: observed.waiting().get("message") == 'secret "no" not found')


async def test_a_pod_waits_for_its_volume_source(
    kubectl: Any, until: Any, pod: Any, config_map: Any, observed: Any
) -> None:
    volume = {"name": "settings", "configMap": {"name": "late"}}
    await kubectl.apply(pod(volumes=[volume]))
    message = 'MountVolume.SetUp failed for volume "settings" : configmap "late" not found'
    await until(lambda: message in observed.events("FailedMount"))
    assert observed.waiting()["reason"] == "ContainerCreating"
    await kubectl.apply(config_map("late", {"a": "b"}))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")


async def test_a_crash_loop_backs_off_and_keeps_the_last_state(
    kubectl: Any, until: Any, pod: Any, shell: Any, observed: Any
) -> None:
    script = "echo it broke; exit 7"
    await kubectl.apply(pod(containers=[shell(script, terminationMessagePolicy="FallbackToLogsOnError")]))
    await until(lambda: observed.waiting().get("reason") == "CrashLoopBackOff")
    found = observed.state()
    assert found["lastState"]["terminated"] | {"startedAt": "", "finishedAt": ""} == {
        "exitCode": 7,
        "reason": "Error",
        "message": "it broke\n",
        "startedAt": "",
        "finishedAt": "",
    }
    assert found["restartCount"] >= 1
    assert observed.waiting()["message"].startswith("back-off 10s restarting failed container=main pod=one_default(")
    assert "it broke" in await kubectl("logs", "one", "--previous")


async def test_a_failing_readiness_probe_keeps_the_pod_out_of_the_service(
    cluster: LocalCluster, kubectl: Any, deployment: Any, service: dict[str, Any], until: Any, observed: Any
) -> None:
    await kubectl.apply(deployment(env=[{"name": "READY", "value": "never"}]), service)
    await until(lambda: any("statuscode: 503" in message for message in observed.events("Unhealthy")))
    (found,) = cluster.registry.list("endpointslices.discovery.k8s.io", "default")
    assert [endpoint["conditions"]["ready"] for endpoint in found["endpoints"]] == [False]
    address = cluster.service_address("default", "web", 8080)
    assert address
    host, port = address
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"http://{host}:{port}/", timeout=aiohttp.ClientTimeout(5))


async def test_a_failing_liveness_probe_restarts_the_container(
    cluster: LocalCluster, kubectl: Any, until: Any, pod: Any, shell: Any, observed: Any
) -> None:
    script = "trap 'exit 0' TERM; touch alive; while true; do sleep 0.1; done"
    probe = {"exec": {"command": ["test", "-f", "alive"]}, "periodSeconds": 1, "failureThreshold": 2}
    await kubectl.apply(pod(containers=[shell(script, livenessProbe=probe)]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    uid = cluster.registry.get("pods", "default", "one")["metadata"]["uid"]
    assert cluster.state_dir
    (cluster.state_dir / "pods" / uid / "rootfs" / "main" / "alive").unlink()
    await until(lambda: observed.state()["restartCount"] == 1 and "running" in observed.state()["state"])
    assert "Container main failed liveness probe, will be restarted" in observed.events("Killing")


async def test_other_probes_wait_for_the_startup_probe(kubectl: Any, pod: Any, shell: Any, observed: Any) -> None:
    script = "sleep 0.6; touch up; exec sleep 1000"
    startup = {"exec": {"command": ["test", "-f", "up"]}, "periodSeconds": 1, "failureThreshold": 100}
    liveness = {"exec": {"command": ["test", "-f", "up"]}, "periodSeconds": 1, "failureThreshold": 1}
    await kubectl.apply(pod(containers=[shell(script, startupProbe=startup, livenessProbe=liveness)]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    assert observed.state()["restartCount"] == 0
    assert observed.state()["started"] is True


async def test_a_tcp_probe_needs_a_listener(
    kubectl: Any, deployment: Any, until: Any, pod: Any, shell: Any, observed: Any
) -> None:
    await kubectl.apply(deployment(readinessProbe={"tcpSocket": {"port": "http"}, "periodSeconds": 1}))
    await kubectl("rollout", "status", "deployment/web")
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1}
    await kubectl.apply(pod(containers=[shell("exec sleep 1000", readinessProbe=probe)]))
    await until(lambda: any("connect: connection refused" in message for message in observed.events("Unhealthy")))


async def test_a_failing_init_container_is_restarted(cluster: LocalCluster, kubectl: Any, pod: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/data"}]}
    init = {"name": "init", "image": "sh:1", "args": ["test -e /data/x || { touch /data/x; exit 1; }"], **mount}
    await kubectl.apply(pod(initContainers=[init], volumes=[{"name": "work", "emptyDir": {}}]))
    await kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=120s")
    assert cluster.registry.get("pods", "default", "one")["status"]["initContainerStatuses"][0]["restartCount"] == 1


async def test_a_failing_post_start_hook_stops_the_container(
    kubectl: Any, until: Any, pod: Any, shell: Any, observed: Any
) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 1"]}}}
    main = shell("exec sleep 1000", lifecycle=hook)
    await kubectl.apply(pod(containers=[main], terminationGracePeriodSeconds=1))
    await until(lambda: "PostStartHook failed: no" in observed.events("FailedPostStartHook"))
    await until(lambda: observed.state().get("restartCount", 0) >= 1)


async def test_a_missing_command_is_a_start_error(kubectl: Any, until: Any, pod: Any, observed: Any) -> None:
    await kubectl.apply(pod(containers=[{"name": "main", "image": "sh:1", "command": ["/no/such"]}]))
    last = await until(lambda: observed.state().get("lastState", {}).get("terminated"))
    assert (last["reason"], last["exitCode"]) == ("StartError", 128)
    assert '"/no/such"' in last["message"]
