"""The Helm chart installs what deploy/kustomize installs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_operator import __version__
from agent_operator.codegen import crd
from tests import fast_yaml as yaml
from tests import helm_program as helm
from tests.helm_chart import CHART, NAMESPACE, WITHOUT_POLICIES, Object, Values, rendered

ROOT = Path(__file__).parents[2]
Key = tuple[str, str, str]
# Labels that only Helm's objects have.
RELEASE_LABELS = {
    "app.kubernetes.io/instance": "ours",
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/name": "agent-operator",
    "app.kubernetes.io/part-of": "agent-operator",
    "app.kubernetes.io/version": __version__,
    "helm.sh/chart": f"agent-operator-{__version__}",
}
MONITORING = {part: {"enabled": True} for part in ("serviceMonitor", "prometheusRule", "dashboards")}


def by_key(objects: list[Object]) -> dict[Key, Object]:
    keyed = {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in objects}
    assert len(keyed) == len(objects)
    return keyed


@pytest.fixture
def kustomized(tmp_path: Path) -> Callable[..., list[Object]]:
    """Build folders of the repository, with components."""

    def build(*folders: str, components: tuple[str, ...] = ()) -> list[Object]:
        shipped = Path(os.path.relpath(ROOT, tmp_path))
        kustomization = {
            "resources": [str(shipped / folder) for folder in folders],
            "components": [str(shipped / "deploy/kustomize/components" / name) for name in components],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        kubectl = Path(sys.executable).with_name("kubectl")
        done = subprocess.run([kubectl, "kustomize", tmp_path], capture_output=True, text=True, check=True)
        return list(yaml.safe_load_all(done.stdout))

    return build


def comparable(obj: Object) -> Object:
    """The object without labels, and with its variables in alphabetical order."""
    text = json.loads(json.dumps(obj))
    text["metadata"].pop("labels", None)
    if obj["kind"] == "Deployment":
        (container,) = text["spec"]["template"]["spec"]["containers"]
        container["env"].sort(key=lambda variable: variable["name"])
    return text


@pytest.mark.parametrize(
    ("values", "overlay", "components"),
    [
        ({}, "cluster", ()),
        ({"rbac": {"namespaces": ["agents"]}}, "namespaced", ()),
        (WITHOUT_POLICIES, "cluster", ("without-admission",)),
        ({"rbac": {"namespaces": ["agents"]}, **WITHOUT_POLICIES}, "namespaced", ("without-admission",)),
        ({"admissionPolicies": {"requireAPIKeys": True}}, "cluster", ("require-api-keys",)),
        ({"admissionPolicies": {"confineOperator": True}}, "cluster", ("confined-operator",)),
        ({"settings": {"setPodUser": False}}, "cluster", ("openshift",)),
        ({"monitoring": MONITORING}, "cluster", ("monitoring",)),
    ],
    ids=str,
)
def test_the_chart_installs_the_same_objects_as_kustomize(
    values: Values, overlay: str, components: tuple[str, ...], kustomized: Callable[..., list[Object]]
) -> None:
    """Except for the Namespace, which `helm install --create-namespace` creates, and Helm's labels."""
    expected = by_key(kustomized(f"deploy/kustomize/overlays/{overlay}", components=components))
    del expected["Namespace", "", NAMESPACE]

    assert_equal(by_key(rendered(values)), expected)


def test_the_chart_installs_the_same_crds_as_kustomize(kustomized: Callable[..., list[Object]]) -> None:
    found = by_key(rendered({}, crds=True))
    expected = by_key(kustomized("crds"))

    assert_equal({key: obj for key, obj in found.items() if key[0] == "CustomResourceDefinition"}, expected)


def assert_equal(found: dict[Key, Object], expected: dict[Key, Object]) -> None:
    assert found.keys() == expected.keys()
    for key, obj in expected.items():
        assert comparable(found[key]) == comparable(obj)
        labels = found[key]["metadata"]["labels"]
        assert labels == RELEASE_LABELS | obj["metadata"].get("labels", {})


def test_the_chart_has_the_version_of_the_operator() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    images = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])

    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert images[0]["image"] == f"agent-operator/agent-operator:{__version__}"


def test_the_annotations_for_artifact_hub_describe_the_crds_and_valid_examples() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["annotations"]
    described = {entry["name"] for entry in yaml.safe_load(annotations["artifacthub.io/crds"])}
    examples = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])

    assert described == {name.removesuffix(".yaml") for name in crd.files()}
    agentctl = [sys.executable, "-m", "agentctl", "validate", "-f", "-"]
    done = subprocess.run(agentctl, input=yaml.safe_dump_all(examples), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint_finds_nothing() -> None:
    done = helm.run("lint", "--strict", CHART)

    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


def test_the_documentation_names_values_that_exist() -> None:
    page = (ROOT / "docs" / "how-to" / "install-with-helm.md").read_text(encoding="utf-8")
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    named = set(re.findall(r"(?:`|--set '?|,)([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?=[`:=])", page))

    assert len(named) >= 20
    for path in sorted(named):
        found = values
        for name in path.split("."):
            assert name in found, path
            found = found[name]
