"""`make install-yaml`, `make chart` and `make bundle`: the files that install the operator from a registry."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import agent_runtime
from agent_operator import __version__
from agent_operator.settings import read
from tests import fast_yaml as yaml
from tests import helm_program as helm

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]
Make = Callable[[str, str], Path]
Build = Callable[[str], dict[str, list[Object]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run a target in a copy of what it reads, so that dist/ of this folder stays as it is."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("deploy", "crds"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    venv = Path(sys.prefix)

    def run(target: str, registry: str) -> Path:
        # The environment is this one: make must not install it.
        options = [f"VENV={venv}", f"--old-file={venv / '.dev'}", f"REGISTRY={registry}"]
        environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
        command: list[str | Path] = ["make", "--directory", tmp_path, *options, target]
        variables = environment | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return tmp_path / "dist"

    return run


@pytest.fixture
def build(make: Make) -> Build:
    """Run `make install-yaml` and read the files."""

    def run(registry: str) -> dict[str, list[Object]]:
        files = make("install-yaml", registry).iterdir()
        return {file.name: list(yaml.safe_load_all(file.read_text(encoding="utf-8"))) for file in files}

    return run


def operator(objects: list[Object]) -> Object:
    (deployment,) = [obj for obj in objects if obj["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


@pytest.mark.parametrize("registry", ["", "registry.example.com/acme/"])
def test_the_images_are_those_of_the_registry_and_this_version(build: Build, registry: str) -> None:
    container = operator(build(registry)["install.yaml"])
    variables = {variable["name"]: variable.get("value", "") for variable in container["env"]}

    assert container["image"] == f"{registry}agent-operator/agent-operator:{__version__}"
    assert read(container["args"], variables).runtime_image == f"{registry}agent-operator/agent-runtime"


def test_deleting_the_install_deletes_no_definition_and_with_it_no_agent(build: Build) -> None:
    """`kubectl delete -f install.yaml` must not delete a CustomResourceDefinition."""

    def identities(objects: list[Object]) -> Counter[tuple[str, str, str]]:
        return Counter((obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in objects)

    definitions = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "crds").glob("*.dev.yaml")]
    kubectl = Path(sys.executable).with_name("kubectl")
    command: list[str | Path] = [kubectl, "kustomize", ROOT / "deploy" / "kustomize" / "overlays" / "cluster"]
    overlay = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, check=True).stdout))

    files = build("")

    assert definitions
    assert identities(files.pop("crds.yaml")) == identities(definitions)
    assert identities(files.pop("install.yaml")) == identities(overlay)
    assert files == {}


def test_the_packaged_chart_installs_the_images_of_the_registry(make: Make) -> None:
    """By default, without a value that names it."""
    registry = "registry.example.com/acme/"

    (package,) = make("chart", registry).glob("*.tgz")

    options = ("--set", "crds.enabled=false", "--skip-tests")
    found = operator([obj for obj in yaml.safe_load_all(helm.run("template", "ours", package, *options).stdout) if obj])
    variables = {variable["name"]: variable.get("value", "") for variable in found["env"]}
    annotations = yaml.safe_load(helm.run("show", "chart", package).stdout)["annotations"]
    images = [entry["image"] for entry in yaml.safe_load(annotations["artifacthub.io/images"])]
    assert package.name == f"agent-operator-{__version__}.tgz"
    assert found["image"] == images[0] == f"{registry}agent-operator/agent-operator:{__version__}"
    assert read(found["args"], variables).runtime_image == f"{registry}agent-operator/agent-runtime"
    assert images[1] == f"{registry}agent-operator/agent-runtime:{agent_runtime.__version__}"


def test_the_bundle_is_complete(make: Make) -> None:
    """It contains the CRDs, which deploy/olm does not repeat, and the images of the registry."""
    (package,) = make("bundle", "registry.example.com/acme/").glob("*.tgz")

    with tarfile.open(package) as tarball:
        texts = {
            member.name.removeprefix("./"): tarball.extractfile(member).read().decode()
            for member in tarball.getmembers()
            if member.isfile()
        }
    version = yaml.safe_load(texts["manifests/agent-operator.clusterserviceversion.yaml"])
    owned = {entry["name"] for entry in version["spec"]["customresourcedefinitions"]["owned"]}
    images = [image["image"] for image in version["spec"]["relatedImages"]]

    assert package.name == f"agent-operator-bundle-{__version__}.tgz"
    assert owned == {Path(name).stem for name in texts if name.endswith(".agent-operator.dev.yaml")}
    assert {image.partition("/agent-operator/")[0] for image in images} == {"registry.example.com/acme"}
    assert {"metadata/annotations.yaml", "tests/scorecard/config.yaml", "bundle.Dockerfile"} < set(texts)
