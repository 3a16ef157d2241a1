"""`agentctl demo` on a machine without kubectl, and what it prints for other terminals."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.cluster import kubectl
from agentctl.commands import demo
from agentctl.errors import CommandError
from agentctl.local.cluster_directory import ClusterDirectory


@pytest.fixture
def _no_known_kubectl() -> Iterator[None]:
    kubectl.binary.cache_clear()
    yield
    kubectl.binary.cache_clear()


@pytest.mark.usefixtures("_no_known_kubectl")
def test_it_starts_no_cluster_without_kubectl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(CommandError, match="kubectl not found in PATH: install it"):
        demo.run(tmp_path / "cluster", once=True)

    assert not (tmp_path / "cluster").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("missing", ["kubectl", "agentctl", ""])
def test_it_prints_the_path_of_commands_that_are_not_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == missing else f"/usr/bin/{name}")

    steps = demo._next_steps(ClusterDirectory(tmp_path), "", once=False)

    assert (f"  export PATH={Path(sys.executable).parent}:$PATH\n" in steps) is bool(missing)
