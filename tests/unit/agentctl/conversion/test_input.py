"""The input of `agentctl import`: what is read, what is left out, and how errors name file, document and field."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentctl.conversion import convert as conversion
from agentctl.conversion.manifests import InvalidManifestsError, parse
from agentctl.conversion.workload import workloads
from agentctl.errors import CommandError
from agentctl.offline import documents
from agentctl.offline.documents import Document
from tests import fast_yaml as yaml
from tests.unit.agentctl.conversion.conftest import config_map, deployment, manifest

Agentctl = Callable[..., Any]
WriteFile = Callable[..., Path]
GOLDEN = Path(__file__).parents[3] / "golden"
OWNER = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "name": "x", "uid": "u"}
WEB = deployment() | {"metadata": {"name": "web"}}
WEB["spec"] = {"selector": {"matchLabels": {"app": "web"}}}
WEB["spec"]["template"] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}


def test_json_lists_and_several_files_are_read(agentctl: Agentctl, write_file: WriteFile) -> None:
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment()]})
    typed = {
        "apiVersion": "v1",
        "kind": "ConfigMapList",
        "items": [{"metadata": config_map()["metadata"], "data": config_map()["data"]}],
    }
    one, two = write_file(items, name="one.json"), write_file(typed, name="two.yaml")

    result = agentctl("import", "-f", one, "-f", two, "-o", "json")

    assert result.status == 0
    assert json.loads(result.out)["spec"]["config"]["models"] == [{"name": "gpt", "provider": "openai"}]


def test_standard_input_is_read_and_a_file_is_written(agentctl: Agentctl, tmp_path: Path) -> None:
    text = "---\n".join(yaml.safe_dump(item) for item in (deployment(), config_map()))
    target = tmp_path / "agent.yaml"

    result = agentctl("import", "-f", "-", "--output-file", target, stdin=text)

    assert (result.status, result.out) == (0, "")
    assert yaml.safe_load(target.read_text(encoding="utf-8").removeprefix("---\n"))["kind"] == "AgentDeployment"


def test_a_target_that_cannot_be_written_is_an_error(agentctl: Agentctl, write_file: WriteFile, tmp_path: Path) -> None:
    target = tmp_path / "missing" / "agent.yaml"

    result = agentctl("import", "-f", write_file(deployment(), config_map()), "--output-file", target)

    assert result.status == 1
    assert f"error: {target}: No such file or directory: choose another file" in result.err


def test_other_deployments_are_left_out_unless_named(agentctl: Agentctl, write_file: WriteFile) -> None:
    file = write_file(deployment(), config_map(), WEB)

    usual, named, missing = (
        agentctl("import", "-f", file),
        agentctl("import", "-f", file, "web"),
        agentctl("import", "-f", file, "x"),
    )

    assert (usual.status, yaml.safe_load(usual.out)["metadata"]["name"]) == (0, "support")
    assert "left out: Deployment/web: it is no part of an agent\n" in usual.err
    assert (named.status, yaml.safe_load(named.out)["metadata"]["name"]) == (1, "web")
    assert "the input has no agent.toml of this Deployment" in named.err
    assert missing.err == "error: Deployment x not found: use one of the input: support, web\n"


def test_several_agents_become_several_agent_deployments(agentctl: Agentctl, write_file: WriteFile) -> None:
    file = write_file(deployment(), deployment() | {"metadata": {"name": "sales"}}, config_map())

    both, renamed = agentctl("import", "-f", file), agentctl("import", "-f", file, "--name", "x")

    assert [item["metadata"]["name"] for item in yaml.safe_load_all(both.out)] == ["support", "sales"]
    assert renamed.err == "error: --name needs one Deployment, but there are 2: name the Deployment\n"


def test_no_secret_is_printed(agentctl: Agentctl, write_file: WriteFile) -> None:
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "A"}}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"A": "hunter2"}}
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    secret["metadata"] = {"name": "keys", "annotations": applied, "labels": ["hunter2"]}

    result = agentctl("import", "-f", write_file(deployment(container={"env": [variable]}), config_map(), secret))

    assert result.status == 0
    assert "Secret/keys" in result.err
    assert "hunter2" not in result.out + result.err


def test_objects_of_controllers_and_of_the_operator_are_left_out(agentctl: Agentctl, write_file: WriteFile) -> None:
    replica_set = manifest("apps/v1", "ReplicaSet", {})
    owned = manifest("v1", "Service", {}, "other", ownerReferences=[OWNER])
    overlay = write_file("resources: [a.yaml]\n", name="kustomization.yaml")

    result = agentctl("import", "-f", write_file(deployment(), config_map(), replica_set, owned), "-f", overlay)

    assert result.status == 0
    assert "ReplicaSet" not in result.err
    assert "note: Service/other: left out: it belongs to the AgentDeployment x\n" in result.err
    assert f"note: {overlay}: not read: run kubectl kustomize DIRECTORY | agentctl import -f -\n" in result.err


def test_a_kind_of_another_api_is_not_mistaken_for_a_service(agentctl: Agentctl, write_file: WriteFile) -> None:
    knative = manifest("serving.knative.dev/v1", "Service", {"selector": {"app": "old"}, "ports": [{"port": 81}]})

    result = agentctl("import", "-f", write_file(deployment(), config_map(), knative))

    assert result.status == 0
    assert "service" not in yaml.safe_load(result.out)["spec"]
    assert "left out: Service.serving.knative.dev/support" in result.err


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdef"
)
INVALID = [
    ("just text\n", ":1: document 1 is a single value, not an object: it needs apiVersion and kind"),
    ("- hosts: all\n", ":1: document 1 is a list, not an object: it needs apiVersion and kind"),
    ("kind: Service\nmetadata: {name: x}\n", ":1: x: apiVersion: missing in document 1: add it"),
    ("---\n{}\n---\napiVersion: v1\n", ":2: apiVersion: missing in document 1"),
    ("apiVersion: v1\nkind: Service\n", ":1: metadata.name: document 1 (Service) needs a name: add it"),
    (f"{SERVICE}spec: {{ports: 5}}\n", ":4: x: spec.ports: Input should be a valid list, in document 1: correct it"),
    (f"{SERVICE}spec: {{type: a, type: b}}\n", ":4: x: spec.type: duplicate field in document 1: keep one of the two"),
    (f"{SERVICE}---\n{SERVICE}", ":7: x: metadata.name: is also in"),
    (f"{SERVICE}spek: {{}}\n", ":4: x: spek: Extra inputs are not permitted, in document 1: correct it"),
    ("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: x}\n", ":1: x: apiVersion: must be apps/v1"),
    (BOMB, ": document 1: "),
    ("[" * 100_000, ":1: document 1: more than 100 levels: flatten it"),
    ('{"a":' * 50_000 + "1" + "}" * 50_000, ":1: document 1: more than 100 levels: flatten it"),
    (f"{SERVICE}#{'x' * (32 * 1024 * 1024)}\n", ": larger than 32 MiB: split the file"),
    ("a: \x01\n", ": invalid YAML: "),
]


@pytest.mark.parametrize(("text", "message"), INVALID, ids=range(len(INVALID)))
def test_an_error_names_file_document_and_field(
    agentctl: Agentctl, write_file: WriteFile, text: str, message: str
) -> None:
    path = write_file(text)

    result = agentctl("import", "-f", path)

    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"error: {path}{message}"), result.err


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[agent\n", "data[agent.toml]: Expected ']' at the end of a table declaration"),
        ("[agent]\nmodels = []\n", "data[agent.toml].agent.models: Tuple should have at least 1 item"),
        ("schema = 99\n", "data[agent.toml]: schema: 99 is newer than this version"),
    ],
)
def test_an_invalid_config_is_an_error(agentctl: Agentctl, write_file: WriteFile, toml: str, message: str) -> None:
    result = agentctl("import", "-f", write_file(deployment(), config_map(toml)))

    assert (result.status, result.out) == (1, "")
    assert message in result.err
    assert "(document 2)" in result.err


JUNK: list[Any] = [None, 5, "x", [], {}, [1], {"a": 1}, True, [{}], [{"name": "x"}]]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(item, (*path, key))


def _with(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def test_any_value_in_any_field_is_converted_or_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One value per field of the seed. Shortening is left out: it only makes the test slow."""
    monkeypatch.setattr(conversion, "shortened", lambda spec, render: spec)
    text = (GOLDEN / "seed.md").read_text(encoding="utf-8")
    found = [
        block
        for block in yaml.safe_load_all("---\n".join(part.split("```")[0] for part in text.split("```yaml\n")[1:]))
        if "kind" in block
    ]
    assert len(found) == 13
    places = [(number, path) for number, body in enumerate(found) for path in _paths(body)]
    reported = 0
    for turn, (number, path) in enumerate(places):
        bodies = [
            _with(body, path, JUNK[turn % len(JUNK)]) if index == number else body for index, body in enumerate(found)
        ]
        try:
            objects = parse([Document("f", index, body, {"": 1}) for index, body in enumerate(bodies)], "default")[0]
            for workload in workloads(objects, (), ""):
                conversion.convert(workload)
        except (CommandError, InvalidManifestsError):
            reported += 1
    assert 0 < reported < len(places)


def test_a_wide_document_is_bounded(write_file: WriteFile) -> None:
    with pytest.raises(CommandError, match=f"more than {documents.MAX_NODES} fields"):
        documents.read([str(write_file(f"x: [{'1, ' * documents.MAX_NODES}]\n"))])
