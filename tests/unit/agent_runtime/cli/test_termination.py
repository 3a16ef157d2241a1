"""The message that Kubernetes shows as the reason why a container ended."""

from pathlib import Path

import pytest

from agent_runtime.cli import termination


def test_the_message_takes_the_place_of_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more of it than Kubernetes keeps."""
    file = tmp_path / "log"
    monkeypatch.setenv("TERMINATION_LOG", str(file))
    file.write_bytes(b"y" * 5000)

    termination.write_message(b"first")
    assert file.read_bytes() == b"first"
    termination.write_message(b"x" * 5000)
    assert file.read_bytes() == b"x" * 4096


def test_where_there_is_no_kubernetes_no_file_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubelet makes it before the container starts."""
    monkeypatch.delenv("TERMINATION_LOG", raising=False)
    monkeypatch.setattr(termination, "_DEFAULT", tmp_path / "log")

    termination.write_message(b"lost")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own outcome counts."""
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "missing" / "log"))

    termination.write_message(b"lost")
