"""`agentctl validate` checks channels, all documents of a file, and what agents of the input share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Agentctl = Callable[..., Any]
WriteFile = Callable[..., Path]
MakeAgent = Callable[..., dict[str, Any]]


def channel(name: str = "stable", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    api_version = "agent-operator.dev/v1alpha1"
    return {
        "apiVersion": api_version,
        "kind": "AgentRuntimeChannel",
        "metadata": metadata,
        "spec": {"version": "1"} | spec,
    }


def wave(**selector: Any) -> dict[str, Any]:
    return {"waves": [{"selector": selector}]}


NEVER = {"cron": "0 0 30 2 *", "duration": "1h"}
KEYS = "spec.waves[0].selector"


def test_a_valid_channel_is_counted(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    alone = agentctl("validate", write_file(channel()))
    together = agentctl("validate", write_file(channel(), make_agent()))

    assert (alone.status, alone.out, alone.err) == (0, "1 AgentRuntimeChannel: valid\n", "")
    assert together.out == "1 AgentDeployment, 1 AgentRuntimeChannel: valid\n"


@pytest.mark.parametrize(
    ("spec", "field", "remedy"),
    [
        ({"versions": "2"}, "spec.versions", 'unknown field: did you mean "version"?'),
        ({"version": 2}, "spec.version", "must be of type string, not integer"),
        (wave(matchLabels={"a b": "c"}), f"{KEYS}.matchLabels.a b", "not a valid label key such as team"),
        (wave(matchLabels={"a": "b c"}), f"{KEYS}.matchLabels.a", "should match"),
        (
            wave(matchExpressions=[{"key": "-a", "operator": "Exists"}]),
            f"{KEYS}.matchExpressions[0].key",
            "should match",
        ),
        ({"waves": [{"percent": 1, "selector": {}}]}, "spec.waves[0]", "set exactly one of selector and percent"),
        ({"waves": [{"percent": 50}, {"percent": 10}]}, "spec.waves", "must not decrease"),
        ({"window": NEVER}, "spec.window.cron", "correct it"),
        (
            {"window": NEVER | {"cron": "0 0 * * *", "timeZone": "Mars/Olympus"}},
            "spec.window.timeZone",
            "Europe/Berlin",
        ),
    ],
)
def test_an_invalid_channel_has_field_and_remedy(
    agentctl: Agentctl, write_file: WriteFile, spec: dict[str, Any], field: str, remedy: str
) -> None:
    result = agentctl("validate", write_file(channel(**spec)))

    assert (result.status, result.out) == (1, "")
    assert [line for line in result.err.splitlines() if f": stable: {field}: " in line and remedy in line], result.err


def test_an_error_in_one_document_does_not_hide_the_others(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    file = write_file(
        "# first\n", make_agent("one", zzz=1), "kind: [\n", "just text\n", channel(versions="2"), make_agent("two")
    )

    result = agentctl("validate", file)

    assert (result.status, result.out) == (1, "")
    parts = [
        "invalid YAML",
        "is a single value",
        "one: spec.zzz: unknown field",
        "stable: spec.versions: unknown field",
    ]
    assert [part for part in parts if part not in result.err] == []
    errors = json.loads(agentctl("validate", "-o", "json", file).out)["errors"]
    assert [(error["document"], error["agent"]) for error in errors] == [(2, ""), (3, ""), (1, "one"), (4, "stable")]
    lines = file.read_text().splitlines()
    assert [lines[error["line"] - 1] for error in errors[1:]] == ["just text", "  zzz: 1", "  versions: '2'"]
    assert agentctl("render", "-f", file).status == 1


def test_a_document_ends_where_kubectl_ends_it(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    text = make_agent("one", systemPrompt={"text": "a\n--- b\n---\nc\n"})

    result = agentctl("validate", write_file("---\n# comment\n---\n", text, "---  # empty\n", make_agent("two")))

    assert (result.status, result.out, result.err) == (0, "2 AgentDeployments: valid\n", "")


@pytest.mark.parametrize(
    ("one", "two", "field"),
    [
        ({"ingress": {"host": "a.b"}}, {"ingress": {"host": "a.b", "path": "/"}}, "spec.ingress.host"),
        ({"ingress": {"host": "a.b"}}, {"ingress": {"hosts": [{"host": "a.b"}]}}, "spec.ingress.host"),
        ({"ingress": {"host": "a.b"}}, {"ingress": {"host": "a.b", "path": "/x", "annotations": {"x": "z"}}}, ""),
        ({"ingress": {"host": "a.b"}}, {"ingress": {"host": "a.b", "className": "traefik"}}, ""),
        (
            {"gateway": {"parentRefs": [{"name": "g"}], "hostnames": ["a.b"]}},
            {"gateway": {"parentRefs": [{"name": "g"}], "hostnames": ["c.d", "a.b"]}},
            "spec.gateway.hostnames[0]",
        ),
        (
            {"gateway": {"parentRefs": [{"name": "g"}], "hostnames": ["a.b"]}},
            {"gateway": {"parentRefs": [{"name": "h"}], "hostnames": ["a.b"]}},
            "",
        ),
    ],
)
def test_agents_with_one_route_are_warned_about(
    agentctl: Agentctl,
    write_file: WriteFile,
    make_agent: MakeAgent,
    one: dict[str, Any],
    two: dict[str, Any],
    field: str,
) -> None:
    result = agentctl("validate", write_file(make_agent("one", **one), make_agent("two", **two)))

    assert result.status == 0
    warned = [
        line.partition(": one: ")[2].partition(": ") for line in result.err.splitlines() if "requests may reach" in line
    ]
    assert [found for found, _, _ in warned if found] == ([field] if field else [])
    assert len(warned) == (2 if field else 0)


@pytest.mark.parametrize("kind", ["AgentDeployment", "ConfigMap"])
def test_an_object_that_client_side_apply_cannot_store_is_warned_about(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, kind: str
) -> None:
    """Kubectl stores a copy of the object in an annotation, and annotations have a limit of 256 KiB."""
    prompt = "Be kind. " * 35_000
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"p": prompt}}
    large = (make_agent(systemPrompt={"text": prompt}),) if kind == "AgentDeployment" else (make_agent(), config_map)
    small = make_agent(systemPrompt={"text": prompt[:200_000]})

    found, other = agentctl("validate", write_file(*large)), agentctl("validate", write_file(small))

    assert (found.status, other.err) == (0, "")
    assert found.err.count("\n") == 1
    assert f"{kind} " in found.err
    assert "308 KiB" in found.err or "307 KiB" in found.err
    assert "use kubectl apply --server-side" in found.err


def test_the_environment_is_resolved_within_the_input(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    source = {"configMapKeyRef": {"name": "settings", "key": "mode"}}
    agent = make_agent(env=[{"name": "MODE", "valueFrom": source}])
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"other": "x"}}

    absent, lacking = agentctl("validate", write_file(agent)), agentctl("validate", write_file(agent, config_map))
    optional = agentctl(
        "validate",
        write_file(
            make_agent(
                env=[{"name": "M", "valueFrom": {"configMapKeyRef": source["configMapKeyRef"] | {"optional": True}}}]
            )
        ),
    )

    assert absent.status == 0
    assert "ConfigMap settings in namespace default is not in the input" in absent.err
    assert lacking.status == 1
    assert "spec.env[MODE].valueFrom.configMapKeyRef: ConfigMap settings has no key mode" in lacking.err
    assert optional.err == ""
