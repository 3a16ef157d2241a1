"""What is built: wheels that hold their own packages, and sdists that build and pass their tests."""

import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.shipped.installs import PROJECTS, ROOT, Built, build, run

# The first test waits for all to be built and installed, however busy the machine is.
pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("agent-operator", {"agent_operator", "agentctl"}),
        ("agent-runtime", {"agent_runtime"}),
        ("localkube", {"localkube"}),
        ("kubeschema", {"kubeschema"}),
    ],
)
def test_a_wheel_contains_its_packages_and_data(built: Built, name: str, packages: set[str]) -> None:
    names = zipfile.ZipFile(built.wheel(name)).namelist()
    top = {path.partition("/")[0] for path in names}

    assert {folder for folder in top if not folder.endswith(".dist-info")} == packages
    source = ROOT / ("operator" if name == "agent-operator" else PROJECTS[name])
    tracked = run("git", "ls-files", *packages, cwd=source).stdout.split()
    assert tracked
    assert set(tracked) <= set(names)
    assert all(f"{package}/py.typed" in names for package in packages)


def _unpacked(built: Built, name: str, target: Path) -> Path:
    with tarfile.open(built.sdist(name)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # missing before Python 3.11.4
        archive.extractall(target)
    (folder,) = target.iterdir()
    return folder


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        ("kubeschema", ["tests"]),
        ("localkube", ["tests/unit/test_store.py"]),
        (
            "agent-operator",
            [*("tests/golden/test_golden.py", "tests/unit/agent_operator/codegen/test_crd.py"), "-k", "not hash_seed"],
        ),
    ],
)
def test_the_tests_of_an_sdist_pass(built: Built, tmp_path: Path, name: str, tests: list[str]) -> None:
    folder = _unpacked(built, name, tmp_path)
    # The distributions of this project come from the sdist, not from the checkout that is installed here.
    others = [folder / "operator", *(folder / source for source in PROJECTS.values())]
    paths = [folder, *(others if name == "agent-operator" else ())]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    package = name.replace("-", "_")
    where = run(sys.executable, "-c", f"import {package}; print({package}.__file__)", cwd=folder, env=variables).stdout
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-x")
    done = run(sys.executable, "-m", "pytest", *options, *tests, cwd=folder, env=variables)

    assert Path(where.strip()).is_relative_to(folder)
    assert re.search(r"\d+ passed", done.stdout)


def test_the_sdist_builds_every_distribution(built: Built, tmp_path: Path) -> None:
    folder = _unpacked(built, "agent-operator", tmp_path / "source")
    assert {"Makefile", "locks", "crds", "deploy", "docs", "examples"} <= {path.name for path in folder.iterdir()}
    for source in PROJECTS.values():
        build(folder / source, tmp_path / "dist", "--wheel")

    assert {path.name for path in (tmp_path / "dist").glob("*.whl")} == {built.wheel(name).name for name in PROJECTS}
