"""The commands of the docs run on a local cluster, in the order of their page, and print what the page shows."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.documents import ROOT, Command, File, missing, steps
from tests.integration.agentctl.conftest import BIN
from tests.patience import DEADLINE

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# Read as "default" in the output.
NAMESPACE = "documented-page"
LINKED = ("Makefile", "agent_runtime", "crds", "deploy", "docs", "examples")

pytestmark = pytest.mark.kubelet


def runnable(page: Path) -> list[Command | File]:
    """Return the steps of a page that the test runs. Files and setups alone are no steps."""
    found = [step for step in steps(page) if isinstance(step, File) or not step.not_run]
    return found if any(isinstance(step, Command) for step in found) else []


@pytest.fixture
def folder(cluster: Any, tmp_path: Path) -> Iterator[Path]:
    """A folder with the files of the repository and a kubeconfig for a new namespace. New namespaces are deleted."""
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    before = namespaces(cluster)
    cluster.kubectl("create", "namespace", NAMESPACE)
    config = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["contexts"][0]["context"]["namespace"] = NAMESPACE
    (tmp_path / ".kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")
    yield tmp_path
    cluster.kubectl("delete", "agd,arc", "--all", "--all-namespaces", "--wait=false")
    cluster.kubectl("delete", *(namespaces(cluster) - before))


def namespaces(cluster: Any) -> set[str]:
    return {*cluster.kubectl("get", "namespaces", "-o", "name").split()}


def script(folder: Path, commands: list[Command]) -> str:
    """Return a program that runs the commands in one shell, so that variables last, until one has another status."""
    lines = []
    for number, command in enumerate(commands):
        (folder / f".{number}.sh").write_text(command.text + "\n", encoding="utf-8")
        lines += [
            f". ./.{number}.sh >.{number}.out 2>&1 </dev/null; status=$?",
            f"echo $status >.{number}.status; [ $status = {command.status} ] || exit 1",
        ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if runnable(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_commands_of_a_page_work(page: Path, cluster: Any, folder: Path) -> None:
    found = runnable(page)
    for step in found:
        if isinstance(step, File):
            (folder / step.name).write_text(step.text, encoding="utf-8")
    commands = [step for step in found if isinstance(step, Command)]

    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "AGENTCTL_DIR": str(cluster.directory),
        "KUBECONFIG": str(folder / ".kubeconfig"),
        "COLUMNS": "160",
    }
    subprocess.run(
        ["bash", "-c", script(folder, commands)], cwd=folder, env=environment, timeout=3 * DEADLINE, check=False
    )

    for number, command in enumerate(commands):
        where = f"{page.relative_to(ROOT)}:{command.line}: {command.text}"
        output = (folder / f".{number}.out").read_text(encoding="utf-8").replace(NAMESPACE, "default")
        status = (folder / f".{number}.status").read_text(encoding="utf-8").strip()
        assert status == str(command.status), f"{where}\n{output}"
        assert missing(command.output, output) == [], f"{where}\n{output}"
