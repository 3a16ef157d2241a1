"""Shell completion: the scripts, and what kubectl gets for its plugins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
KUBECTL = """#!/bin/sh
case "$*" in
*wait*) sleep 60 ;;
*agentdeployments*) printf 'agentdeployment.agent-operator.dev/support\\nagentdeployment.agent-operator.dev/sales\\n' ;;
*) echo 'error: no rights' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with a kubectl that knows two agents."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL, encoding="utf-8")
    program.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "values", "directive"),
    [
        (["status", ""], ["support", "sales"], ":4"),
        (["status", "su"], ["support"], ":4"),
        (["status", "--context", "wait", "su"], [], ":4"),
        (["channel", "status", ""], [], ":4"),
        (["rollo"], ["rollout"], ":4"),
        (["validate", "-f", ""], [], ":0"),
        (["list", "--all"], ["--all-namespaces"], ":4"),
    ],
)
def test_kubectl_completes_commands_options_and_names_of_agents(
    words: list[str], values: list[str], directive: str, environment: dict[str, str]
) -> None:
    program = BIN / "kubectl_complete-agentdeploy"
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=True)

    *found, last = done.stdout.split()
    assert (found, last) == (values, directive)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_runs_agentctl(shell: str) -> None:
    done = subprocess.run([BIN / "agentctl", "completion", shell], capture_output=True, text=True, check=True)

    assert f"_AGENTCTL_COMPLETE=complete_{shell}" in done.stdout


def test_bash_completes_the_names_of_agents(environment: dict[str, str]) -> None:
    script = (
        "source <(agentctl completion bash); COMP_WORDS=(agentctl restart su); COMP_CWORD=2; "
        '_agentctl_completion agentctl; echo "${COMPREPLY[@]}"'
    )
    path = {"PATH": f"{environment['PATH'].split(os.pathsep)[0]}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"}

    done = subprocess.run(["bash", "-c", script], env=environment | path, capture_output=True, text=True, check=True)

    assert done.stdout == "support\n"
