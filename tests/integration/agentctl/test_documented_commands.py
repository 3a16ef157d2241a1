"""The commands of the docs run on a local cluster, in the order of their page, and print what the page shows."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import ROOT, Command, File, missing, steps
from tests.integration.agentctl.conftest import BIN
from tests.patience import DEADLINE

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")])
LINKED = ("Makefile", "agent_runtime", "crds", "deploy", "docs")

pytestmark = pytest.mark.kubelet


def runnable(page: Path) -> list[Command | File]:
    """Return the steps of a page that the test runs; none if these are only files."""
    found = [step for step in steps(page) if isinstance(step, File) or not step.not_run]
    return found if any(isinstance(step, Command) for step in found) else []


def name_of(page: Path) -> str:
    """Return the name of a page in the output."""
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Reader:
    """Runs the steps of a page in a folder, and in a namespace of its own, which the output calls `default`."""

    folder: Path
    namespace: str
    environment: dict[str, str]

    def run(self, found: list[Command | File]) -> None:
        """Run all steps in one shell, so that variables last, until a command has another status than expected."""
        lines = [line for number, step in enumerate(found) for line in self._lines(number, step)]
        subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            timeout=3 * DEADLINE,
            check=False,
        )

    def _lines(self, number: int, step: Command | File) -> list[str]:
        path = self.folder / f".{number}"
        path.write_text(f"{step.text}\n" if isinstance(step, Command) else step.text, encoding="utf-8")
        if isinstance(step, File):
            return [f"cp .{number} '{step.name}'"]
        return [
            f". ./.{number} >.{number}.out 2>&1; status=$?; echo $status >.{number}.status",
            f"[ $status = {step.status} ] || exit 1",
        ]

    def output(self, number: int) -> str:
        """Return what a step printed."""
        text = (self.folder / f".{number}.out").read_text(encoding="utf-8")
        return text.replace(self.namespace, "default")

    def status(self, number: int) -> int:
        """Return the exit status of a step."""
        return int((self.folder / f".{number}.status").read_text(encoding="utf-8"))


@pytest.fixture
def reader(cluster: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A reader with the files of the repository. New namespaces and all agents are deleted."""
    page: Path = request.getfixturevalue("page")
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    before = namespaces(cluster)
    namespace = f"reader-of-{page.parent.name}-{page.stem}".lower()
    cluster.kubectl("create", "namespace", namespace)
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["contexts"][0]["context"]["namespace"] = namespace
    (tmp_path / ".kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")
    variables = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "AGENTCTL_DIR": str(cluster.directory),
        "KUBECONFIG": str(tmp_path / ".kubeconfig"),
        "COLUMNS": "160",
    }
    folder = tmp_path / page.relative_to(ROOT).parent if page.is_relative_to(ROOT / "examples") else tmp_path
    yield Reader(folder, namespace, os.environ | variables)
    cluster.kubectl("delete", "agd,arc", "--all", "--all-namespaces", "--wait=false")
    cluster.kubectl("delete", *(namespaces(cluster) - before), "--wait=false")


def namespaces(cluster: Any) -> set[str]:
    return {*cluster.kubectl("get", "namespaces", "-o", "name").split()}


@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name_of)
def test_the_commands_of_a_page_work(page: Path, reader: Reader) -> None:
    found = runnable(page)

    reader.run(found)

    for number, step in enumerate(found):
        if isinstance(step, Command):
            where = f"{name_of(page)}:{step.line}: {step.text}\n{reader.output(number)}"
            assert reader.status(number) == step.status, where
            assert missing(step.output, reader.output(number)) == [], where
