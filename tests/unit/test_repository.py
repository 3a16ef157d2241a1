"""The files around the code."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from agentctl.commands import demo

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)(?: ; (.+))? \\$")
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PROJECTS = {
    name: tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))
    for name, folder in {
        "agent-operator": ".",
        "agent-runtime": "agent_runtime",
        "localkube": "localkube",
        "kubeschema": "kubeschema",
    }.items()
}


def _requirements() -> list[Requirement]:
    texts: list[str] = []
    for document in PROJECTS.values():
        project = document["project"]
        texts += [*project["dependencies"], *document["build-system"]["requires"]]
        texts += [text for extra in project.get("optional-dependencies", {}).values() for text in extra]
        texts += [
            text for group in document.get("dependency-groups", {}).values() for text in group if isinstance(text, str)
        ]
    return [found for found in map(Requirement, dict.fromkeys(texts)) if found.name not in PROJECTS]


def _pins(lock: Path) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if found := PIN.match(line):
            pins.setdefault(found[1], []).append(found[2])
    return pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_name_no_host_and_no_path(lock: Path) -> None:
    """The locks are valid for every package index."""
    lines = lock.read_text(encoding="utf-8").splitlines()

    allowed = re.compile(rf"{PIN.pattern}|    --hash=sha256:[0-9a-f]{{64}}( \\)?$")
    assert [line for line in lines if not allowed.match(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_lock_has_the_versions_that_are_tested(lock: Path) -> None:
    """Otherwise: make lock."""
    tested = _pins(ROOT / "locks" / "dev.txt")

    assert _pins(lock)
    assert {name: versions for name, versions in _pins(lock).items() if versions != tested.get(name)} == {}


@pytest.mark.parametrize("requirement", _requirements(), ids=str)
def test_every_requirement_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    """Otherwise: make lock."""
    versions = _pins(ROOT / "locks" / "dev.txt").get(canonicalize_name(requirement.name), [])

    assert versions
    assert all(requirement.specifier.contains(version, prereleases=True) for version in versions)


def test_the_demo_applies_the_first_example() -> None:
    assert (ROOT / "examples" / "01-echo" / "agent.yaml").read_text(encoding="utf-8") == demo.AGENT


def test_operator_is_no_package() -> None:
    """A package `operator` would shadow the module `operator` of the standard library."""
    assert not (ROOT / "operator" / "__init__.py").exists()
