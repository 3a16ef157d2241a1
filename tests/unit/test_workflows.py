"""The public CI: what it calls exists, and what it uses cannot change. `make lint` checks the rest."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# Built by the release itself.
BUILT = "dist"
Object = dict[str, Any]


def text(workflow: str) -> str:
    return (FOLDER / workflow).read_text(encoding="utf-8")


def jobs(workflow: str) -> Object:
    found: Object = yaml.safe_load(text(workflow))["jobs"]
    return found


def steps(workflow: str) -> Iterator[Object]:
    for job in jobs(workflow).values():
        yield from job["steps"]


def commands(workflow: str) -> Iterator[list[str]]:
    """Return the words of every command line in the run blocks."""
    for step in steps(workflow):
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


def make_targets(words: list[str]) -> list[str]:
    """Return the targets of a `make` command, if the line has one."""
    after = words[words.index("make") + 1 :] if "make" in words else []
    return [word for word in after[: (*after, "|").index("|")] if "=" not in word and not word.startswith("-")]


def matrices(job: Object) -> list[Object]:
    matrix: Object = job.get("strategy", {}).get("matrix", {})
    return [*matrix.get("include", []), {key: values for key, values in matrix.items() if key != "include"}]


def test_there_are_workflows_for_changes_and_releases() -> None:
    assert WORKFLOWS == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_action_is_pinned_by_commit(workflow: str) -> None:
    """A tag can be moved. The comment has the version, which Dependabot updates with the commit."""
    used = re.findall(r"uses: (.+)", text(workflow))

    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_an_action_has_one_version_everywhere() -> None:
    used = {action for workflow in WORKFLOWS for action in re.findall(r"uses: (.+)", text(workflow))}

    names = [action.partition("@")[0] for action in used]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_make_target_exists(workflow: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z0-9-]+):(?!=)", makefile, flags=re.MULTILINE))
    called = {target for words in commands(workflow) for target in make_targets(words)}

    assert called
    assert called - known == set()


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_path_exists(workflow: str) -> None:
    top = {path.name for path in ROOT.iterdir()}
    words = {word for line in commands(workflow) for word in line}
    words |= {str(value) for step in steps(workflow) for value in step.get("with", {}).values()}
    images = [str(cell["image"]) for job in jobs(workflow).values() for cell in matrices(job) if "image" in cell]
    paths = {word.replace("${{ matrix.image }}", image) for word in words for image in images or [""]}
    paths = {path for path in paths if Path(path).parts and Path(path).parts[0] in top - {BUILT}}

    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_a_release_has_what_installs_the_operator() -> None:
    targets = {target for words in commands("release.yml") for target in make_targets(words)}

    assert {"wheels", "sbom", "install-yaml", "chart"} <= targets


def test_changes_of_others_run_without_secrets_and_rights() -> None:
    assert not re.search(r"\$\{\{[^}]*secrets", text("ci.yml"))
    assert "pull_request_target" not in text("ci.yml")
    assert all(job["permissions"] == {"contents": "read"} for job in jobs("ci.yml").values())


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_the_scripts_pass_shellcheck(workflow: str, tmp_path: Path) -> None:
    """Values come in by the environment, so a script has no expression that could inject a command."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    for number, script in enumerate(scripts):
        assert "${{" not in script
        (tmp_path / f"{number}.sh").write_text(script, encoding="utf-8")

    command: list[str | Path] = [shellcheck, "--shell=bash", *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert scripts
    assert done.returncode == 0, done.stdout


def test_dependabot_watches_every_folder_that_names_dependencies() -> None:
    config = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    watched = {
        (update["package-ecosystem"], folder.strip("/"))
        for update in config["updates"]
        for folder in update.get("directories", [update.get("directory")])
    }
    named = {
        (ecosystem, path.parent.relative_to(ROOT).as_posix().strip("."))
        for ecosystem, patterns in {
            "pip": ["pyproject.toml", "*/pyproject.toml"],
            "docker": ["deploy/docker/*.Dockerfile"],
            "npm": ["tests/**/package.json"],
        }.items()
        for pattern in patterns
        for path in ROOT.glob(pattern)
        if "node_modules" not in path.parts
    }
    assert {ecosystem for ecosystem, _ in named} == {"pip", "docker", "npm"}
    assert named | {("github-actions", "")} <= watched
    assert [folder for _, folder in sorted(watched) if not (ROOT / folder).is_dir()] == []
