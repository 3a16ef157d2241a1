"""The operator's image under the operator's manifests, with the cluster of localkube as its API server."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.e2e.kubectl import Kubectl, make_agent
from tests.images.conftest import POD_NAME, ROOT, USERS, Figure, Start, command, ends, eventually, http, pod_of
from tests.images.containers import User
from tests.images.volumes import Mount, write

OVERLAY = ROOT / "deploy" / "kustomize" / "overlays" / "cluster"
Object = dict[str, Any]
Account = tuple[Mount, dict[str, str]]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
NAMESPACE = "agent-operator-system"


@pytest.fixture(scope="module", name="objects")
def _objects() -> list[Object]:
    """Return the manifests of the overlay as `kubectl apply -k` sends them."""
    return command("kubectl", "kustomize", OVERLAY)


def install(kubectl: Kubectl, objects: list[Object]) -> None:
    """Install the CRDs and our manifests, but not the operator, nor its Service: localkube listens on its port."""
    everywhere = Kubectl(kubectl.kubeconfig, "")
    everywhere.run("apply", "--server-side", "-k", str(ROOT / "crds"))
    everywhere.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    kept = [obj for obj in objects if obj["kind"] not in ("Deployment", "PodDisruptionBudget", "Service")]
    text = yaml.safe_dump_all(kept)
    everywhere.run("apply", "--server-side", "-f", "-", stdin=text)


@pytest.fixture
def cluster(tmp_path: Path, objects: list[Object]) -> Iterator[Kubectl]:
    """A cluster with our manifests."""
    kubeconfig, log = tmp_path / "kubeconfig", tmp_path / "cluster.log"
    image = f"agent-operator/agent-runtime:*={sys.executable} -m agent_runtime"
    options: list[str | Path] = ["--kubeconfig", kubeconfig, "--state-dir", tmp_path / "cluster", "--image", image]
    with log.open("wb") as sink:
        process = subprocess.Popen([sys.executable, "-m", "localkube", *options], stdout=sink, stderr=sink)
    try:
        kubectl = Kubectl(kubeconfig)
        deadline = time.monotonic() + 60
        while not kubeconfig.exists() or kubectl.run("get", "--raw", "/readyz", check=False).returncode:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        install(kubectl, objects)
        yield kubectl
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def account(cluster: Kubectl, tmp_path: Path) -> Account:
    """The service account of a pod. localkube has no API for tokens, so the administrator's is used."""
    config = json.loads(cluster.out("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    server = config["clusters"][0]["cluster"]
    files = {
        "token": config["users"][0]["user"]["token"],
        "ca.crt": base64.b64decode(server["certificate-authority-data"]).decode(),
        "namespace": NAMESPACE,
    }
    address = urlsplit(server["server"])
    env = {"KUBERNETES_SERVICE_HOST": str(address.hostname), "KUBERNETES_SERVICE_PORT": str(address.port)}
    return Mount(write(tmp_path / "account", files), ACCOUNT), env


@pytest.mark.timeout(300)
@USERS
def test_the_operator_reconciles_an_agent(
    user: User | None, objects: list[Object], cluster: Kubectl, account: Account, start: Start, figure: Figure
) -> None:
    pod = pod_of(objects)
    token, env = account

    with start("operator", pod, objects, user, token, **env) as operator:
        eventually("ready", operator, lambda: http("http://127.0.0.1:8080/readyz")[0] == 200)
        figure(f"ready after {time.monotonic() - operator.began:.1f} s")
        cluster.apply(make_agent("support"))
        eventually("the agent", operator, lambda: cluster.condition("support", "Ready").get("status") == "True")
        lease = json.loads(cluster.out("get", "lease", "agent-operator", f"--namespace={NAMESPACE}", "-o", "json"))
        assert lease["spec"]["holderIdentity"] == POD_NAME
        figure(f"ended {ends(operator, pod):.1f} s after SIGTERM")
