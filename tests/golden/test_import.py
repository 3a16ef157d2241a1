"""The AgentDeployment and the report of `agentctl import`. UPDATE_GOLDEN=1 rewrites the files of import/.

NAME.yaml is standard output and NAME.txt standard error. The seed is the user's document; hand-written.input.yaml has
what an AgentDeployment cannot express.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentctl.__main__ import run

HERE = Path(__file__).parent
FOLDER = HERE / "import"
CASES: dict[str, tuple[Sequence[str], int]] = {
    "seed": ((), 0),
    "seed-renamed": (("--name", "msft-agent-v2"), 0),
    "hand-written": ((), 1),
}


@pytest.fixture
def k8s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder k8s/ that the seed's Quick Start applies, below the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = Path("k8s")
    folder.mkdir()
    text = (HERE / "seed.md").read_text(encoding="utf-8")
    for block, name in re.findall(r"```yaml\n(# (k8s/[a-z]+\.yaml)\n.*?)```", text, re.DOTALL):
        Path(name).write_text(block, encoding="utf-8")
    return folder


def _input(variant: str, folder: Path) -> Path:
    if variant.startswith("seed"):
        return folder
    Path(f"{variant}.yaml").write_text((FOLDER / f"{variant}.input.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return Path(f"{variant}.yaml")


@pytest.mark.parametrize("variant", CASES)
def test_import_writes_its_golden_files(variant: str, k8s: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, expected_status = CASES[variant]

    status = run(["import", "-f", str(_input(variant, k8s)), *options])

    out, err = capsys.readouterr()
    err = "\n".join(line.rstrip() for line in err.splitlines()) + "\n"
    for path, text in ((FOLDER / f"{variant}.yaml", out), (FOLDER / f"{variant}.txt", err)):
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 rewrites {path.name}"
    assert status == expected_status


@pytest.mark.parametrize("variant", CASES)
def test_the_imported_agent_is_valid(variant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-f", str(FOLDER / f"{variant}.yaml")]) == 0
    assert "1 AgentDeployment: valid" in capsys.readouterr().out


def test_every_golden_file_is_written_by_a_case() -> None:
    expected = {f"{variant}.{suffix}" for variant in CASES for suffix in ("yaml", "txt")} | {"hand-written.input.yaml"}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_the_documentation_quotes_the_report() -> None:
    text = (HERE.parents[1] / "docs" / "how-to" / "migrate.md").read_text(encoding="utf-8")
    block = re.findall(r"```console\n\$ agentctl import .*?\n(.*?)```", text, re.DOTALL)[0]
    report = (FOLDER / "seed-renamed.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in block.splitlines() if line != "  …" and line not in report] == []
