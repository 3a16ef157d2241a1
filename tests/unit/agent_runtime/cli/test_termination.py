"""The termination message of the container."""

from pathlib import Path

import pytest

from agent_runtime.cli import termination


def test_the_message_replaces_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first 4096 bytes are written, because Kubernetes keeps no more."""
    file = tmp_path / "log"
    monkeypatch.setenv("TERMINATION_LOG", str(file))
    file.write_bytes(b"y" * 5000)

    termination.write_message(b"first")
    assert file.read_bytes() == b"first"
    termination.write_message(b"x" * 5000)
    assert file.read_bytes() == b"x" * 4096


def test_outside_of_kubernetes_no_file_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet creates the file before the container starts, so a missing file means that there is no kubelet."""
    monkeypatch.delenv("TERMINATION_LOG", raising=False)
    monkeypatch.setattr(termination, "_DEFAULT", tmp_path / "log")

    termination.write_message(b"lost")

    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status of the command is more important than its message."""
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "missing" / "log"))

    termination.write_message(b"lost")
