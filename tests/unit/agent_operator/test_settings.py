"""Options and variables."""

import pytest
from pydantic import ValidationError

from agent_operator.reconcile.factory import platform
from agent_operator.settings import SettingsError, read


def test_defaults() -> None:
    settings = read(["run"], {})
    assert (settings.workers, settings.namespaces, settings.leader_election) == (8, (), True)
    assert settings.identity


def test_the_command_line_wins_over_the_environment() -> None:
    variables = {
        "AGENT_OPERATOR_WORKERS": "3",
        "AGENT_OPERATOR_NAMESPACES": "a, b",
        "AGENT_OPERATOR_MANAGE_NAMESPACES": "false",
    }
    settings = read(["run", "--workers", "5"], variables)
    assert (settings.workers, settings.namespaces, settings.manage_namespaces) == (5, ("a", "b"), False)
    assert read(["run", "--manage-namespaces"], variables).manage_namespaces


def test_an_empty_variable_is_an_absent_one() -> None:
    assert read(["run"], {"AGENT_OPERATOR_WORKERS": ""}).workers == 8


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers", "0"], "--workers"),
        (["--namespaces", "Not_A_Name"], "--namespaces"),
        (["--listen", "8080"], "--listen"),
        (["--log-level", "LOUD"], "--log-level"),
    ],
)
def test_a_wrong_value_is_named(arguments: list[str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read(["run", *arguments], {})


@pytest.mark.parametrize(
    ("arguments", "elects"),
    [
        ([], True),
        (["--no-leader-election"], False),
        (["--read-only"], False),
        (["--read-only", "--leader-election"], False),
    ],
)
def test_who_writes_nothing_holds_no_lease(arguments: list[str], elects: bool) -> None:
    assert read(["run", *arguments], {}).elects is elects


@pytest.mark.parametrize(
    ("arguments", "namespace"),
    [
        ([], "agent-operator-system"),
        (["--lease-namespace", "team"], "agent-operator-system"),
        (["--operator-namespace", "ops"], "ops"),
    ],
)
def test_a_preview_outside_of_the_cluster_renders_what_the_installed_operator_renders(
    arguments: list[str], namespace: str
) -> None:
    """The NetworkPolicy of an agent with a canary names the operator's namespace."""
    assert platform(read(["run", *arguments], {})).operator_namespace == namespace


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read(["run"], {}).workers = 3  # type: ignore[misc]  # the point of the test


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(["--version"], {})
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("agent-operator ")
