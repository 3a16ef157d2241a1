"""Output in pipes, and on terminals of any width."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from agentctl.ui import console

Agentctl = Callable[..., Any]
NAME = "a-very-long-name-of-an-agent-" + "x" * 60
MESSAGE = "the API server rejected the Deployment because " + "of many reasons " * 40


def _table() -> Any:
    rows = console.table("NAME", "STATE", "MESSAGE")
    rows.add_row(NAME, "Ready", MESSAGE.strip())
    rows.add_row("b", "", "")
    return rows


def test_a_row_is_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console.stdout_console().print(_table())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.split(r" {3,}", lines[1]) == [NAME, "Ready", MESSAGE.strip()]
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("columns", ["20", "60", "100"])
def test_columns_limits_the_width_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    console.stdout_console().print(_table())
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= int(columns)
    assert text.count("x") == NAME.count("x")


@pytest.mark.parametrize("columns", ["", "0", "-1", "wide", "1e3", "٣"])
def test_an_invalid_width_is_ignored(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert console.console(stderr=True).width == console.UNLIMITED


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_no_character_is_cut_on_a_terminal(width: int) -> None:
    file = io.StringIO()
    terminal = console.SafeConsole(file=file, width=width, force_terminal=True, color_system=None, highlight=False)
    terminal.print(_table())
    assert file.getvalue().count("x") == NAME.count("x")
    assert "…" not in file.getvalue()


@pytest.mark.parametrize("name", ["agentdeployment/x", "agd/x", "agentdeployments.agent-operator.dev/x", "x"])
def test_kind_and_name_are_accepted(agentctl: Agentctl, name: str) -> None:
    """No cluster answers, so the error of kubectl shows that the argument was accepted."""
    for command in ("status", "history", "pause", "rollout status", "upgrade plan", "diff"):
        more = ["1"] if command == "diff" else []
        result = agentctl(*command.split(), name, *more, "--kubeconfig", "/dev/null/none")
        assert (result.status, result.err.count("\n")) == (1, 1), (command, result.err)
        assert "names no AgentDeployment" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "deployment/x"), "deployment/x names no AgentDeployment: use its name, or agentdeployment/NAME"),
        (("rollback", "agd/"), "agd/ names no AgentDeployment"),
        (
            ("channel", "status", "agd/x"),
            "agd/x names no AgentRuntimeChannel: use its name, or agentruntimechannel/NAME",
        ),
        (("import", "service/x"), "service/x names no Deployment"),
        (("status", "x", "--as-group", "g"), "--as-group requires --as: add the user"),
    ],
)
def test_another_kind_is_a_usage_error(agentctl: Agentctl, arguments: tuple[str, ...], message: str) -> None:
    result = agentctl(*arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")


def test_impersonation_is_passed_to_kubectl(agentctl: Agentctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    kubectl.chmod(0o755)
    monkeypatch.setattr("agentctl.cluster.kubectl.binary", lambda: str(kubectl))

    agentctl("status", "x", "--as", "jane", "--as-group=dev", "-n", "a")
    agentctl("--as-group", "ops", "--as=jane", "channel", "list")
    agentctl("status", "x")

    calls = (tmp_path / "calls").read_text().splitlines()
    assert [[word for word in call.split() if word.startswith("--as")] for call in calls] == [
        ["--as=jane", "--as-group=dev"],
        ["--as=jane", "--as-group=ops"],
        [],
    ]


def test_the_version_is_printed_by_an_option_and_as_json(agentctl: Agentctl) -> None:
    assert agentctl("--version").out == agentctl("version").out
    assert '"version"' in agentctl("version", "-o", "json").out
