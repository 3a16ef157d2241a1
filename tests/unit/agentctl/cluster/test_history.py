"""The stored revisions of an agent, their states, and the comparison with a new rendering."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator import __version__
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Assigned
from agent_operator.render import Inputs, Platform, render
from agent_operator.rollout import revisions
from agentctl.cluster import history, upgrade_plan
from agentctl.cluster.history import History, short_duration
from agentctl.errors import CommandError

CHANNEL = {"metadata": {"name": "stable"}, "spec": {}, "status": {}}


@pytest.fixture
def read_agent(make_agent: Any) -> Any:
    """Return an AgentDeployment as the API server returns it."""

    def read(status: Any = None, **spec: Any) -> dict[str, Any]:
        body: dict[str, Any] = make_agent(**spec)
        body["metadata"] |= {"namespace": "team", "uid": "u1", "generation": 1}
        return body | {"status": status or {}}

    return read


def make_inputs(raw: dict[str, Any], version: str) -> Inputs:
    body = {key: value for key, value in raw.items() if key != "status"}
    return Inputs(AgentDeployment.model_validate(body), platform=Platform(runtime_version=version))


def stored(raw: dict[str, Any], number: int, version: str = "1.0.0", **changes: Any) -> dict[str, Any]:
    """Return the ControllerRevision that an operator of a version writes for an agent."""
    inputs = replace(make_inputs(raw, version), **changes)
    rendered = render(inputs)
    inputs_hash = revisions.inputs_hash(revisions.spec_hash(inputs), inputs.assigned)
    config_map = next(manifest for manifest in rendered.manifests if manifest["kind"] == "ConfigMap")
    obj = revisions.controller_revision(rendered.revision, number, inputs_hash, config_map)
    meta = obj["metadata"] | {"uid": f"r{number}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return obj | {"metadata": meta}


def name_of(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"]).removeprefix("support-")


def test_revisions_are_in_order_with_the_parts_that_changed(read_agent: Any) -> None:
    first, second = stored(read_agent(), 1), stored(read_agent(systemPrompt={"text": "x"}), 2, "1.0.1")
    agent = read_agent({"revision": name_of(second), "lastGoodRevision": name_of(second)})

    entries = history.entries(agent, [second, first])

    assert [(entry.number, entry.revision.name, entry.changes) for entry in entries] == [
        (1, name_of(first), ()),
        (2, name_of(second), ("prompt", "image")),
    ]
    assert [entry.state.text for entry in entries] == ["", "running"]
    assert entries[1].to_json() | {"created": ""} == {
        "revision": name_of(second),
        "number": 2,
        "runtimeVersion": "1.0.1",
        "image": "agent-operator/agent-runtime:1.0.1",
        "model": "echo",
        "state": "running",
        "created": "",
        "changes": ["prompt", "image"],
    }


ROLLED_BACK = {"to": "", "message": "m", "time": "t"}


@pytest.mark.parametrize(
    ("field", "value", "state"),
    [
        ("canary", {"step": 0, "weight": 20, "phase": "Watching", "since": ""}, "canary 20 %"),
        ("rolledBack", ROLLED_BACK | {"reason": "CrashLoop"}, "rolled back: CrashLoop"),
        ("rolledBack", ROLLED_BACK | {"reason": "RolledBack", "manual": True}, "rolled back: manually"),
    ],
)
def test_the_state_of_a_revision_is_read_from_the_rollout(read_agent: Any, field: str, value: Any, state: str) -> None:
    first, second = stored(read_agent(), 1), stored(read_agent(systemPrompt={"text": "x"}), 2)
    rollout = {"target": name_of(second), field: value | {"revision": name_of(second)}}
    agent = read_agent({"revision": name_of(first), "rollout": rollout})

    assert [entry.state.text for entry in history.entries(agent, [first, second])] == ["running", state]


def test_the_target_and_the_last_good_revision_are_marked(read_agent: Any) -> None:
    first, second, third = (
        stored(read_agent(systemPrompt={"text": text}), number) for number, text in enumerate("xyz", 1)
    )
    status = {"revision": name_of(second), "lastGoodRevision": name_of(first), "rollout": {"target": name_of(third)}}

    found = [entry.state.text for entry in history.entries(read_agent(status), [first, second, third])]

    assert found == ["last good", "running", "target"]


def test_revisions_of_others_and_damaged_ones_are_ignored(read_agent: Any) -> None:
    own, other, damaged = stored(read_agent(), 1), stored(read_agent(), 2), stored(read_agent(), 3)
    other["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "uid": "x", "controller": True}]
    damaged["data"] = None

    assert [entry.number for entry in history.entries(read_agent(), [own, other, damaged, {"metadata": {}}])] == [1]


def test_a_revision_is_found_by_name_and_by_number(read_agent: Any) -> None:
    obj = stored(read_agent(), 7)
    found = History(read_agent({"revision": name_of(obj)}), history.entries(read_agent(), [obj]))

    assert found.entry("7") is found.entry(name_of(obj)) is found.running
    with pytest.raises(
        CommandError, match=rf'revision "8" of support not found: existing revisions are {name_of(obj)} \(7\)'
    ):
        found.entry("8")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172800, "2d")],
)
def test_a_duration_is_in_the_largest_unit_of_which_it_has_two(seconds: float, text: str) -> None:
    assert short_duration(seconds) == text


def test_an_agent_that_renders_the_same_does_not_differ(read_agent: Any) -> None:
    found = upgrade_plan.compare(read_agent(), [stored(read_agent(), 1, __version__)], {}, {})

    assert (found.differs, found.changes, found.diff(), found.note) == (False, (), (), "")


def test_an_agent_that_an_older_version_rendered_differs_in_the_image(read_agent: Any) -> None:
    found = upgrade_plan.compare(read_agent(), [stored(read_agent(), 1, "0.0.9")], {}, {})

    assert found.differs
    assert found.changes == ("image",)
    assert "-    image: agent-operator/agent-runtime:0.0.9" in found.diff()


def test_the_latest_revision_of_the_same_spec_is_compared(read_agent: Any) -> None:
    upgraded = [stored(read_agent(), 1, "0.0.9"), stored(read_agent(), 2, __version__)]

    assert not upgrade_plan.compare(read_agent(), upgraded, {}, {}).differs


def test_the_repository_of_the_image_is_the_current_one_by_default(read_agent: Any) -> None:
    mirror = Platform(runtime_image="registry.example.com:5000/ai/runtime", runtime_version="0.0.9")
    old = [stored(read_agent(), 1, platform=mirror)]

    same, other = (upgrade_plan.compare(read_agent(), old, {}, {}, image) for image in ("", "example.com/runtime"))

    assert any(line.strip("+ ").startswith("image: registry.example.com:5000/ai/runtime:") for line in same.diff())
    assert any(line.strip("+ ").startswith("image: example.com/runtime:") for line in other.diff())


def test_pods_whose_user_openshift_assigns_do_not_differ(read_agent: Any) -> None:
    openshift = Platform(set_pod_user=False)

    assert not upgrade_plan.compare(read_agent(), [stored(read_agent(), 1, platform=openshift)], {}, {}).differs


def test_a_spec_without_a_revision_is_noted_and_not_compared(read_agent: Any) -> None:
    """The next reconcile of the running operator rolls the new spec out. There is nothing to upgrade."""
    found = upgrade_plan.compare(read_agent(systemPrompt={"text": "new"}), [stored(read_agent(), 1)], {}, {})

    assert not found.differs
    assert found.note == "the current spec has no revision yet"


def test_a_prompt_is_read_from_a_config_map_in_the_namespace_of_the_agent(read_agent: Any) -> None:
    raw = read_agent(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "main"}})
    old = [stored(raw, 1, "0.0.9", prompt_template="Be kind.")]

    found = upgrade_plan.compare(raw, old, {("team", "prompts"): {"main": "Be kind."}}, {})
    missing = upgrade_plan.compare(raw, old, {("other", "prompts"): {"main": "Be kind."}}, {})

    assert found.changes == ("image",)
    assert not missing.differs
    assert "prompts" in missing.note


def test_an_agent_of_a_channel_is_rendered_with_the_version_of_the_channel(read_agent: Any) -> None:
    status = {"channel": {"name": "stable", "version": "3.0.0"}}
    raw = read_agent(status, runtime={"channel": "stable"})
    old = [stored(raw, 1, "0.0.9", assigned=Assigned("3.0.0"))]

    assert not upgrade_plan.compare(raw, old, {}, {"stable": CHANNEL}).differs
    assert "waiting for" in upgrade_plan.compare(raw | {"status": {}}, [], {}, {"stable": CHANNEL}).note


def test_a_spec_with_an_unknown_field_is_noted(read_agent: Any) -> None:
    found = upgrade_plan.compare(read_agent(replica=1), [], {}, {})

    assert "spec.replica" in found.note
