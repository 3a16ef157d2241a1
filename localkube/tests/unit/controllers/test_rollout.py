"""The arithmetic of a rollout."""

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
def test_surge_is_rounded_up_and_unavailable_down_and_never_are_both_zero(
    deployment: Any, replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert rollout.fenceposts(deployment(replicas, strategy=rolling(surge, unavailable))) == expected


def test_the_new_replicaset_takes_what_surge_leaves_room_for(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    assert rollout.new_replicas(web, None, []) == 3
    assert rollout.new_replicas(web, None, [replicaset("old", 3)]) == 1
    assert rollout.new_replicas(web, replicaset("new", 1), [replicaset("old", 3)]) == 1
    assert rollout.new_replicas(web, replicaset("new", 1), [replicaset("old", 2)]) == 2


def test_recreate_takes_all_at_once(deployment: Any, replicaset: Any) -> None:
    assert rollout.new_replicas(deployment(3, strategy={"type": "Recreate"}), None, [replicaset("old", 0)]) == 3


def test_an_old_pod_goes_only_when_a_new_one_is_available(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    old = replicaset("old", 3)
    assert rollout.roll(web, replicaset("new", 1, 0), [old]) == []
    assert sizes(rollout.roll(web, replicaset("new", 1, 1), [old])) == {"old": 2}


def test_old_pods_that_are_not_available_go_first(deployment: Any, replicaset: Any) -> None:
    web = deployment(3, strategy=rolling(1, 0))
    broken, fine = replicaset("a", 2, 0), replicaset("bb", 2, 2)
    assert sizes(rollout.roll(web, replicaset("new", 1, 1), [broken, fine])) == {"a": 0}


def test_a_replicaset_over_its_size_is_cut(deployment: Any, replicaset: Any) -> None:
    assert sizes(rollout.roll(deployment(2), replicaset("new", 5), [])) == {"new": 2}


def test_scaling_one_replicaset_is_its_new_size(deployment: Any, replicaset: Any) -> None:
    assert sizes(rollout.scale(deployment(5), replicaset("new", 3), [replicaset("old", 0)])) == {"new": 5}


def test_scaling_in_the_middle_of_a_rollout_is_in_proportion(deployment: Any, replicaset: Any) -> None:
    annotations = {DESIRED: "10", MAXIMUM: "13"}
    new, old = replicaset("new", 5, **annotations), replicaset("older", 8, **annotations)
    web = deployment(15, strategy=rolling(3, 2))
    assert sizes(rollout.scale(web, new, [old])) == {"older": 11, "new": 7}


def test_scaling_down_never_goes_below_zero(deployment: Any, replicaset: Any) -> None:
    annotations = {DESIRED: "10", MAXIMUM: "13"}
    new, old = replicaset("new", 5, **annotations), replicaset("older", 8, **annotations)
    assert sizes(rollout.scale(deployment(0), new, [old])) == {"older": 0, "new": 0}


def test_old_replicasets_go_when_the_new_one_is_saturated(deployment: Any, replicaset: Any) -> None:
    new = replicaset("new", 3, **{DESIRED: "3"})
    assert sizes(rollout.scale(deployment(3), new, [replicaset("old", 1)])) == {"old": 0}


def test_a_change_of_replicas_is_seen_by_the_annotation(deployment: Any, replicaset: Any) -> None:
    assert rollout.is_scaling(deployment(4), [replicaset("new", 3, **{DESIRED: "3"})])
    assert not rollout.is_scaling(deployment(3), [replicaset("new", 3, **{DESIRED: "3"})])
    assert not rollout.is_scaling(deployment(4), [replicaset("old", 0, **{DESIRED: "3"})])
