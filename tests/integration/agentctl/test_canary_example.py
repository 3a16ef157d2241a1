"""The steps of the README of the canary example, with the fake model of the examples."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

FOLDER = Path(__file__).parents[3] / "examples" / "15-canary"
FORGETFUL = "You answer the customers of a shop in one short sentence."
FRIENDLY = "You answer the customers of a shop, in a friendly sentence or two. Goods may be sent back within 14 days."

pytestmark = pytest.mark.kubelet


def masked(text: str) -> str:
    """Replace what differs between runs: revisions, durations, numbers of pods, widths of columns and lines."""
    text = re.sub(r"\b(?=\w*\d)[0-9a-f]{10}\b", "REVISION", text)
    text = re.sub(r"\b\d+[smhd]\b", "AGE", text)
    return " ".join(re.sub(r"\d/\d pods", "PODS", text).split())


@dataclass
class Shop:
    """The agent of the example in a cluster."""

    cluster: Any
    eventually: Callable[..., Any]
    file: Path

    def apply(self, prompt: str | None = None) -> None:
        """Apply the example, with another prompt if one is given."""
        agent, secret = yaml.safe_load_all((FOLDER / "agent.yaml").read_text(encoding="utf-8"))
        if prompt:
            agent["spec"]["systemPrompt"]["text"] = prompt
        self.file.write_text(yaml.safe_dump_all([secret, agent]), encoding="utf-8")
        self.cluster.kubectl("apply", "-f", self.file)

    def wait_for(self, reason: str) -> None:
        """Wait until the condition Progressing has this reason for the current generation."""

        def has_reason() -> bool:
            agent = yaml.safe_load(self.cluster.kubectl("get", "agd/shop", "-o", "yaml"))
            conditions = {condition["type"]: condition for condition in agent["status"]["conditions"]}
            progressing = conditions["Progressing"]
            current: bool = progressing["observedGeneration"] == agent["metadata"]["generation"]
            return current and progressing["reason"] == reason

        self.eventually(reason, has_reason)

    def agentctl(self, *arguments: str, status: int = 0) -> str:
        """Run agentctl and return its output."""
        done = self.cluster.agentctl(*arguments)
        assert done.returncode == status, done.stderr
        printed: str = done.stdout
        return printed


def test_the_readme_shows_the_real_output(cluster: Any, eventually: Callable[..., Any], tmp_path: Path) -> None:
    readme = masked((FOLDER / "README.md").read_text(encoding="utf-8"))
    shop = Shop(cluster, eventually, tmp_path / "agent.yaml")
    cluster.kubectl("apply", "-f", FOLDER.parent / "fake-model" / "server.yaml")
    shop.apply()
    cluster.kubectl("wait", "agd/shop", "--for=condition=Ready", "--timeout=120s")

    shop.apply(FORGETFUL)
    shop.wait_for("RolledBack")
    assert masked(shop.agentctl("rollout", "status", "shop", status=1)) in readme
    assert masked(shop.agentctl("history", "shop")) in readme

    shop.apply(FRIENDLY)
    shop.wait_for("CanaryPaused")
    assert masked(shop.agentctl("rollout", "status", "shop")) in readme

    shop.agentctl("promote", "shop")
    cluster.kubectl("wait", "agd/shop", "--for=jsonpath={.status.rollout.canary.phase}=Watching", "--timeout=120s")
    shop.agentctl("promote", "shop", "--full")
    shop.wait_for("RolloutComplete")
    assert masked(shop.agentctl("rollout", "status", "shop")) in readme
    assert masked(shop.agentctl("history", "shop")) in readme
    cluster.kubectl("delete", "-f", shop.file, "--wait=false")
