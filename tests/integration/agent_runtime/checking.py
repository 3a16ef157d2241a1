"""Run `agent-runtime check-answers`, and build checks for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.agent_runtime.conftest import CANARIES, AgentProcess
from tests.patience import DEADLINE

COMMAND = [sys.executable, "-m", "agent_runtime", "check-answers"]
Json = dict[str, Any]


class Checking:
    """Runs the command in one folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.message = directory / "termination-log"

    def start(self, agent: AgentProcess | str, *checks: Json, arguments: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start the command."""
        url = agent if isinstance(agent, str) else f"http://127.0.0.1:{agent.port}"
        file = self.directory / "checks.json"
        file.write_text(json.dumps({"checks": checks}))
        environment = os.environ | {"TERMINATION_LOG": str(self.message)} | CANARIES
        return subprocess.Popen(
            [*COMMAND, "--url", url, "--checks", file, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, agent: AgentProcess | str, *checks: Json, arguments: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Run the command; return exit code, stdout and stderr."""
        with self.start(agent, *checks, arguments=arguments) as process:
            out, err = process.communicate(timeout=3 * DEADLINE)
        return process.returncode, out, err

    @property
    def report(self) -> Json:
        """The report in the termination message."""
        report: Json = json.loads(self.message.read_bytes())
        return report

    @property
    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Outcome and reason of each check in the report."""
        return {check["name"]: (check["outcome"], check["reason"]) for check in self.report["checks"]}


def check(name: str, prompt: str = "hi", **expected: Any) -> Json:
    """Return a check. By default it expects the answer of the fake model server."""
    return {"name": name, "prompt": prompt, **(expected or {"contains": ["model: "]})}


def says(content: str, **step: Any) -> Json:
    """Return a step with this answer for the script of the fake model server."""
    return {"message": {"content": content}, **step}


def with_config(agent: AgentProcess) -> tuple[str, ...]:
    """Return arguments for a judge: the agent's config, and one request at a time, because scripts have an order."""
    return ("--config", str(agent.directory / "agent.toml"), "--concurrency", "1")
