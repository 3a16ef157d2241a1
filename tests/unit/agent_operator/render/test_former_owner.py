"""An object of a deleted agent, or one that is being deleted, is no conflict: it disappears by itself."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.kube.objects import Key
from agent_operator.render.former_owner import goes_away

KEY = Key("ns", "a")


def owned(uid: str = "old", **fields: Any) -> dict[str, Any]:
    reference = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "name": "a", "uid": uid, "controller": 1}
    return {"name": "a", "namespace": "ns", "ownerReferences": [reference | fields]}


def labelled(uid: str, namespace: str, name: str = "a") -> dict[str, Any]:
    labels = {
        constants.LABEL_AGENT_NAMESPACE: "ns",
        constants.LABEL_AGENT: name,
        constants.LABEL_OWNER_UID: uid,
    }
    return {"name": "a", "namespace": namespace, "labels": labels}


@pytest.mark.parametrize(
    ("meta", "disappears"),
    [
        ({"name": "a", "namespace": "ns"}, False),
        ({"name": "a", "namespace": "ns", "deletionTimestamp": "now"}, True),
        (owned(), True),
        (owned("new"), False),
        (owned(name="another"), False),
        (owned(kind="Deployment"), False),
        (owned(controller=False), False),
        (owned() | {"namespace": "elsewhere"}, False),
        (labelled("old", "elsewhere"), True),
        (labelled("new", "elsewhere"), False),
        (labelled("old", "elsewhere", "another"), False),
        (labelled("old", "ns"), False),
    ],
)
def test_what_goes_away(meta: dict[str, Any], *, disappears: bool) -> None:
    """In the namespace of the agent, labels alone prove nothing: `kubectl delete --cascade=orphan` leaves them."""
    assert goes_away({"metadata": meta}, "new", KEY) is disappears
