"""The objects that the Helm chart renders."""

import subprocess
from pathlib import Path
from typing import Any

from agent_operator.codegen import rbac
from tests import fast_yaml as yaml
from tests import helm_program as helm

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "agent-operator"
NAMESPACE = rbac.NAMESPACE
Object = dict[str, Any]
Values = dict[str, Any]
WITHOUT_POLICIES = {"admissionPolicies": {"enabled": False}}


def template(values: Values, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with values in a file, as users do."""
    arguments = ["--namespace", NAMESPACE, "--values", "-", *options]
    return helm.run("template", "ours", CHART, *arguments, stdin=yaml.safe_dump(values), check=check)


def rendered(values: Values, *options: str, crds: bool = False) -> list[Object]:
    """The objects. The CRDs are large, so they are left out where they do not matter."""
    text = template(values, "--skip-tests", *([] if crds else ["--set", "crds.enabled=false"]), *options).stdout
    return [obj for obj in yaml.safe_load_all(text) if obj]


def one(objects: list[Object], kind: str) -> Object:
    (found,) = (obj for obj in objects if obj["kind"] == kind)
    return found


def environment(objects: list[Object]) -> dict[str, str]:
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}
