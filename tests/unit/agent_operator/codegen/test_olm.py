"""The bundle for the Operator Lifecycle Manager."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_operator import __version__
from agent_operator.api import definitions, openapi
from agent_operator.codegen import crd, olm, rbac
from agent_operator.kube.resources import CHILDREN
from agent_operator.settings import read
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "deploy" / "olm"
FILES = olm.files(ROOT / "deploy")
VERSION: dict[str, Any] = yaml.safe_load(FILES["manifests/agent-operator.clusterserviceversion.yaml"])
SPEC = VERSION["spec"]
(STARTED,) = SPEC["install"]["spec"]["deployments"]
POD = STARTED["spec"]["template"]["spec"]


def overlay() -> list[dict[str, Any]]:
    """The objects of the cluster-wide installation."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command: list[str | Path] = [kubectl, "kustomize", ROOT / "deploy" / "kustomize" / "overlays" / "cluster"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("path", FILES)
def test_committed_files_match_the_sources(path: str) -> None:
    """If it fails, run `make manifests`."""
    assert (FOLDER / path).read_text(encoding="utf-8") == FILES[path]


def test_the_bundle_has_no_other_manifests() -> None:
    committed = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}

    assert committed == {*FILES, "base.yaml", "icon.svg"}


def test_the_operator_has_the_rights_of_the_other_installations() -> None:
    (everywhere,) = SPEC["install"]["spec"]["clusterPermissions"]
    (lease,) = SPEC["install"]["spec"]["permissions"]
    roles = {(obj["kind"], obj["metadata"]["name"]): obj["rules"] for obj in overlay() if "rules" in obj}

    assert everywhere["rules"] == roles["ClusterRole", "agent-operator"]
    assert lease["rules"] == roles["Role", "agent-operator-leader-election"]
    assert {everywhere["serviceAccountName"], lease["serviceAccountName"]} == {POD["serviceAccountName"]}


def test_the_deployment_differs_only_in_what_olm_and_openshift_need() -> None:
    (expected,) = (obj["spec"] for obj in overlay() if obj["kind"] == "Deployment")
    pod = expected["template"]["spec"]
    del pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]
    settings = read(["run"], {entry["name"]: entry.get("value", "") for entry in POD["containers"][0]["env"]})
    pod["containers"][0]["env"] = POD["containers"][0]["env"]

    assert STARTED["spec"] == expected
    assert not settings.set_pod_user
    assert not settings.allow_adoption
    assert not settings.manage_namespaces
    assert settings.runtime_image == olm.RUNTIME_IMAGE


def test_the_bundle_owns_the_crds_and_has_a_valid_example_of_each() -> None:
    owned = {entry["name"]: entry for entry in SPEC["customresourcedefinitions"]["owned"]}
    examples = json.loads(VERSION["metadata"]["annotations"]["alm-examples"])

    assert set(owned) == {name.removesuffix(".yaml") for name in crd.files()}
    assert {example["kind"] for example in examples} == {entry["kind"] for entry in owned.values()}
    for example in examples:
        entry = next(entry for entry in owned.values() if entry["kind"] == example["kind"])
        assert set(example["spec"]) <= {descriptor["path"] for descriptor in entry["specDescriptors"]}


def test_the_console_lists_every_kind_of_child() -> None:
    """OLM's CRD requires all three fields."""
    agents, channels = SPEC["customresourcedefinitions"]["owned"]

    assert [entry["kind"] for entry in agents["resources"]] == [kind.kind for kind in CHILDREN]
    assert {"kind": "Deployment", "name": "deployments.apps", "version": "v1"} in agents["resources"]
    assert {"kind": "Secret", "name": "secrets", "version": "v1"} in agents["resources"]
    assert channels["resources"] == [
        {"kind": "AgentDeployment", "name": "agentdeployments.agent-operator.dev", "version": "v1alpha1"}
    ]


@pytest.mark.parametrize("name", definitions.files(openapi.schemas()))
def test_descriptors_name_fields_of_the_crd(name: str) -> None:
    schema = crd.files()[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    (entry,) = (one for one in SPEC["customresourcedefinitions"]["owned"] if f"{one['name']}.yaml" == name)

    for part, descriptors in (("spec", "specDescriptors"), ("status", "statusDescriptors")):
        assert {descriptor["path"] for descriptor in entry[descriptors]} <= set(schema[part]["properties"])


def test_versions_and_images_are_those_of_the_release() -> None:
    released = yaml.safe_load(olm.files(ROOT / "deploy", "registry.example.com/acme/")["manifests/" + _VERSION_FILE])
    (started,) = released["spec"]["install"]["spec"]["deployments"]
    (container,) = started["spec"]["template"]["spec"]["containers"]

    assert released["metadata"]["name"] == f"agent-operator.v{__version__}"
    assert container["image"] == f"registry.example.com/acme/agent-operator/agent-operator:{__version__}"
    assert {image["image"].rpartition("/")[0] for image in released["spec"]["relatedImages"]} == {
        "registry.example.com/acme/agent-operator"
    }
    assert released["metadata"]["annotations"]["containerImage"] == container["image"]


_VERSION_FILE = "agent-operator.clusterserviceversion.yaml"


def test_the_image_and_the_annotations_describe_the_same_bundle() -> None:
    annotations = yaml.safe_load(FILES["metadata/annotations.yaml"])["annotations"]
    labels = [line for line in FILES["bundle.Dockerfile"].splitlines() if line.startswith("LABEL ")]

    assert labels == [f"LABEL {key}={value}" for key, value in annotations.items()]
    for key, folder in annotations.items():
        if folder.endswith("/"):
            assert [path for path in FILES if path.startswith(folder)], key


def test_namespaces_are_left_to_olm() -> None:
    objects = [yaml.safe_load(text) for path, text in FILES.items() if path.startswith("manifests/")]

    assert [obj["metadata"] for obj in objects if "namespace" in obj["metadata"]] == []
    assert VERSION["metadata"]["annotations"]["operatorframework.io/suggested-namespace"] == rbac.NAMESPACE
