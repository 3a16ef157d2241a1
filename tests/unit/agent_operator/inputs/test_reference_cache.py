"""The cache of referenced objects is limited in bytes, and an object in its number of keys."""

from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.inputs.reference_cache import MAX_BYTES, MAX_KEYS, ReferenceCache
from agent_operator.kube.objects import Ref
from tests.clock import ManualClock

LIFETIME = 45.0
A, B, C = (Ref("ConfigMap", "ns", name) for name in "abc")


def config_map(chars: int) -> dict[str, Any]:
    return {"metadata": {}, "data": {"k": "x" * chars}}


def test_the_oldest_objects_are_removed_when_all_have_too_many_bytes() -> None:
    cache = ReferenceCache(ManualClock(), LIFETIME)
    for target in (A, B, C):
        cache.add_object(target, config_map(MAX_BYTES * 2 // 5))
    assert cache.get(A) is None
    assert cache.get(B) is not None
    assert cache.get(C) is not None
    assert cache._bytes <= MAX_BYTES
    cache.add_object(C, config_map(MAX_BYTES + 1))
    assert (cache._bytes, len(cache._entries)) == (0, 0)


def test_a_thousand_large_objects_stay_within_the_limit() -> None:
    cache = ReferenceCache(ManualClock(), LIFETIME)
    for number in range(1_000):
        cache.add_object(Ref("ConfigMap", "ns", str(number)), config_map(900_000))
        assert cache._bytes <= MAX_BYTES


def test_old_objects_are_removed() -> None:
    clock = ManualClock()
    cache = ReferenceCache(clock, LIFETIME)
    cache.add_object(A, config_map(1))
    clock.now += LIFETIME
    assert cache.get(A) is None
    clock.now += LIFETIME
    cache.add_object(B, config_map(1))
    assert list(cache._entries) == [B]


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_an_object_with_many_keys_is_refused(kind: str) -> None:
    cache = ReferenceCache(ManualClock(), LIFETIME)
    allowed = {str(number): "" for number in range(MAX_KEYS)}
    assert len(cache.add_object(Ref(kind, "ns", "a"), {"metadata": {}, "data": allowed})) == MAX_KEYS
    with pytest.raises(ProblemError) as caught:
        cache.add_object(Ref(kind, "ns", "b"), {"metadata": {}, "data": allowed | {"one more": ""}})
    assert caught.value.problem.reason == Reason.REFERENCE_TOO_LARGE
    assert caught.value.problem.message.startswith(f"{kind} ns/b has more than {MAX_KEYS} keys: split it")


def test_only_used_annotations_of_a_service_account_are_kept() -> None:
    cache = ReferenceCache(ManualClock(), LIFETIME)
    annotations = {constants.ANNOTATION_CLIENT_ID: "a", "big": "x" * 200_000}
    content = cache.add_object(Ref("ServiceAccount", "ns", "a"), {"metadata": {"annotations": annotations}})
    assert content == {constants.ANNOTATION_CLIENT_ID: "a"}
    assert cache.add_object(Ref("ServiceAccount", "ns", "b"), {"metadata": {}}) == {}
