"""The exit status of commands and the one line of an error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentctl.__main__ import run
from agentctl.commands import render

Agentctl = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "error: No such command 'nonsense'. See --help."),
        (["render"], "error: Missing option '--filename' / '-f'. See --help."),
        (["render", "-f", "x", "-o", "xml"], "'xml' is not one of 'yaml', 'json'. See --help."),
        (["validate", "--fast"], "error: No such option: --fast"),
        (["status"], "error: Missing argument 'name'. See --help."),
        (["scale", "x", "--replicas", "-1"], "greater than or equal to 0. See --help."),
    ],
)
def test_a_usage_error_is_one_line_and_status_2(agentctl: Agentctl, arguments: list[str], message: str) -> None:
    result = agentctl(*arguments)

    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["", "local"])
def test_a_command_without_arguments_prints_its_help(agentctl: Agentctl, command: str) -> None:
    result = agentctl(*command.split())

    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("Usage: ")


@pytest.mark.parametrize(
    "command",
    [
        *("", "render", "validate", "status", "local", "local up", "demo", "rollout", "rollout status"),
        *("history", "diff", "rollback", "promote", "pause", "resume", "abort", "retry"),
        *("upgrade", "upgrade plan", "upgrade apply", "channel", "channel list"),
    ],
)
def test_help_documents_the_exit_status(agentctl: Agentctl, command: str) -> None:
    result = agentctl(*command.split(), "--help")

    assert result.status == 0
    assert "Usage: agentctl" in result.out
    assert "Exit status: 0 success" in " ".join(result.out.split())


def test_help_does_not_import_the_kubernetes_models() -> None:
    """The import takes a second."""
    script = "import sys; from agentctl.__main__ import run; run(['--help']); print('kubernetes' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False"


def test_version_prints_the_version_of_the_operator(agentctl: Agentctl) -> None:
    from agent_operator import __version__  # noqa: PLC0415 - used only here

    assert agentctl("version").out == f"{__version__}\n"


def test_an_unexpected_error_is_one_line_without_debug_and_a_traceback_with_it(
    agentctl: Agentctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(render, "run", fail)

    result = agentctl("render", "-f", "x")
    assert result.status == 1
    assert result.err.startswith("error: internal error: ZeroDivisionError: division by zero: run again with --debug")
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "render", "-f", "x"])


def test_ctrl_c_exits_with_130(agentctl: Agentctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "run", interrupt)

    assert agentctl("render", "-f", "x").status == 130


def test_a_closed_pipe_is_not_an_error() -> None:
    """`agentctl render | head -1` closes the pipe early."""
    seed = Path(__file__).parents[3] / "examples" / "10-seed" / "agent.yaml"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "agentctl", "render", "-f", seed],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)

    assert process.returncode == 0
    assert "Traceback" not in process.stderr
    assert "BrokenPipe" not in process.stderr


@pytest.mark.parametrize("name", ["agentctl", "kubectl-agent", "kubectl-agentdeploy"])
def test_all_console_scripts_are_installed(name: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(name), "version"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [[], ["support"], ["support", "1", "-f", "a.yaml"]])
def test_diff_needs_two_revisions_or_files(agentctl: Agentctl, arguments: list[str]) -> None:
    result = agentctl("diff", *arguments)

    assert result.status == 2
    assert "specify an agent and a revision, or files with -f" in result.err
