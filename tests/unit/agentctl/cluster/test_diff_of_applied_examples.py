"""`agentctl diff -f` of an example that is applied and ready reports no change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.api.v1alpha1.rollout import Rollout, RolloutStatus
from agent_operator.inputs import endpoints, service_targets
from agent_operator.inputs.platform import Assigned
from agent_operator.render import Inputs, render
from agent_operator.rollout.manifests import compose
from agent_operator.rollout.rollout_inputs import RolloutInputs
from agentctl.cluster.kubectl import Kubectl
from agentctl.commands import live_diff
from agentctl.errors import CommandError
from agentctl.formats import View
from agentctl.offline import input_files
from agentctl.offline.checks import check
from tests import fast_yaml as yaml

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*/agent.yaml"))
Object = dict[str, Any]
# Every host that an agent connects to is a Service whose port differs from that of its pods.
SPEC: Object = {
    "selector": {"app": "server"},
    "ports": [{"port": port, "targetPort": 9999} for port in (80, 443, 8000)],
}


class Cluster(Kubectl):
    """kubectl in a cluster with the children of some agents, and a Service for each name elsewhere."""

    objects: dict[tuple[str, str, str], Object] = {}  # noqa: RUF012 - set per instance
    forbidden: bool = False

    def __init__(self, objects: dict[tuple[str, str, str], Object], *, forbidden: bool, namespace: str = "") -> None:
        for name, value in {"objects": objects, "forbidden": forbidden, "namespace": namespace}.items():
            object.__setattr__(self, name, value)

    def default_namespace(self) -> str:
        """Return the namespace of the examples that set none."""
        return "default"

    def get(self, *arguments: str) -> list[Object]:
        """Return the objects that the arguments name."""
        found = []
        for argument in arguments:
            kind, _, name = argument.partition("/")
            key = (self.namespace, kind.split(".")[0].lower(), name)
            if obj := self.objects.get(key) or self.objects.get(("", *key[1:])):
                found.append(obj)
            elif key[1] == "service":
                if self.forbidden:
                    raise CommandError(f'Error from server (Forbidden): services "{name}" is forbidden')
                found.append({"kind": "Service", "metadata": {"name": name}, "spec": SPEC})
        return found

    def in_namespace(self, namespace: str) -> "Cluster":
        """Return the cluster with another namespace."""
        return Cluster(self.objects, forbidden=self.forbidden, namespace=namespace)


def applied(body: Object, inputs: Inputs, cluster: Cluster) -> Iterator[tuple[tuple[str, str, str], Object]]:
    """Yield what the API server has after the operator has applied an agent."""
    meta = body["metadata"] | {"uid": "u"}
    services = {}
    for namespace, name in () if cluster.forbidden else endpoints.services(inputs.spec, inputs.namespace):
        (service,) = cluster.in_namespace(namespace).get(f"service/{name}")
        services[namespace, name] = service_targets.parse(service_targets.content(service))
    channel = inputs.spec.runtime and inputs.spec.runtime.channel
    agent = AgentDeployment.model_validate(body | {"metadata": meta})
    live = Inputs(
        agent,
        inputs.prompt_template,
        inputs.hashes,
        checks_text=inputs.checks_text,
        services=services,
        assigned=Assigned("9.9.9") if channel else None,
    )
    rendered = render(live)
    revision = rendered.revision
    observed = RolloutInputs(revision.name, "in", "spec", "2026-11-23T08:00:00Z", inputs.spec.rollout or Rollout())
    settled = RolloutStatus(target=revision.name, stable=revision.name)
    manifests = compose(live, rendered, observed, settled, {revision.name: revision}).rendered.manifests
    for manifest in manifests:
        obj = dict(manifest) | {"metadata": manifest["metadata"] | {"uid": "o"}}
        yield (manifest["metadata"].get("namespace", ""), manifest["kind"].lower(), obj["metadata"]["name"]), obj
    status = {"channel": {"name": channel, "version": "9.9.9"}} if channel else {}
    key = (inputs.own_namespace, constants.PLURAL, inputs.name)
    yield key, body | {"metadata": meta, "status": status | {"namespaceUid": "o"}}


def diff(path: Path, capsys: pytest.CaptureFixture[str], *, forbidden: bool = False) -> Object:
    """Return the diffs of the objects that `agentctl diff -f` reports as changed."""
    sources = input_files.read([str(path)], "default")
    objects: dict[tuple[str, str, str], Object] = {}
    # The second time, each agent finds the Services of the others.
    for document in (*sources.agents, *sources.agents):
        inputs = check(document, sources).inputs
        assert inputs is not None
        objects |= applied(document.body, inputs, Cluster(objects, forbidden=forbidden))

    live_diff.run(Cluster(objects, forbidden=forbidden), [str(path)], View.YAML)

    found = yaml.safe_load(capsys.readouterr().out)["objects"]
    return {it["object"]: it["diff"] for it in found if it["action"] not in ("unchanged", "not compared")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_applied_example_is_unchanged(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff(path, capsys) == {}


def test_a_user_who_may_not_read_services_compares_with_what_such_an_operator_applies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path,) = (it for it in EXAMPLES if it.parent.name == "23-fallbacks")

    assert diff(path, capsys, forbidden=True) == {}
