"""Forged labels and owner references make no object the operator's: it is neither changed nor deleted."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key, Ref
from agent_operator.render.plan import REQUESTED, Owner, owner_from

UID = "agent-uid"
KEY = Key("team", "support")
LABELS = {constants.LABEL_AGENT: "support", constants.LABEL_OWNER_UID: UID}
ELSEWHERE = LABELS | {constants.LABEL_AGENT_NAMESPACE: "team"}
CONTROLLER = {
    "apiVersion": constants.API_VERSION,
    "kind": constants.KIND,
    "name": "support",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
# Owner references that are not those of the agent. A guessed UID, another group, and so on.
FORGED = {
    "none": [],
    "not controlling": [CONTROLLER | {"controller": False}],
    "without controller": [{key: value for key, value in CONTROLLER.items() if key != "controller"}],
    "another uid": [CONTROLLER | {"uid": "guessed"}],
    "another kind": [CONTROLLER | {"kind": "Deployment"}],
    "another group": [CONTROLLER | {"apiVersion": "apps/v1"}],
    "a group with our prefix": [CONTROLLER | {"apiVersion": "agent-operator.dev.example.com/v1"}],
    "another name": [CONTROLLER | {"name": "other"}],
    "another controller beside it": [CONTROLLER | {"controller": False}, CONTROLLER | {"uid": "guessed"}],
}
NAMES = {
    "Service": ("support", "support-canary"),
    "Deployment": ("support", "support-canary"),
    "ConfigMap": ("support-config-0a1b2c3d4e", "support-checks-0a1b2c3d4e"),
    "ControllerRevision": ("support-0a1b2c3d4e",),
    "Job": ("support-checks-0a1b2c3d4e",),
    "Secret": ("support-secrets",),
    "ExternalSecret": ("support-secrets",),
    "SecretStore": ("support", "any-name-of-the-spec"),
    "NetworkPolicy": ("support",),
}
FOREIGN = {
    "Service": ("other", "support-db", "supporter", "support-canary-2"),
    "ConfigMap": ("kube-root-ca.crt", "support", "support-settings", "support-config-x", "support-configs-0a"),
    "ControllerRevision": ("support-web", "other-0a1b2c3d4e"),
    "Job": ("support-migrate", "other-checks-0a1b2c3d4e"),
    "Secret": ("support-tls", "db-password"),
    "PersistentVolumeClaim": ("data",),
}


def own(kind: str, name: str, *, namespace: str = "team", target: str = "team", **meta: Any) -> bool:
    """Whether the agent owns an object. `target`: the namespace of the agent's children."""
    obj = {"metadata": {"name": name, "namespace": namespace, **meta}}
    return Owner(UID, KEY, target).owns(Ref(kind, namespace, name), obj, "uid")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_children_are_owned(kind: str, name: str) -> None:
    assert own(kind, name, labels=LABELS, ownerReferences=[CONTROLLER])
    assert own(kind, name, namespace="own", target="own", labels=ELSEWHERE)


@pytest.mark.parametrize("forged", FORGED)
def test_labels_do_not_replace_the_owner_reference(forged: str) -> None:
    for labels in (LABELS, ELSEWHERE):
        assert not own("Service", "support", labels=labels, ownerReferences=FORGED[forged])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FOREIGN.items() for name in names])
def test_labels_on_an_object_with_the_name_of_no_child_prove_nothing(kind: str, name: str) -> None:
    if name == "support":
        return  # the name of the agent is that of most children
    assert not own(kind, name, namespace="own", target="own", labels=ELSEWHERE)


@pytest.mark.parametrize(
    ("namespace", "target", "meta"),
    [
        ("victim", "team", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER]}),
        ("victim", "team", {"labels": ELSEWHERE}),
        ("victim", "own", {"labels": ELSEWHERE}),
        ("victim", "own", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER]}),
        ("team", "own", {"labels": ELSEWHERE}),
        ("team", "own", {"labels": LABELS, "ownerReferences": [CONTROLLER]}),
        ("own", "own", {"labels": LABELS}),
        ("own", "own", {"labels": ELSEWHERE | {constants.LABEL_AGENT_NAMESPACE: "other"}}),
        ("own", "own", {"labels": ELSEWHERE | {constants.LABEL_AGENT: "other"}}),
        ("own", "own", {"labels": ELSEWHERE | {constants.LABEL_OWNER_UID: "guessed"}}),
        ("own", "own", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER]}),
        ("own", "own", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER | {"uid": "x", "kind": "ReplicaSet"}]}),
        ("own", "own", {"labels": None}),
        ("own", "own", {}),
    ],
)
def test_an_object_in_another_namespace_is_not_owned_by_forged_marks(
    namespace: str, target: str, meta: dict[str, Any]
) -> None:
    assert not own("Service", "support", namespace=namespace, target=target, **meta)


@pytest.mark.parametrize(
    ("record", "uid", "meta", "expected"),
    [
        ("n-1", "n-1", {"labels": ELSEWHERE}, True),
        (REQUESTED, "n-1", {"labels": ELSEWHERE}, True),
        ("", "n-1", {"labels": ELSEWHERE}, False),
        ("n-1", "n-2", {"labels": ELSEWHERE}, False),
        ("n-1", "n-1", {"labels": {}}, False),
        ("n-1", "n-1", {"labels": LABELS}, False),
        ("n-1", "n-1", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER]}, False),
        ("", "", {"labels": ELSEWHERE, "ownerReferences": [CONTROLLER]}, False),
    ],
)
def test_a_namespace_is_owned_if_the_operator_recorded_its_creation(
    record: str, uid: str, meta: dict[str, Any], expected: bool
) -> None:
    obj = {"metadata": {"name": "own", **meta}}
    assert Owner(UID, KEY, "own", record).owns(Ref("Namespace", "", "own"), obj, uid) is expected
    assert not Owner(UID, KEY, "team", record).owns(Ref("Namespace", "", "own"), obj, uid)


@pytest.mark.parametrize(
    ("status", "record"),
    [
        ({}, ""),
        (None, ""),
        ({"namespaceUid": "n-1", "children": [{"kind": "Namespace", "ready": True}]}, "n-1"),
        ({"children": [{"kind": "Namespace", "ready": True}]}, REQUESTED),
        ({"children": [{"kind": "Namespace", "ready": False}]}, ""),
        ({"children": [{"kind": "Service", "ready": True}]}, ""),
    ],
)
def test_the_status_of_an_older_operator_proves_the_creation(status: Any, record: str) -> None:
    """It listed a Namespace as ready only if it owned it. Only the operator may write the status."""
    agent = {
        "metadata": {"name": "support", "namespace": "team", "uid": UID},
        "spec": {"namespace": {"name": "own"}},
        "status": status,
    }
    assert owner_from(agent) == Owner(UID, KEY, "own", record)
