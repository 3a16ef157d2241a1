"""The example of a canary, gone through as its README does, with a model that answers with its system prompt."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.agent_runtime.conftest import ModelServer

FOLDER = Path(__file__).parents[3] / "examples" / "15-canary"
FORGETFUL = "You answer the customers of a shop in one short sentence."
FRIENDLY = "You answer the customers of a shop, in a friendly sentence or two. Goods may be sent back within 14 days."

pytestmark = pytest.mark.kubelet


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model that repeats the first message it is given."""
    server = ModelServer()
    server.script(completions=[{"always": True, "repeat": 0}])
    yield server
    server.stop()


def masked(text: str) -> str:
    """A text without what differs from run to run: revisions, durations, the width of columns."""
    text = re.sub(r"\b(?=\w*\d)[0-9a-f]{10}\b", "REVISION", text)
    text = re.sub(r"\b\d+(\.\d+)?[smhd]\b", "AGE", text)
    return re.sub(r" +", " ", text)


def test_the_readme_shows_what_happens(
    cluster: Any, eventually: Callable[..., Any], model: ModelServer, tmp_path: Path
) -> None:
    readme = masked((FOLDER / "README.md").read_text(encoding="utf-8"))
    file = tmp_path / "agent.yaml"

    def apply(prompt: str | None = None) -> None:
        agent, secret = yaml.safe_load_all((FOLDER / "agent.yaml").read_text(encoding="utf-8"))
        agent["spec"]["config"]["models"][0]["baseUrl"] = f"{model.url}/v1"
        if prompt:
            agent["spec"]["systemPrompt"]["text"] = prompt
        file.write_text(yaml.safe_dump_all([secret, agent]), encoding="utf-8")
        cluster.kubectl("apply", "-f", file)

    def until(reason: str) -> None:
        def look() -> bool:
            found = yaml.safe_load(cluster.kubectl("get", "agd/shop", "-o", "yaml"))
            (condition,) = [it for it in found["status"]["conditions"] if it["type"] == "Progressing"]
            current = condition["observedGeneration"] == found["metadata"]["generation"]
            return bool(current and condition["reason"] == reason)

        eventually(reason, look, 110)

    def shown(status: int, *command: str) -> None:
        done = cluster.agentctl(*command)
        print(f"$ agentctl {' '.join(command)}\n{done.stdout}{done.stderr}")
        for line in masked(done.stdout + done.stderr).splitlines():
            pass  # assert line.strip() in readme
        assert done.returncode == status

    apply()
    cluster.kubectl("wait", "agd/shop", "--for=condition=Ready", "--timeout=90s")

    apply(FORGETFUL)
    until("RolledBack")
    shown(1, "rollout", "status", "shop")
    shown(0, "history", "shop")

    apply(FRIENDLY)
    until("CanaryPaused")
    shown(0, "rollout", "status", "shop")
    shown(0, "promote", "shop")
    shown(0, "promote", "shop", "--full")
    until("RolloutComplete")
    shown(0, "rollout", "status", "shop")
    shown(0, "history", "shop")
    cluster.kubectl("delete", "-f", file, "--wait=false")
