"""Start and stop of clusters: no process remains, clusters are independent; modes without processes."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from localkube.cluster import LocalCluster
from localkube.node import addresses
from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one"},
    "spec": {"containers": [{"name": "main", "image": "sh:1", "args": ["trap '' TERM; sleep 1000 & wait; wait"]}]},
}
IMAGES = {"sh:*": ["/bin/sh", "-c"]}

# A cluster in a separate process, with the pod above. It prints the pid of the pod's process.
PROGRAM = """
import asyncio, sys
from pathlib import Path
import yaml
from localkube.cluster import LocalCluster
from localkube.node import addresses

async def main():
    async with LocalCluster(images={"sh:*": ["/bin/sh", "-c"]}, state_dir=Path(sys.argv[1])) as cluster:
        registry = cluster.registry
        registry.create("pods", "default", yaml.safe_load(sys.argv[2]), manager="test")
        while not (registry.get("pods", "default", "one")["status"].get("containerStatuses") or [{}])[0].get("ready"):
            await asyncio.sleep(0.02)
        status = registry.get("pods", "default", "one")["status"]
        print(status["containerStatuses"][0]["containerID"].removeprefix("local://"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def start(state_dir: Path) -> Any:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(state_dir), yaml.safe_dump(POD), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    return child, int(await asyncio.wait_for(child.stdout.readline(), DEADLINE))


def group(leader: int) -> Any:
    """The processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def reaper_of(parent: int) -> int:
    """The pid of a cluster's reaper."""
    return next(
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if int(stat.read_text().rpartition(")")[2].split()[1]) == parent
        and b"reaper" in (stat.parent / "cmdline").read_bytes()
    )


async def test_no_process_remains_when_the_cluster_is_killed(tmp_path: Path, until: Any) -> None:
    """The reaper ends the pod with all child processes."""
    child, pid = await start(tmp_path)
    assert len(group(pid)) == 2, "a shell and its child"
    child.kill()
    await child.wait()
    await until(lambda: not group(pid))


async def test_no_process_remains_when_the_cluster_stops(until: Any, tmp_path: Path) -> None:
    async with LocalCluster(images=IMAGES, state_dir=tmp_path) as cluster:
        await run_pod(cluster, until)
        status = cluster.registry.get("pods", "default", "one")["status"]
        pid = int(status["containerStatuses"][0]["containerID"].removeprefix("local://"))
        cluster.registry.delete("pods", "default", "one", grace=1)
        assert group(pid)
    assert not group(pid)


async def test_the_next_start_ends_processes_that_a_killed_reaper_left(tmp_path: Path, until: Any) -> None:
    child, pid = await start(tmp_path)
    os.kill(reaper_of(child.pid), signal.SIGKILL)
    child.kill()
    await child.wait()
    assert group(pid)
    async with LocalCluster(images=IMAGES, state_dir=tmp_path):
        await until(lambda: not group(pid))


async def run_pod(cluster: LocalCluster, until: Any) -> Any:
    cluster.registry.create("pods", "default", POD, manager="test")
    await until(lambda: ready(cluster))


def ready(cluster: LocalCluster) -> Any:
    conditions = cluster.registry.get("pods", "default", "one")["status"].get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def test_two_clusters_use_different_addresses(tmp_path: Path, until: Any) -> None:
    async with LocalCluster(images=IMAGES) as one, LocalCluster(images=IMAGES) as two:
        for cluster in (one, two):
            pod = {**POD, "spec": {**POD["spec"], "terminationGracePeriodSeconds": 0}}
            cluster.registry.create("pods", "default", pod, manager="test")
            await until(lambda cluster=cluster: ready(cluster))
        addresses = {c.registry.get("pods", "default", "one")["status"]["podIP"] for c in (one, two)}
        assert len(addresses) == 2
        for cluster in (one, two):
            cluster.registry.delete("pods", "default", "one", grace=0)


async def test_only_one_cluster_uses_a_directory(tmp_path: Path) -> None:
    async with LocalCluster(state_dir=tmp_path):
        with pytest.raises(RuntimeError, match="in use by another local cluster"):
            async with LocalCluster(state_dir=tmp_path):
                pass


async def test_without_a_node_pods_stay_pending(tmp_path: Path, until: Any) -> None:
    async with LocalCluster(run_pods=False) as cluster:
        cluster.registry.create("pods", "default", POD, manager="test")
        await until(lambda: cluster.registry.find("configmaps", "default", "kube-root-ca.crt"))
        assert cluster.registry.get("pods", "default", "one")["status"]["phase"] == "Pending"
        cluster.registry.delete("pods", "default", "one")
        assert cluster.registry.find("pods", "default", "one") is None


async def test_stand_in_pods_are_ready_and_are_removed_at_once(deployment: Any, until: Any) -> None:
    async with LocalCluster(stand_in=True) as cluster:
        registry = cluster.registry
        registry.create("deployments.apps", "default", deployment(replicas=3), manager="test")
        await until(lambda: registry.get("deployments.apps", "default", "web")["status"].get("availableReplicas") == 3)
        registry.delete("deployments.apps", "default", "web")
        await until(lambda: not registry.list("pods", "default"))


async def test_the_kubeconfig_is_private(tmp_path: Path) -> None:
    async with LocalCluster(run_pods=False) as cluster:
        path = tmp_path / "kubeconfig"
        cluster.write_kubeconfig(path)
        assert path.stat().st_mode & 0o077 == 0
        assert yaml.safe_load(path.read_text()) == cluster.kubeconfig()
        (user,) = cluster.kubeconfig()["users"]
        assert user["user"]["token"] not in repr(cluster)


async def fetch(cluster: LocalCluster, path: str) -> str:
    """The answer of the Service `web`."""
    address = cluster.service_address("default", "web", 8080)
    assert address is not None
    url = f"http://{address[0]}:{address[1]}{path}"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.text()


async def test_with_one_loopback_address_each_container_port_gets_a_free_port(
    web_image: list[str], deployment: Any, service: dict[str, Any], until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS. Pods, probes, EndpointSlices and the Service proxy use the same free ports."""
    monkeypatch.setattr(addresses, "has_loopback_network", lambda: False)
    monkeypatch.setattr(addresses.SharedLoopback, "services", "192.0.2.0/24")  # not local, like 127.64 on macOS
    async with LocalCluster(images={"web:*": web_image}, probe_time_scale=0.1) as cluster:
        registry = cluster.registry
        registry.create("services", "default", service, manager="test")
        registry.create("deployments.apps", "default", deployment(replicas=2), manager="test")
        await until(lambda: registry.get("deployments.apps", "default", "web")["status"].get("availableReplicas") == 2)
        slices = "endpointslices.discovery.k8s.io"
        await until(lambda: len(registry.list(slices, "default")) == 2)
        ports = [port["port"] for found in registry.list(slices, "default") for port in found["ports"]]
        assert len(set(ports)) == 2
        assert 8000 not in ports
        await until(lambda: cluster.service_address("default", "web", 8080))
        assert await fetch(cluster, "/env/PORT_8000") in map(str, ports)
        messages = [e["message"] for e in registry.list("events", "default") if e["reason"] == "ListensElsewhere"]
        address = cluster.service_address("default", "web", 8080)
        assert address
        assert messages[0].endswith("the Service listens on {}:{}".format(*address))
