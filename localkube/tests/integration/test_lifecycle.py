"""Starting and ending clusters: nothing is left behind, two do not disturb each other; modes without processes."""

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

# A cluster in a process of its own, with the pod above; says the pid of the pod's process.
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


async def test_nothing_is_left_when_the_cluster_is_killed(tmp_path: Path, until: Any) -> None:
    """SIGKILL gives the cluster no chance: its reaper ends the pod, children and all."""
    child, pid = await start(tmp_path)
    assert len(group(pid)) == 2, "a shell and its child"
    child.kill()
    await child.wait()
    await until(lambda: not group(pid))


async def test_nothing_is_left_when_the_cluster_ends(until: Any, tmp_path: Path) -> None:
    async with LocalCluster(images=IMAGES, state_dir=tmp_path) as cluster:
        await run_pod(cluster, until)
        status = cluster.registry.get("pods", "default", "one")["status"]
        pid = int(status["containerStatuses"][0]["containerID"].removeprefix("local://"))
        cluster.registry.delete("pods", "default", "one", grace=1)
        assert group(pid)
    assert not group(pid)


async def test_leftovers_of_a_killed_cluster_and_reaper_end_at_the_next_start(tmp_path: Path, until: Any) -> None:
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


async def test_two_clusters_have_addresses_of_their_own(tmp_path: Path, until: Any) -> None:
    async with LocalCluster(images=IMAGES) as one, LocalCluster(images=IMAGES) as two:
        for cluster in (one, two):
            pod = {**POD, "spec": {**POD["spec"], "terminationGracePeriodSeconds": 0}}
            cluster.registry.create("pods", "default", pod, manager="test")
            await until(lambda cluster=cluster: ready(cluster))
        addresses = {c.registry.get("pods", "default", "one")["status"]["podIP"] for c in (one, two)}
        assert len(addresses) == 2
        for cluster in (one, two):
            cluster.registry.delete("pods", "default", "one", grace=0)


async def test_a_directory_has_one_cluster(tmp_path: Path) -> None:
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


async def test_stand_ins_are_ready_and_go_at_once(deployment: Any, until: Any) -> None:
    async with LocalCluster(stand_in=True) as cluster:
        registry = cluster.registry
        registry.create("deployments.apps", "default", deployment(replicas=3), manager="test")
        await until(lambda: registry.get("deployments.apps", "default", "web")["status"].get("availableReplicas") == 3)
        registry.delete("deployments.apps", "default", "web")
        await until(lambda: not registry.list("pods", "default"))


def test_an_open_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="token must not be empty"):
        LocalCluster(token="")


async def test_the_kubeconfig_is_private(tmp_path: Path) -> None:
    async with LocalCluster(run_pods=False) as cluster:
        path = tmp_path / "kubeconfig"
        cluster.write_kubeconfig(path)
        assert path.stat().st_mode & 0o077 == 0
        assert yaml.safe_load(path.read_text()) == cluster.kubeconfig()
        assert cluster.token not in repr(cluster)


async def fetch(cluster: LocalCluster, path: str) -> str:
    """The answer of the Service `web`."""
    address = cluster.service_address("default", "web", 8080)
    assert address is not None
    url = f"http://{address[0]}:{address[1]}{path}"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.text()


async def test_a_state_file_brings_objects_and_pods_back(
    tmp_path: Path, web_image: list[str], deployment: Any, service: dict[str, Any], until: Any
) -> None:
    """The same pods run again after a restart of the cluster, as after one of a node."""
    settings: dict[str, Any] = {
        "images": {"web:*": web_image},
        "state_dir": tmp_path / "node",
        "state_file": tmp_path / "state.json",
        "probe_time_scale": 0.1,
    }

    def available(cluster: LocalCluster) -> bool:
        found = cluster.registry.get("deployments.apps", "default", "web").get("status", {})
        (pod,) = cluster.registry.list("pods", "default") or [{}]
        running = pod.get("status", {}).get("containerStatuses") or [{}]
        return found.get("availableReplicas") == 1 and running[0].get("ready", False)

    async with LocalCluster(**settings) as cluster:
        cluster.registry.create("services", "default", service, manager="test")
        cluster.registry.create("deployments.apps", "default", deployment(), manager="test")
        await until(lambda: available(cluster))
        before = cluster.registry.list("pods", "default")[0]["metadata"]["uid"]
    async with LocalCluster(**settings) as cluster:
        pod = cluster.registry.list("pods", "default")[0]
        await until(lambda: available(cluster) and cluster.service_address("default", "web", 8080))
        pod = cluster.registry.list("pods", "default")[0]
        assert pod["metadata"]["uid"] == before
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
        assert await fetch(cluster, "/env/HOSTNAME") == pod["metadata"]["name"]


async def test_where_there_is_one_loopback_address_every_port_is_a_free_one(
    web_image: list[str], deployment: Any, service: dict[str, Any], until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: pods, probes, Endpoints and the Service proxy agree on the ports found."""
    monkeypatch.setattr(addresses, "has_loopback_network", lambda: False)
    monkeypatch.setattr(addresses.SharedLoopback, "services", "192.0.2.0/24")  # nowhere, as 127.64 is there
    async with LocalCluster(images={"web:*": web_image}, probe_time_scale=0.1) as cluster:
        registry = cluster.registry
        registry.create("services", "default", service, manager="test")
        registry.create("deployments.apps", "default", deployment(replicas=2), manager="test")
        await until(lambda: registry.get("deployments.apps", "default", "web")["status"].get("availableReplicas") == 2)
        subsets = await until(lambda: registry.get("endpoints", "default", "web").get("subsets"))
        ports = [port["port"] for subset in subsets for port in subset["ports"]]
        assert len(set(ports)) == 2
        assert 8000 not in ports
        await until(lambda: cluster.service_address("default", "web", 8080))
        assert await fetch(cluster, "/env/PORT_8000") in map(str, ports)
        told = [e["message"] for e in registry.list("events", "default") if e["reason"] == "ListensElsewhere"]
        address = cluster.service_address("default", "web", 8080)
        assert address
        assert told[0].endswith("the Service is at {}:{}".format(*address))
