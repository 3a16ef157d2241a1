"""spec.podTemplate removes each field that the operator sets, in many ways. The result is hardened or refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, render
from tests.pod_security import violations

Path = tuple[str, ...]
UNSAFE = {"PodTemplateUnsafe", "PodTemplateInvalid"}
REMOVALS: dict[str, Any] = {
    "null": None,
    "delete": {"$patch": "delete"},
    "replace": {"$patch": "replace"},
    "empty": {},
    "list": [],
    "replaced list": [{"$patch": "replace"}],
}
SIDECAR = {"name": "log", "image": "registry.example.com/log:1"}


def pods(template: Any) -> dict[str, Any]:
    spec = {"config": {"models": [{"name": "e", "provider": "echo"}]}, "podTemplate": template}
    agent = AgentDeployment.model_validate({"metadata": {"name": "bot", "namespace": "team"}, "spec": spec})
    found = next(manifest for manifest in render(Inputs(agent)).manifests if manifest["kind"] == "Deployment")
    return dict(found["spec"]["template"])


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path to a field. An item of a list has its name as key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "name" in item:
                yield from paths({k: v for k, v in item.items() if k != "name"}, (*path, f"#{item['name']}"))


def patch(path: Path, leaf: Any) -> Any:
    """A patch that has `leaf` at a path."""
    if not path:
        return leaf
    if path[0].startswith("#"):
        return [{"name": path[0][1:], **patch(path[1:], leaf)}]
    return {path[0]: patch(path[1:], leaf)}


PATHS = [path for path in paths(pods({"spec": {"containers": [SIDECAR]}})) if path[0] == "spec"]


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_removal_at_any_path_leaves_the_pods_hardened_or_is_refused(removal: str) -> None:
    refused: list[ProblemError] = []
    for path in PATHS:
        try:
            template = pods(patch(path, REMOVALS[removal]))
        except ProblemError as error:
            refused.append(error)
            continue
        assert violations(template) == [], path
        assert template["spec"]["serviceAccountName"] == "bot", path
        assert template["spec"]["automountServiceAccountToken"] is False, path
    assert 0 < len(refused) < len(PATHS)
    assert {problem.reason for error in refused for problem in error.problems} <= UNSAFE


@pytest.mark.parametrize("field", ["serviceAccountName", "automountServiceAccountToken"])
@pytest.mark.parametrize("removal", ["null", "empty", "list"])
def test_the_account_and_its_token_cannot_be_removed(field: str, removal: str) -> None:
    with pytest.raises(ProblemError) as caught:
        pods({"spec": {field: REMOVALS[removal]}})
    assert field in caught.value.problem.field
    assert caught.value.problem.reason in UNSAFE
