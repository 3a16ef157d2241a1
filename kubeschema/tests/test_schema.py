"""Schema nodes: atomic and keyed types, fields that Go always writes, cached resolution."""

import pytest

from kubeschema import schema
from kubeschema.schema import Schema


def _at(kind: tuple[str, str, str], path: str) -> Schema:
    node = schema.builtin(*kind)
    for part in path.split("."):
        assert node is not None
        node = node.items if part == "*" else node.child(part)
    assert node is not None
    return node


DEPLOYMENT = ("apps", "v1", "Deployment")
POD = ("", "v1", "Pod")
KEYED = [
    (POD, "spec.containers", ("name",)),
    (POD, "spec.containers.*.ports", ("containerPort", "protocol")),
    (POD, "spec.containers.*.env", ("name",)),
    (POD, "spec.containers.*.volumeMounts", ("mountPath",)),
    (POD, "spec.volumes", ("name",)),
    (POD, "spec.topologySpreadConstraints", ("topologyKey", "whenUnsatisfiable")),
    (POD, "metadata.ownerReferences", ("uid",)),
    (POD, "status.conditions", ("type",)),
    (("", "v1", "Service"), "spec.ports", ("port", "protocol")),
    (DEPLOYMENT, "status.conditions", ("type",)),
]


@pytest.mark.parametrize(("kind", "path", "keys"), KEYED)
def test_associative_lists(kind: tuple[str, str, str], path: str, keys: tuple[str, ...]) -> None:
    node = _at(kind, path)
    assert (node.list_type, node.keys, node.atomic) == ("map", keys, False)


@pytest.mark.parametrize(
    ("kind", "path", "atomic"),
    [
        (DEPLOYMENT, "spec.selector", True),
        (DEPLOYMENT, "metadata.labels", False),
        (DEPLOYMENT, "metadata.annotations", False),
        (DEPLOYMENT, "spec.template.spec.nodeSelector", True),
        (POD, "spec.containers.*.args", True),
        (POD, "spec.tolerations", True),
        (POD, "metadata.finalizers", False),
        (("", "v1", "Service"), "spec.selector", True),
        (("", "v1", "Event"), "involvedObject", True),
        (("apps", "v1", "ControllerRevision"), "data", True),
        (("networking.k8s.io", "v1", "NetworkPolicy"), "spec.ingress", True),
        (("", "v1", "ConfigMap"), "data", False),
    ],
)
def test_atomic_or_granular(kind: tuple[str, str, str], path: str, atomic: bool) -> None:
    assert _at(kind, path).atomic is atomic


def test_unknown_kinds_have_no_schema() -> None:
    assert schema.builtin("example.org", "v1", "Nope") is None


def test_nodes_are_resolved_once() -> None:
    """Nodes are cached across requests."""
    assert schema.builtin(*POD) is schema.builtin(*POD)
    assert _at(POD, "spec.containers.*") is _at(POD, "spec.containers.*")


def test_recursive_types() -> None:
    """JSONSchemaProps contains itself; nodes are resolved on first use."""
    crd = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    root = "spec.versions.*.schema.openAPIV3Schema"
    assert _at(crd, f"{root}.properties.*.properties.*.properties.*.not").type == "object"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("spec.containers.*.resources.limits.*", "quantity"),
        ("spec.containers.*.livenessProbe.httpGet.port", "intOrString"),
        ("spec.terminationGracePeriodSeconds", "integer"),
        ("metadata.creationTimestamp", "time"),
        ("spec.hostNetwork", "boolean"),
    ],
)
def test_scalar_types(path: str, kind: str) -> None:
    assert _at(POD, path).type == kind


def test_custom_resources_get_metadata_and_open_maps() -> None:
    node = schema.from_crd(
        {"type": "object", "properties": {"free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    )
    labels, free = node.fields["metadata"].child("labels"), node.child("free")
    assert node.fields.keys() == {"apiVersion", "kind", "metadata", "free"}
    assert labels is not None
    assert labels.type == "map"
    assert free is not None
    assert free.child("anything") is not None
    assert node.child("unknown") is None
