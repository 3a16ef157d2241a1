"""What is in the images."""

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.images.conftest import IMAGES, Figure, Start, buildah
from tests.images.containers import ASSIGNED, Image

Images = dict[str, Image]
INSTALLERS = re.compile(r"(-packages/(pip|setuptools|wheel|pkg_resources)[^/]*|ensurepip|[^/]+\.whl|bin/pip[\d.]*)$")
# Image -> its distributions of this project. The operator needs the runtime's package for the schema of its config.
OURS = {"operator": {"agent-operator", "agent-runtime", "kubeschema"}, "runtime": {"agent-runtime"}}
RESTRICTED: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
CONFINED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
# Distributions, and what their markers need to know.
LIST = """
import json, platform, sys
from importlib.metadata import distributions
found = [{"name": d.name, "version": d.version, "requires": d.requires or []} for d in distributions()]
marker = {"python_version": "%d.%d" % sys.version_info[:2], "python_full_version": platform.python_version()}
print(json.dumps([marker, found]))
"""


def pod(*command: str) -> dict[str, Any]:
    """A pod that runs a command as restrictively as ours."""
    return RESTRICTED | {"containers": [{"name": "it", "args": list(command), "securityContext": CONFINED}]}


@pytest.mark.parametrize("name", IMAGES)
def test_no_layer_has_an_installer(name: str, images: Images, tmp_path: Path, figure: Figure) -> None:
    """Not even one that a later layer hides, because scanners read every layer."""
    buildah("push", "--quiet", "--disable-compression", images[name].name, f"dir:{tmp_path}")
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    layers = [tmp_path / layer["digest"].partition(":")[2] for layer in manifest["layers"]]

    assert len(layers) >= 2
    found = [path for layer in layers for path in members(layer)]
    assert [path for path in found if INSTALLERS.search(path)] == []
    assert [path for path in found if path.endswith("/bin/python3")], "the expression looks at the wrong paths"
    sizes = [round(layer.stat().st_size / 1e6) for layer in layers]
    figure(f"{sum(sizes)} MB, in layers of {', '.join(map(str, sizes))} MB")


def members(layer: Path) -> Iterator[str]:
    with tarfile.open(layer) as archive:
        for member in archive:
            yield member.name


@pytest.mark.parametrize("name", IMAGES)
def test_all_requirements_are_installed(name: str, start: Start) -> None:
    """The checks of `pip check` without pip, and no distribution of another image."""
    check = pod("-c", LIST)
    check["containers"][0]["command"] = ["/opt/agent/bin/python"]
    with start(name, check, [], ASSIGNED) as container:
        assert container.wait(60) == 0, container.output()
        marker, found = json.loads(container.output())

    versions = {canonicalize_name(each["name"]): each["version"] for each in found}
    missing = [
        f"{each['name']} needs {requirement}"
        for each in found
        for requirement in map(Requirement, each["requires"])
        if requirement.marker is None or requirement.marker.evaluate({**marker, "extra": ""})
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert missing == []
    assert versions.keys() & {"agent-operator", "agent-runtime", "kubeschema", "localkube"} == OURS[name]


@pytest.mark.parametrize("name", IMAGES)
def test_the_program_starts_as_any_user(name: str, start: Start) -> None:
    with start(name, pod("--version"), [], ASSIGNED) as container:
        assert container.wait(60) == 0, container.output()
        assert re.search(r"\d+\.\d+\.\d+", container.output())


@pytest.mark.parametrize("name", IMAGES)
def test_the_program_is_not_writable(name: str, images: Images) -> None:
    """OpenShift's users are in group 0, which owns these files."""
    root = images[name].root
    found = [path for folder in ("opt/agent", "app") for path in (root / folder, *(root / folder).rglob("*"))]

    assert len(found) > 100
    assert [path for path in found if not path.is_symlink() and path.exists() and path.stat().st_mode & 0o022] == []
