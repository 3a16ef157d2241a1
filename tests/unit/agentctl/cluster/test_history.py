"""The revisions that are kept, and what each is to the agent."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator import __version__
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Assigned
from agent_operator.render import Inputs, Platform, render
from agent_operator.rollout import revisions
from agentctl.cluster import history, upgrade_plan
from agentctl.cluster.history import History, age
from agentctl.errors import CommandError

CHANNEL = {"metadata": {"name": "stable"}, "spec": {}, "status": {}}


@pytest.fixture
def read(agent: Any) -> Any:
    """An AgentDeployment as an API server has it."""

    def made(status: Any = None, **spec: Any) -> dict[str, Any]:
        body: dict[str, Any] = agent(**spec)
        body["metadata"] |= {"namespace": "team", "uid": "u1", "generation": 1}
        return body | {"status": status or {}}

    return made


def inputs_of(raw: dict[str, Any], version: str) -> Inputs:
    body = {key: value for key, value in raw.items() if key != "status"}
    return Inputs(AgentDeployment.model_validate(body), platform=Platform(runtime_version=version))


def kept(raw: dict[str, Any], number: int, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    """The ControllerRevision that an operator of a version has written."""
    inputs = replace(inputs_of(raw, version), **more)
    rendered = render(inputs)
    asked = revisions.inputs_hash(revisions.spec_hash(inputs), inputs.assigned)
    like = next(it for it in rendered.manifests if it["kind"] == "ConfigMap")
    obj = revisions.controller_revision(rendered.revision, number, asked, like)
    meta = obj["metadata"] | {"uid": f"r{number}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return obj | {"metadata": meta}


def name_of(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"]).removeprefix("support-")


def test_revisions_stand_in_order_each_with_what_it_changed(read: Any) -> None:
    first, second = kept(read(), 1), kept(read(systemPrompt={"text": "x"}), 2, "1.0.1")
    agent = read({"revision": name_of(second), "lastGoodRevision": name_of(second)})

    entries = history.entries(agent, [second, first])

    assert [(it.number, it.revision.name, it.changes) for it in entries] == [
        (1, name_of(first), ()),
        (2, name_of(second), ("prompt", "image")),
    ]
    assert [it.state.text for it in entries] == ["", "running"]
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


GIVEN_UP = {"to": "", "message": "m", "time": "t"}


@pytest.mark.parametrize(
    ("field", "about", "state"),
    [
        ("canary", {"step": 0, "weight": 20, "phase": "Watching", "since": ""}, "canary 20 %"),
        ("rolledBack", GIVEN_UP | {"reason": "CrashLoop"}, "given up: CrashLoop"),
        ("rolledBack", GIVEN_UP | {"reason": "RolledBack", "manual": True}, "left by hand"),
    ],
)
def test_the_state_tells_what_a_revision_is_to_the_agent(read: Any, field: str, about: Any, state: str) -> None:
    first, second = kept(read(), 1), kept(read(systemPrompt={"text": "x"}), 2)
    rollout = {"target": name_of(second), field: about | {"revision": name_of(second)}}
    agent = read({"revision": name_of(first), "rollout": rollout})

    assert [it.state.text for it in history.entries(agent, [first, second])] == ["running", state]


def test_a_revision_that_waits_and_the_one_to_return_to_are_told(read: Any) -> None:
    first, second, third = (kept(read(systemPrompt={"text": text}), number) for number, text in enumerate("xyz", 1))
    status = {"revision": name_of(second), "lastGoodRevision": name_of(first), "rollout": {"target": name_of(third)}}

    found = [it.state.text for it in history.entries(read(status), [first, second, third])]

    assert found == ["last good", "running", "wanted"]


def test_what_is_not_ours_or_spoilt_is_passed_over(read: Any) -> None:
    own, other, spoilt = kept(read(), 1), kept(read(), 2), kept(read(), 3)
    other["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "uid": "x", "controller": True}]
    spoilt["data"] = None

    assert [it.number for it in history.entries(read(), [own, other, spoilt, {"metadata": {}}])] == [1]


def test_a_revision_is_found_by_name_and_by_number(read: Any) -> None:
    obj = kept(read(), 7)
    found = History(read({"revision": name_of(obj)}), history.entries(read(), [obj]))

    assert found.entry("7") is found.entry(name_of(obj)) is found.running
    with pytest.raises(CommandError, match=rf"no revision 8 of support: kept are {name_of(obj)} \(7\)"):
        found.entry("8")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172800, "2d")],
)
def test_ages_are_in_the_unit_that_tells_most(seconds: float, said: str) -> None:
    assert age(seconds) == said


def test_an_agent_of_the_same_rendering_does_not_differ(read: Any) -> None:
    found = upgrade_plan.compare(read(), [kept(read(), 1, __version__)], {}, {})

    assert (found.differs, found.changes, found.diff(), found.note) == (False, (), (), "")


def test_an_agent_of_an_older_rendering_differs_by_what_is_rendered_otherwise(read: Any) -> None:
    found = upgrade_plan.compare(read(), [kept(read(), 1, "0.0.9")], {}, {})

    assert found.differs
    assert found.changes == ("image",)
    assert "-    image: agent-operator/agent-runtime:0.0.9" in found.diff()


def test_the_latest_rendering_of_the_same_spec_is_the_one_that_counts(read: Any) -> None:
    upgraded = [kept(read(), 1, "0.0.9"), kept(read(), 2, __version__)]

    assert not upgrade_plan.compare(read(), upgraded, {}, {}).differs


def test_the_repository_of_the_image_is_the_one_that_runs_unless_another_is_named(read: Any) -> None:
    mirror = Platform(runtime_image="registry.example.com:5000/ai/runtime", runtime_version="0.0.9")
    old = [kept(read(), 1, platform=mirror)]

    same, other = (upgrade_plan.compare(read(), old, {}, {}, image) for image in ("", "example.com/runtime"))

    assert any(line.strip("+ ").startswith("image: registry.example.com:5000/ai/runtime:") for line in same.diff())
    assert any(line.strip("+ ").startswith("image: example.com/runtime:") for line in other.diff())


def test_pods_whose_user_the_cluster_assigns_do_not_differ(read: Any) -> None:
    openshift = Platform(set_pod_user=False)

    assert not upgrade_plan.compare(read(), [kept(read(), 1, platform=openshift)], {}, {}).differs


def test_a_spec_without_a_revision_is_noted_and_not_compared(read: Any) -> None:
    """The next pass of whatever operator runs brings the new rendering: there is nothing to upgrade."""
    found = upgrade_plan.compare(read(systemPrompt={"text": "new"}), [kept(read(), 1)], {}, {})

    assert not found.differs
    assert found.note == "its spec has got no revision yet"


def test_a_prompt_of_a_config_map_is_read_where_the_agent_is(read: Any) -> None:
    raw = read(systemPrompt={"configMapKeyRef": {"name": "prompts", "key": "main"}})
    old = [kept(raw, 1, "0.0.9", prompt_template="Be kind.")]

    found = upgrade_plan.compare(raw, old, {("team", "prompts"): {"main": "Be kind."}}, {})
    lost = upgrade_plan.compare(raw, old, {("other", "prompts"): {"main": "Be kind."}}, {})

    assert found.changes == ("image",)
    assert not lost.differs
    assert "prompts" in lost.note


def test_an_agent_of_a_channel_keeps_to_the_version_of_its_channel(read: Any) -> None:
    given = {"channel": {"name": "stable", "version": "3.0.0"}}
    raw = read(given, runtime={"channel": "stable"})
    old = [kept(raw, 1, "0.0.9", assigned=Assigned("3.0.0"))]

    assert not upgrade_plan.compare(raw, old, {}, {"stable": CHANNEL}).differs
    assert "waiting for" in upgrade_plan.compare(raw | {"status": {}}, [], {}, {"stable": CHANNEL}).note


def test_a_spec_of_another_time_is_noted(read: Any) -> None:
    found = upgrade_plan.compare(read(replica=1), [], {}, {})

    assert "spec.replica" in found.note
