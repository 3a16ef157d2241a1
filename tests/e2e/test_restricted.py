"""A namespace that enforces the Pod Security Standard `restricted` admits the pods of every agent."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from agent_operator.render import Inputs, render
from tests.e2e.kubectl import Kubectl
from tests.pod_security import violations
from tests.pod_security_cases import ALLOWED, FORBIDDEN
from tests.polling import eventually
from tests.valid.agents import agents

pytestmark = pytest.mark.authorization

Object = dict[str, Any]
# Kinds of CRDs that the cluster may lack, and cluster-scoped kinds.
LEFT_OUT = ("CiliumNetworkPolicy", "ExternalSecret", "HTTPRoute", "Namespace", "SecretStore", "ServiceMonitor")


@pytest.fixture
def restricted(kubectl: Kubectl) -> Any:
    """Kubectl in a namespace that enforces the standard."""
    kubectl.run("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=restricted")
    return kubectl


def generated(number: int) -> list[Inputs]:
    found: list[Inputs] = []

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(agents())
    def collect(inputs: Inputs) -> None:
        found.append(inputs)

    collect()
    return found


def pod(template: Object, name: str) -> Object:
    """A pod as a Deployment creates it, without references to objects that must exist before it."""
    spec = {
        key: value for key, value in template["spec"].items() if key not in ("priorityClassName", "runtimeClassName")
    }
    meta = template.get("metadata", {}) | {"name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec | {"serviceAccountName": "default"}}


def objects(number: int, inputs: Inputs) -> list[Object]:
    """The agent's children and one of its pods, with unique names."""
    manifests = []
    for manifest in deepcopy(render(inputs).manifests):
        if manifest["kind"] in LEFT_OUT:
            continue
        name = f"a{number}-{manifest['metadata']['name'][:40].rstrip('-')}"
        if manifest["kind"] == "Service":
            # The cluster may not have both families.
            for field in ("ipFamilies", "ipFamilyPolicy"):
                manifest["spec"].pop(field, None)
        kept = {key: manifest["metadata"].get(key) for key in ("labels", "annotations")}
        manifests.append(manifest | {"metadata": kept | {"name": name}})
        if manifest["kind"] == "Deployment":
            manifests.append(pod(manifest["spec"]["template"], name))
    return manifests


def refusals(kubectl: Kubectl, manifests: list[Object]) -> list[str]:
    """The errors of the API server for creating the objects, including unknown fields."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    done = kubectl.run("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)
    return [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]


def test_the_restricted_level_admits_the_pods_of_all_valid_agents(restricted: Any) -> None:
    eventually("the ServiceAccount is created", lambda: restricted.get("sa", "default"))
    found = generated(60)

    assert len(found) == 60
    manifests = [manifest for number, inputs in enumerate(found) for manifest in objects(number, inputs)]
    assert refusals(restricted, manifests) == []


def test_the_restricted_level_agrees_with_the_evaluator_of_the_tests(restricted: Any) -> None:
    """Left out: ephemeral containers, which no new pod may have, and Windows, which needs a complete pod."""
    eventually("the ServiceAccount is created", lambda: restricted.get("sa", "default"))
    for case in [case for check, case in FORBIDDEN if check != "windows_host_process"] + ALLOWED:
        manifest = pod(case, "tried")
        manifest["spec"].pop("ephemeralContainers", None)

        errors = refusals(restricted, [manifest])

        assert bool(errors) is bool(violations(manifest)), (manifest, errors)
