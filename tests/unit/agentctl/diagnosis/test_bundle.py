"""A bundle is complete or absent; its logs are printable, end with the newest lines, and have names of their own."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentctl.cluster import bounded, report_reader
from agentctl.cluster.bounded import Output
from agentctl.cluster.kubectl import Kubectl
from agentctl.commands import report
from agentctl.diagnosis import bundle
from agentctl.diagnosis.bundle import LARGEST_FILE, LONGEST_SECONDS, File, Log
from agentctl.diagnosis.findings import Area, Finding, Severity, select
from agentctl.diagnosis.redaction import Redactor
from agentctl.errors import CommandError
from tests.unit.agentctl.diagnosis.cases import make_agent, make_evidence

SECRET = "Zq-my secret phrase-9"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_bundle_that_fails_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    def files() -> Iterator[File]:
        yield File("a", "b")
        raise error

    path = tmp_path / "report.tar.gz"
    with pytest.raises(error):
        report.write(path, files())
    assert list(tmp_path.iterdir()) == []
    report.write(path, iter([File("a", "b")]))
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["report/a"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.tar.gz"
    path.write_text("mine")
    with pytest.raises(CommandError, match="exists"):
        report.write(path, iter([File("a", "b")]))
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_is_printable_and_keeps_its_end() -> None:
    text = "\x1b]0;title\x07\x1b[31mred\x1b[0m " + "password=x\n" * (LARGEST_FILE // 11) + "the crash"
    (file, _) = bundle.files({}, [Log("a.log", text)], {}, Redactor())
    assert "\x1b" not in file.content
    assert file.content.endswith("the crash")
    assert len(file.content) <= LARGEST_FILE


def test_a_bundle_ends_in_time() -> None:
    times = iter([0.0, 1.0, LONGEST_SECONDS + 1])
    logs = [Log(f"{name}.log", "x") for name in "abc"]
    files = list(bundle.files({}, logs, {}, Redactor(), clock=lambda: next(times)))
    assert [file.path for file in files] == ["a.log", "INDEX.txt"]


def test_each_log_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "end_of_log", lambda *_, **__: Output(b"x", 0))
    pods = [
        {
            "metadata": {"name": pod, "namespace": "team"},
            "spec": {"containers": [{"name": name} for name in containers]},
            "status": {"containerStatuses": [{"name": name, "restartCount": 1} for name in containers]},
        }
        for pod, containers in (("a", ["b-c", "b", "b-previous"]), ("a-b", ["c"]))
    ]
    paths = [log.path for log in report_reader.logs(Kubectl(), make_evidence(make_agent(), pods=pods))]
    assert len(paths) == len(set(paths)) == 8
    assert {"logs/a/b-c.log", "logs/a-b/c.log", "logs/a/b.previous.log"} <= set(paths)


@pytest.mark.parametrize("before", [490, 505, 8_185])
@pytest.mark.parametrize("field", ["subject", "evidence", "cause", "remedy"])
def test_findings_are_redacted_before_they_are_shortened(field: str, before: int) -> None:
    texts = {"subject": "s", "evidence": "e", "cause": "c", "remedy": "r"} | {
        field: "x" * before + SECRET + "y" * 2_000
    }
    finding = Finding(Severity.ERROR, Area.PODS, "Reason", **texts)
    (found,), _ = select([finding], Redactor([SECRET]).sentence)
    assert "Zq-my" not in str(found.to_json())
    assert "phrase-9" not in str(found.to_json())
