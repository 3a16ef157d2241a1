"""Fields that old releases of Kubernetes lack."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from agent_operator.codegen.kubernetes_schema import RELEASE
from agentctl.offline import releases

ROOTS = ("core.v1.PodTemplateSpec", "autoscaling.v2.HorizontalPodAutoscaler", "networking.v1.NetworkPolicy")
NEWEST = int(RELEASE.split(".")[1])


def _definitions(minor: int) -> dict[str, Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v1.{minor}.0-local"
    found: dict[str, Any] = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
    return found


def _fields(minor: int) -> set[str]:
    """Return every field of a release, after the field that contains it."""
    definitions, seen = _definitions(minor), set()

    def visit(parent: str, schema: Any) -> Iterator[str]:
        reference = schema.get("$ref", "").rpartition("/")[2]
        if reference in definitions and (parent, reference) not in seen:
            seen.add((parent, reference))
            for name, below in definitions[reference].get("properties", {}).items():
                yield f"{parent}.{name}"
                yield from visit(name, below)
        for nested in ("items", "additionalProperties"):
            if isinstance(schema.get(nested), dict):
                yield from visit(parent, schema[nested])

    return {field for root in ROOTS for field in visit("spec", {"$ref": f"#/$defs/io.k8s.api.{root}"})}


@pytest.mark.parametrize("minor", range(releases.OLDEST + 1, NEWEST + 1))
def test_the_table_has_each_field_that_a_release_added(minor: int) -> None:
    known = {name for later in range(minor, NEWEST + 1) for name in releases.SINCE.get(later, "").split()}
    added = _fields(minor) - _fields(minor - 1)
    inside = {field for field in added if any(name.endswith(f".{field.split('.')[0]}") for name in added)}
    # The status of a child is not written by users.
    assert added - inside - {"conditions.observedGeneration"} <= known
    assert set(releases.SINCE.get(minor, "").split()) <= added
