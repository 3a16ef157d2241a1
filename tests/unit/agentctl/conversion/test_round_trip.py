"""What the operator renders from an example, imported and rendered again, is the same up to the listed differences."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.render import render
from agentctl.conversion.convert import Conversion, convert
from agentctl.conversion.defaults import normalized
from agentctl.conversion.differences import differences
from agentctl.conversion.findings import Outcome
from agentctl.conversion.manifests import parse
from agentctl.conversion.workload import workloads
from agentctl.offline import input_files
from agentctl.offline.checks import check
from agentctl.offline.documents import Document

ROOT = Path(__file__).parents[4]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/agent.yaml"))
GOLDEN = sorted((ROOT / "tests" / "golden" / "inputs").glob("*.yaml"))
REVISION = "Deployment spec.template.spec.containers[agent].env[AGENT_REVISION].value"
# The Namespace of an agent is an object of its own after the import, so its labels are not those of the pods.
OWN_NAMESPACE = {"Namespace", REVISION}
# A canary is no object of its own, so spec.rollout.strategy is RollingUpdate after the import.
CANARY = {
    "NetworkPolicy spec.podSelector.matchLabels[agent-operator.dev/agent]",
    "NetworkPolicy spec.podSelector.matchLabels.app",
    "Service spec.sessionAffinity",
}
TRUSTED_CA = "Deployment spec.template.spec.containers[agent].env[TRUSTED_CA_FILE]"
LISTEN_ADDRESS = "Deployment spec.template.spec.containers[agent].env[LISTEN_ADDRESS]"
DEFAULT_CONTAINER = "Deployment spec.template.metadata.annotations[kubectl.kubernetes.io/default-container]"
DIFFERENT: dict[str, set[str]] = {
    "07-own-namespace": OWN_NAMESPACE,
    "10-seed": OWN_NAMESPACE,
    # The variable of podTemplate becomes one of spec.env, in another order.
    "11-pod-template": {REVISION},
    "15-canary": CANARY,
    # The tokens become a volume of podTemplate.
    # The key of a Secret becomes a variable of the import.
    "19-models": {REVISION},
    # The authorities become a volume of podTemplate.
    "models-that-differ": {REVISION, DEFAULT_CONTAINER},
    "redis-sentinel": {REVISION, DEFAULT_CONTAINER},
    # A missing user means the default of the operator.
    "assigned-user": {
        REVISION,
        "Deployment spec.template.metadata.annotations[kubectl.kubernetes.io/default-container]",
        *(f"Deployment spec.template.spec.securityContext.{field}" for field in ("fsGroup", "runAsGroup", "runAsUser")),
    },
    # No affinity is the default of Kubernetes, but not of the operator.
    "callers": {"Service spec.sessionAffinity"},
    "canary-autoscaling": CANARY,
    # The rule for the pods of the namespace is one of its own.
    "gateway": {"NetworkPolicy spec.ingress"},
    "canary-gateway": {*CANARY, "NetworkPolicy spec.ingress"},
    # The port of a probe is written by its name.
    "env-and-probes": {REVISION, "Deployment spec.template.spec.containers[agent].readinessProbe.httpGet.port"},
    # The Secret stays as it is.
    "longest-name": {"Secret"},
    # The dashboard and the alerts stay as they are. The variables of tracing become those of spec.env.
    "monitoring": {REVISION, "ConfigMap", "PrometheusRule"},
    "own-namespace": OWN_NAMESPACE,
    # The prices become a volume of podTemplate.
    "prices": {REVISION, DEFAULT_CONTAINER},
    "pod-template": {REVISION},
    # The authorities become a volume of podTemplate, without the variable, which only the operator may set.
    "common-metadata": {REVISION, DEFAULT_CONTAINER},
    "proxy": {REVISION, TRUSTED_CA, DEFAULT_CONTAINER},
    "proxy-variable": {REVISION, TRUSTED_CA, LISTEN_ADDRESS},
    "secret-values": {"Secret"},
    "seed": OWN_NAMESPACE,
}


def _conversions(path: Path) -> Iterator[tuple[list[dict[str, Any]], Conversion]]:
    """Yield the rendered manifests of each agent, and what an import makes of them."""
    sources = input_files.read([str(path)], "default")
    for document in sources.agents:
        inputs = check(document, sources).inputs
        assert inputs is not None
        before = [_without_owners(manifest) for manifest in render(inputs).manifests]
        documents = [Document("rendered", number, manifest) for number, manifest in enumerate(before)]
        (workload,) = workloads(parse(documents, "default")[0], (), "")
        yield before, convert(workload)


def _without_owners(manifest: dict[str, Any]) -> dict[str, Any]:
    """Objects that belong to an AgentDeployment are not imported."""
    return manifest | {
        "metadata": {key: item for key, item in manifest["metadata"].items() if key != "ownerReferences"}
    }


@pytest.mark.parametrize("path", [*EXAMPLES, *GOLDEN], ids=lambda path: path.stem)
def test_an_import_of_rendered_manifests_renders_the_same(path: Path) -> None:
    for before, conversion in _conversions(path):
        after = {manifest["kind"]: manifest for manifest in conversion.manifests}
        found = set()
        for manifest in before:
            kind = manifest["kind"]
            if kind not in after:
                found.add(kind)
                continue
            pair = normalized(kind, manifest), normalized(kind, after.pop(kind))
            found |= {f"{kind} {item.field}" for item in differences(*pair)}
        if path.stem == "common-metadata":
            # An import keeps the labels and annotations of pods; those of other objects do not change what runs.
            found = {field for field in found if not field.partition(" ")[2].startswith("metadata.")}
        assert found == DIFFERENT.get(path.stem, set())
        assert set(after) == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_import_of_rendered_manifests_loses_nothing(path: Path) -> None:
    for _, conversion in _conversions(path):
        assert [finding for finding in conversion.findings if finding.outcome is Outcome.LOST] == []


def test_the_table_has_no_other_entries() -> None:
    assert set(DIFFERENT) <= {path.stem for path in (*EXAMPLES, *GOLDEN)}
