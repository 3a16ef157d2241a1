"""`agentctl install generate`: the manifests of the operator for options."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_operator import __version__
from agentctl.offline import installation
from agentctl.offline.installation import Options
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[3]
KUBECTL = Path(sys.executable).with_name("kubectl")
Agentctl = Callable[..., Any]
Objects = dict[str, dict[str, Any]]


def by_name(text: str) -> Objects:
    return {
        f"{it['kind']}/{it['metadata'].get('namespace', '')}/{it['metadata']['name']}": it
        for it in yaml.safe_load_all(text)
    }


def operator(objects: Objects) -> dict[str, Any]:
    return objects["Deployment/agent-operator-system/agent-operator"]["spec"]


def variables(objects: Objects) -> dict[str, str]:
    (container,) = operator(objects)["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def test_without_options_it_prints_the_overlay_of_the_cluster(agentctl: Agentctl) -> None:
    result = agentctl("install", "generate")
    overlay = ROOT / "deploy" / "kustomize" / "overlays" / "cluster"
    expected = subprocess.run([KUBECTL, "kustomize", overlay], capture_output=True, text=True, check=True).stdout

    assert by_name(result.out) == by_name(expected)


def test_options_set_images_replicas_secrets_and_the_settings_of_the_operator(agentctl: Agentctl) -> None:
    options = ("--registry", "r.example.com/team/", "--tag", "1.2.3", "--replicas", "3", "--pull-secret", "registry")
    objects = by_name(agentctl("install", "generate", *options, "--set", "workers=16").out)

    assert operator(objects)["replicas"] == 3
    (container,) = operator(objects)["template"]["spec"]["containers"]
    assert container["image"] == "r.example.com/team/agent-operator/agent-operator:1.2.3"
    assert variables(objects) == {
        "AGENT_OPERATOR_RUNTIME_IMAGE": "r.example.com/team/agent-operator/agent-runtime",
        "AGENT_OPERATOR_RUNTIME_IMAGE_PULL_SECRETS": "registry",
        "AGENT_OPERATOR_WORKERS": "16",
    }
    account = objects["ServiceAccount/agent-operator-system/agent-operator"]
    assert account["imagePullSecrets"] == [{"name": "registry"}]


def test_watched_namespaces_get_roles_and_the_operator_no_rights_in_others(agentctl: Agentctl) -> None:
    objects = by_name(agentctl("install", "generate", "--watch", "team-a", "--watch", "team-b").out)

    assert {"Role/team-a/agent-operator", "RoleBinding/team-b/agent-operator"} <= objects.keys()
    assert "ClusterRole//agent-operator" not in objects
    assert variables(objects)["AGENT_OPERATOR_NAMESPACES"] == "team-a,team-b"


def test_components_and_crds_are_added(agentctl: Agentctl) -> None:
    objects = by_name(agentctl("install", "generate", "--component", "openshift", "--crds", "with").out)
    only = json.loads(agentctl("install", "generate", "--crds", "only", "-o", "json").out)

    assert "CustomResourceDefinition//agentdeployments.agent-operator.dev" in objects
    assert variables(objects) == {"AGENT_OPERATOR_SET_POD_USER": "false"}
    assert {item["kind"] for item in only["items"]} == {"CustomResourceDefinition"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "nope=1"), "--set nope=1: use OPTION=VALUE with one of the options allow-adoption, "),
        (("--set", "workers"), "--set workers: use OPTION=VALUE"),
        (("--set", "workers=0"), "--workers: Input should be greater than or equal to 1"),
        (("--watch", "../x"), "--namespaces: "),
        (("--replicas", "0"), "Invalid value for '--replicas'"),
        (("--component", "istio"), "Invalid value for '--component'"),
        (("--component", "confined-operator", "--component", "without-admission"), "remove one of the two"),
    ],
)
def test_an_invalid_option_is_an_error(arguments: tuple[str, ...], message: str, agentctl: Agentctl) -> None:
    result = agentctl("install", "generate", *arguments)

    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_the_image_has_the_version_of_agentctl() -> None:
    main = installation.files(Options(), "source")["."]

    assert main["images"] == [{"name": "agent-operator/agent-operator", "newTag": __version__}]
