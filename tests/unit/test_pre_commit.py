"""The hook for other people's repositories, run as pre-commit runs it: the entry, then file names."""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]


@pytest.fixture(scope="module")
def hook() -> Object:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def run(hook: Object, *files: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(hook["entry"])
    command: list[str | Path] = [Path(sys.executable).with_name(program), *arguments, *files]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_examples_pass(hook: Object) -> None:
    examples = sorted((ROOT / "examples").glob("*/*.yaml"))

    done = run(hook, *examples)

    assert done.returncode == 0, done.stderr
    assert "AgentDeployments, 1 AgentRuntimeChannel: valid" in done.stdout


def test_a_broken_agent_fails_among_other_files(hook: Object, tmp_path: Path) -> None:
    broken, template = tmp_path / "agent.yaml", tmp_path / "template.yaml"
    text = (ROOT / "examples" / "01-echo" / "agent.yaml").read_text(encoding="utf-8")
    broken.write_text(text.replace("spec:", "spec:\n  replica: 2", 1), encoding="utf-8")
    template.write_text("{{- range .Values.agents }}\n", encoding="utf-8")

    done = run(hook, template, broken)

    assert done.returncode == 1
    assert 'spec.replica: unknown field: did you mean "replicas"?' in done.stderr
    assert "template.yaml" not in done.stderr


def test_other_files_alone_pass(hook: Object) -> None:
    # Recorded agents for Argo CD, some of them invalid, and templates of Helm that name the kind.
    excluded = {"testdata", "templates"}
    deploy = [path for path in sorted((ROOT / "deploy").rglob("*.yaml")) if excluded.isdisjoint(path.parts)]
    done = run(hook, *deploy, *sorted((ROOT / "crds").glob("*.yaml")))

    assert (done.returncode, done.stderr) == (0, "")


def projects() -> dict[str, Path]:
    """Return the folder of every distribution of this repository by its name."""
    files = [ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml")]
    return {tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"]: file.parent for file in files}


def test_the_hook_installs_our_distributions_from_its_own_commit(hook: Object) -> None:
    """On a package index, the names of our distributions may belong to other projects."""
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    given = hook["additional_dependencies"]
    paths = [ROOT / requirement.partition("[")[0] for requirement in given]
    extras = [extra for requirement in given if requirement.startswith(".[") for extra in requirement[2:-1].split(",")]

    needed = {Requirement(text).name for text in root["dependencies"]} & projects().keys()
    assert hook["language"] == "python"
    assert all((path / "pyproject.toml").is_file() for path in paths)
    assert {projects()[name] for name in needed} <= {path.resolve() for path in paths}
    assert set(extras) <= root.get("optional-dependencies", {}).keys()
    assert shlex.split(hook["entry"])[0] in root["scripts"]


def test_the_documentation_names_the_hook(hook: Object) -> None:
    text = (ROOT / "docs" / "how-to" / "validate.md").read_text(encoding="utf-8")

    assert f"- id: {hook['id']}" in text


@pytest.mark.parametrize(
    ("check", "file"),
    [("validate-manifest", ".pre-commit-hooks.yaml"), ("validate-config", ".pre-commit-config.yaml")],
)
def test_pre_commit_accepts_the_file(check: str, file: str) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("pre-commit"), check, ROOT / file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
