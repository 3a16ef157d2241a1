"""The merge patch of a status, and the parts of a status."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_operator.api import constants
from agent_operator.kube.objects import Key, Live, Ref, pack
from agent_operator.render.plan import Owner
from agent_operator.status.builder import changes, first_failure, own

STATUS = st.dictionaries(st.sampled_from("abcd"), st.integers() | st.lists(st.integers(), max_size=2))


@given(STATUS, STATUS)
def test_the_patch_turns_one_status_into_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """In a merge patch, null removes a field and any other value replaces it. Equal statuses need no patch."""
    patch = changes(before, after)
    merged = {key: value for key, value in (before | patch).items() if value is not None}
    assert merged == after
    assert (patch == {}) is (before == after)


def child(kind: str, name: str, uid: str) -> tuple[Ref, Live]:
    owner = {"apiVersion": constants.API_VERSION, "kind": constants.KIND, "name": "a", "uid": uid, "controller": True}
    meta = {"name": name, "namespace": "ns", "uid": name, "ownerReferences": [owner]}
    return Ref(kind, "ns", name), pack(kind, {"metadata": meta, "spec": {}})


def test_only_owned_children_are_listed() -> None:
    live = dict([child("Service", "a", "u"), child("Service", "a-canary", "x"), child("Pod", "a", "u")])
    assert list(own(live, Owner("u", Key("ns", "a"), "ns"))) == [Ref("Service", "ns", "a")]


def test_the_failure_is_that_of_the_first_failing_pod() -> None:
    assert first_failure([{}, {"failure": {"pod": "b"}}, {"failure": {"pod": "c"}}]) == {"pod": "b"}
    assert first_failure([{}]) is None
