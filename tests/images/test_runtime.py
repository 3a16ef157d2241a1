"""The runtime image with the manifests of `agentctl render`, and with the manifests of the seed."""

import json
import re
import time
from typing import Any

import yaml

from tests.e2e.kubectl import make_agent
from tests.images.conftest import ROOT, USERS, Figure, Start, command, ends, eventually, http, pod_of
from tests.images.containers import Container, User

Object = dict[str, Any]
SEED = ROOT / "tests" / "golden" / "seed.md"
# An echo model, because the test is offline. As in the seed, the path of the prompt is relative to /app.
SEED_CONFIG = """
[agent]
system_prompt = "config/system_prompt.txt"
default_model = "echo"

[[agent.models]]
name = "echo"
provider = "echo"
"""


def serves(container: Container) -> None:
    """Assert that an agent is ready, answers, and counts the request."""
    eventually("ready", container, lambda: http("http://127.0.0.1:8000/health/ready")[0] == 200)
    status, answer = http("http://127.0.0.1:8000/api/chat", {"message": "hello container"})
    assert status == 200, answer
    assert "hello container" in answer
    status, metrics = http("http://127.0.0.1:9090/metrics")
    assert status == 200
    assert re.search(r"_requests_total\{[^}]*\} 1\.0", metrics), metrics


@USERS
def test_the_runtime_serves_what_the_operator_renders(user: User | None, start: Start, figure: Figure) -> None:
    objects = command("agentctl", "render", "--filename", "-", stdin=json.dumps(make_agent("support")))
    pod = pod_of(objects)

    with start("runtime", pod, objects, user) as container:
        eventually("ready", container, lambda: http("http://127.0.0.1:8000/health/ready")[0] == 200)
        figure(f"ready after {time.monotonic() - container.began:.1f} s")
        serves(container)
        figure(f"ended {ends(container, pod):.1f} s after SIGTERM")


@USERS
def test_the_runtime_serves_under_the_manifests_of_the_seed(user: User | None, start: Start) -> None:
    """The container has no arguments, single mounted files, and a prompt relative to the working directory."""
    documents = re.findall(r"```yaml\n(.*?)```", SEED.read_text(encoding="utf-8"), re.DOTALL)
    objects = [obj for text in documents for obj in yaml.safe_load_all(text) if obj and "kind" in obj]
    (config,) = (obj for obj in objects if obj["kind"] == "ConfigMap")
    config["data"]["agent.toml"] = SEED_CONFIG
    pod = pod_of(objects)
    assert "args" not in pod["containers"][0]
    assert {"subPath" in mount for mount in pod["containers"][0]["volumeMounts"]} == {True}

    with start("runtime", pod, objects, user) as container:
        serves(container)
        ends(container, pod)
