"""The replicas of ReplicaSets during a rollout."""

from typing import Any

import pytest

from localkube.controllers import rollout
from localkube.controllers.revisions import DESIRED, MAXIMUM


def rolling(surge: Any, unavailable: Any) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def sizes(resizes: list[rollout.Resize]) -> dict[str, int]:
    return {r.replicaset["metadata"]["name"]: r.replicas for r in resizes}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (10, "15%", "15%", (2, 1)),
        (3, 0, 0, (0, 1)),
        (2, 1, 5, (1, 2)),
        (3, "0%", "10%", (0, 1)),
        (0, 1, 1, (1, 0)),
    ],
)
def test_surge_is_rounded_up_unavailable_down_and_not_both_are_zero(
    deployment: Any, replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert rollout.fenceposts(deployment(replicas, strategy=rolling(surge, unavailable))) == expected


def test_the_new_replicaset_grows_within_max_surge(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    assert rollout.new_replicas(web, None, []) == 3
    assert rollout.new_replicas(web, None, [replicaset("old", 3)]) == 1
    assert rollout.new_replicas(web, replicaset("new", 1), [replicaset("old", 3)]) == 1
    assert rollout.new_replicas(web, replicaset("new", 1), [replicaset("old", 2)]) == 2


def test_recreate_creates_all_new_replicas_at_once(deployment: Any, replicaset: Any) -> None:
    assert rollout.new_replicas(deployment(3, strategy={"type": "Recreate"}), None, [replicaset("old", 0)]) == 3


def test_an_old_pod_is_removed_only_when_a_new_one_is_available(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    old = replicaset("old", 3)
    assert rollout.roll(web, replicaset("new", 1, 0), [old]) == []
    assert sizes(rollout.roll(web, replicaset("new", 1, 1), [old])) == {"old": 2}


def test_unavailable_old_pods_are_removed_first(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    broken, fine = replicaset("a", 2, 0), replicaset("bb", 2, 2)
    assert sizes(rollout.roll(web, replicaset("new", 1, 1), [broken, fine])) == {"a": 0}


def test_a_replicaset_above_the_desired_replicas_is_scaled_down(deployment: Any, replicaset: Any) -> None:
    assert sizes(rollout.roll(deployment(2), replicaset("new", 5), [])) == {"new": 2}


def test_a_single_replicaset_gets_all_replicas(deployment: Any, replicaset: Any) -> None:
    assert sizes(rollout.scale(deployment(5), replicaset("new", 3), [replicaset("old", 0)])) == {"new": 5}


def test_scaling_during_a_rollout_is_proportional(deployment: Any, replicaset: Any) -> None:
    annotations = {DESIRED: "10", MAXIMUM: "13"}
    new, old = replicaset("new", 5, **annotations), replicaset("older", 8, **annotations)
    web = deployment(15, strategy=rolling(3, 2))
    assert sizes(rollout.scale(web, new, [old])) == {"older": 11, "new": 7}


def test_scaling_down_never_goes_below_zero(deployment: Any, replicaset: Any) -> None:
    annotations = {DESIRED: "10", MAXIMUM: "13"}
    new, old = replicaset("new", 5, **annotations), replicaset("older", 8, **annotations)
    assert sizes(rollout.scale(deployment(0), new, [old])) == {"older": 0, "new": 0}


def test_old_replicasets_are_scaled_to_zero_when_the_new_one_is_saturated(deployment: Any, replicaset: Any) -> None:
    new = replicaset("new", 3, **{DESIRED: "3"})
    assert sizes(rollout.scale(deployment(3), new, [replicaset("old", 1)])) == {"old": 0}


def test_the_annotation_shows_that_replicas_changed(deployment: Any, replicaset: Any) -> None:
    assert rollout.is_scaling(deployment(4), [replicaset("new", 3, **{DESIRED: "3"})])
    assert not rollout.is_scaling(deployment(3), [replicaset("new", 3, **{DESIRED: "3"})])
    assert not rollout.is_scaling(deployment(4), [replicaset("old", 0, **{DESIRED: "3"})])
