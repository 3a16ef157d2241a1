"""`agentctl validate` reports all errors with file, line, field and remedy, and exits with status 1."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

Agentctl = Callable[..., Any]
WriteFile = Callable[..., Path]
MakeAgent = Callable[..., dict[str, Any]]

ECHO = {"name": "echo", "provider": "echo"}
AZURE = {"name": "azure", "provider": "azure_openai", "deployment": "d"}
REMOTE = {"name": "remote", "provider": "openai", "baseUrl": "http://vllm:8000/v1"}
TOOLS = {"name": "tools", "type": "http", "url": "https://tools.example.com/mcp"}
CACHE = "spec.config.memory.cache"
AZURE_KEY = [{"name": "AZURE_OPENAI_API_KEY", "value": "k"}]
TENANT = "7d1f2e3d-4c5b-6a00-0000-000000000000"
PROMPT_REF = {"configMapKeyRef": {"name": "prompts", "key": "p"}}


POD = "spec.podTemplate.spec"
SIDE = f"{POD}.containers[0]"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
LIMITS = f"{POD}.containers[0].resources.limits"


def pod(**spec: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": spec}}


def side(**fields: Any) -> dict[str, Any]:
    given = {"name": "side", "image": "registry.example.com/side:1"} | fields
    return pod(containers=[{field: value for field, value in given.items() if value is not None}])


def queue(value: str) -> dict[str, Any]:
    target = {"type": "AverageValue", "averageValue": value}
    return {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": target}}


def limits(**amounts: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "agent", "resources": {"limits": amounts}}])


def config(**fields: Any) -> dict[str, Any]:
    return {"config": {"models": [ECHO]} | fields}


def cache(**fields: Any) -> dict[str, Any]:
    given = {"host": "redis"} | fields
    return config(memory={"cache": {field: value for field, value in given.items() if value is not None}})


def jwt(**fields: Any) -> dict[str, Any]:
    return config(auth={"jwt": {"audiences": ["a"]} | fields})


def test_a_valid_agent_prints_one_line(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    result = agentctl("validate", "-f", write_file(make_agent()))

    assert (result.status, result.out, result.err) == (0, "1 AgentDeployment: valid\n", "")


@pytest.mark.parametrize(
    ("spec", "field", "remedy"),
    [
        ({"replica": 3}, "spec.replica", 'unknown field: did you mean "replicas"?'),
        ({"zzz": 3}, "spec.zzz", "unknown field: remove it, or use one of apiKeys, autoscaling, commonAnn"),
        ({"ingress": {"host": "a.b", "hots": "x"}}, "spec.ingress.hots", 'did you mean "hosts"?'),
        ({"replicas": "three"}, "spec.replicas", "must be of type integer, not string: Number of desired pods"),
        ({"suspend": "yes, please"}, "spec.suspend", "must be of type boolean, not string"),
        ({"systemPrompt": "Be kind."}, "spec.systemPrompt", "must be of type object, not string"),
        ({"service": {"annotations": {"a": 1}}}, "spec.service.annotations.a", "not integer: write text, in quotes"),
        ({"autoscaling": {"metrics": ["x"]}}, "spec.autoscaling.metrics[0]", "not string: write its fields below it"),
        (
            {"systemPrompt": {"text": "a"} | PROMPT_REF},
            "spec.systemPrompt",
            "set exactly one of text and configMapKeyR",
        ),
        ({"systemPrompt": {}}, "spec.systemPrompt", "set exactly one of text and configMapKeyRef"),
        (cache(user="a"), f"{CACHE}.user", 'unknown field: did you mean "username"?'),
        (cache(password="a"), f"{CACHE}.password", "unknown field: set REDIS_PASSWORD in spec.credentials"),
        (cache(host=None), CACHE, "an enabled cache requires host or sentinel: set one of them, or set enabled"),
        (cache(tls={"caFile": "/ca"}), CACHE, "tls and entraId require ssl: set ssl to true"),
        (
            cache(sentinel={"master": "m", "hosts": ["redis://a"]}),
            f"{CACHE}.sentinel.hosts[0]",
            "': Write host or host:port, without a scheme.",
        ),
        (
            config(server={"corsOrigins": ["https://a.example.com/"]}),
            "spec.config.server.corsOrigins[0]",
            "': Write an origin without path or slash, such as https://app.example.com",
        ),
        (
            config(server={"trustedProxies": ["proxy.example.com"]}),
            "spec.config.server.trustedProxies[0]",
            "': Write a CIDR, such as 10.0.0.0/8",
        ),
        (
            config(models=[ECHO, REMOTE | {"headersFrom": {"X-Key": "Bearer abc"}}]),
            "spec.config.models[1].headersFrom.X-Key",
            "': Write the name of an environment variable, not the value.",
        ),
        (
            config(mcp=[TOOLS | {"tokenFile": "/t", "headersFrom": {"authorization": "TOKEN"}}]),
            "spec.config.mcp[0].headersFrom",
            "the token is sent as Authorization: remove this header or the token",
        ),
        (
            config(models=[AZURE | {"api": "responses", "apiVersion": "2024-10-21"}]),
            "spec.config.models[0].apiVersion",
            "api responses requires apiVersion 2025-03-01-preview or later: set it or remove it",
        ),
        (
            jwt(preset="entra_id"),
            "spec.config.auth.jwt.tenantId",
            "preset entra_id requires tenantId: set it to the UUID of the tenant",
        ),
        (
            jwt(issuer="https://sso.example.com", tenantId=TENANT),
            "spec.config.auth.jwt.tenantId",
            "tenantId has no meaning without preset entra_id: remove it",
        ),
        ({"systemPrompt": {"text": "Hello {{ team }}"}}, "spec.systemPrompt.text", "team"),
        ({"systemPrompt": {"text": "Hello {% if %}"}}, "spec.systemPrompt.text", "line 1"),
        ({"systemPrompt": {"text": "x" * 2 * 1024**2}}, "spec.systemPrompt.text", "900000"),
        ({"config": {"models": []}}, "spec.config.models", "at least 1 items: Models that the agent can call"),
        (
            {"config": {"models": [ECHO], "defaultModel": "gpt"}},
            "spec.config.defaultModel",
            "correct it or add the model",
        ),
        ({"config": {"models": [ECHO, ECHO]}}, "spec.config.models[1]", "two items have the name echo: change or"),
        ({"config": {"models": [{"name": "a", "provider": "llm"}]}}, "spec.config.models[0].provider", '"echo"'),
        ({"config": {"models": [ECHO | {"model": "x"}]}}, "spec.config.models[0].model", "remove it or change"),
        ({"service": {"port": 70000}}, "spec.service.port", "less than or equal to 65535: Service port for HTTP"),
        ({"service": {"port": 0}}, "spec.service.port", "greater than or equal to 1"),
        ({"ingress": {"host": "not a host"}}, "spec.ingress.host", "Host name of the agent"),
        ({"ingress": {}}, "spec.ingress", "set host or hosts"),
        ({"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}, "spec.autoscaling.minReplicas", "change one of them"),
        ({"resources": {"limits": {"cpu": "many"}}}, "spec.resources.limits.cpu", "write a quantity, such as 500m"),
        ({"env": [{"value": "x"}]}, "spec.env[0].name", "Required value"),
        ({"podTemplate": {"spec": "x"}}, f"{POD}", "must be of type object, not string: correct it as in a Pod"),
        (pod(containers=5), f"{POD}.containers", "must be of type array, not integer: correct it as in a Pod"),
        (pod(containers={"name": "side"}), f"{POD}.containers", "must be of type array, not object"),
        (pod(containers=[{"image": "x"}]), f"{POD}.containers[0].name", "Required value: correct it as in a Pod"),
        (pod(containers=[None]), f"{POD}.containers[0]", "must be of type object, not null"),
        (pod(hostname="x" * 254), f"{POD}.hostname", "may not be more than 253 bytes"),
        (pod(nodeselector={"a": "b"}), f"{POD}.nodeselector", 'did you mean "nodeSelector"?'),
        (pod(nodeSelector={"a" * 318: "b"}), f"{POD}.nodeSelector", "at most 317 characters: shorten the key"),
        (
            limits(cpu="1" * 30_000),
            f"{LIMITS}.cpu",
            "Too long: may not be more than 64 bytes: write a quantity, such as",
        ),
        (limits(cpu="lots"), f"{LIMITS}.cpu", '"lots": is no quantity: write a quantity, such as 500m, "2" or 1Gi'),
        (limits(cpu={"a": 1}), f"{LIMITS}.cpu", "must have at most 0 items: write a quantity"),
        (pod(tolerations=[{"key": "a"}] * 65), f"{POD}.tolerations", "must have at most 64 items"),
        (limits(memory="1GB"), f"{LIMITS}.memory", '"1GB": is no quantity'),
        (pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1GB"}}]), f"{POD}.volumes[0].emptyDir.sizeLimit", "1Gi"),
        (
            side(ports=[{"containerPort": 3_000_000_000}]),
            f"{SIDE}.ports[0].containerPort",
            "less than or equal to 65535",
        ),
        (
            {"probes": {"readiness": {"httpGet": {"path": "/", "port": 3_000_000_000}}}},
            "spec.probes.readiness.httpGet.port",
            "less than or equal to 65535",
        ),
        (
            {"probes": {"readiness": {"periodSeconds": 4_294_967_303}}},
            "spec.probes.readiness.periodSeconds",
            "does not fit into int32: write a smaller number",
        ),
        (
            side(livenessProbe={"exec": {"command": ["a"]}, "periodSeconds": 4_294_967_303}),
            f"{SIDE}.livenessProbe.periodSeconds",
            "does not fit into int32",
        ),
        (
            {"scheduling": {"topologySpreadConstraints": [SPREAD, SPREAD | {"maxSkew": 2}]}},
            "spec.scheduling.topologySpreadConstraints[1]",
            "an earlier item has the same topologyKey zone, whenUnsatisfiable DoNotSchedule: correct it",
        ),
        (side(image=None), f"{SIDE}.image", "Required value: correct it (Deployment support: spec.template.spec.cont"),
        (
            side(volumeMounts=[{"name": "nope", "mountPath": "/a"}]),
            f"{SIDE}.volumeMounts[0].name",
            'Not found: "nope": correct it',
        ),
        (side(livenessProbe={"periodSeconds": 3}), f"{SIDE}.livenessProbe", "must specify a handler type"),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nope"}}}]},
            "spec.env[0].valueFrom.fieldRef.fieldPath",
            "field label not supported: metadata.nope: correct it",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "a"}}}]},
            "spec.env[0].valueFrom.secretKeyRef.name",
            "required: name the Secret",
        ),
        ({"scheduling": {"tolerations": [{"operator": "Is"}]}}, "spec.scheduling.tolerations[0].operator", '"Exists"'),
        (
            {"networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]}},
            "spec.networkPolicy.extraEgress[0].to[0].ipBlock.cidr",
            "must be a valid CIDR value",
        ),
        (
            {"autoscaling": {"metrics": [queue("1GB")]}},
            "spec.autoscaling.metrics[0].pods.target.averageValue",
            '"1GB": is no quantity: write a quantity',
        ),
        (
            {"autoscaling": {"metrics": [queue("3") | {"type": "Bogus"}]}},
            "spec.autoscaling.metrics[0].type",
            "Unsupported value",
        ),
        ({"podTemplate": {f"f{i}": 1 for i in range(60_000)}}, "spec.podTemplate", "too many fields and items"),
        ({"podTemplate": {f"f{i}": 1 for i in range(4_000)}}, "spec.podTemplate.f0", "unknown field: remove it"),
    ],
)
def test_an_error_has_field_and_remedy(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, spec: dict[str, Any], field: str, remedy: str
) -> None:
    path = write_file(make_agent(**spec))

    result = agentctl("validate", "-f", path)

    assert result.status == 1
    assert result.out == ""
    lines = [line for line in result.err.splitlines() if f": support: {field}: " in line]
    assert lines, result.err
    # Each error is reported once.
    assert len(lines) == 1 or len({line.partition(f": {field}: ")[2] for line in lines}) == len(lines), result.err
    assert remedy in lines[0]
    assert lines[0].startswith(f"error: {path}:")
    assert len(lines[0]) < 1500


@pytest.mark.parametrize(
    "spec",
    [
        limits(cpu=0.5, memory="1Gi"),
        pod(securityContext={"$patch": "replace", "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}),
        pod(securityContext={"runAsUser": None, "runAsGroup": None, "fsGroup": None}),
        pod(tolerations=None),
        {"podTemplate": {"metadata": {"labels": {"team": "a"}, "creationTimestamp": None}}},
        {"systemPrompt": {"text": "x" * 200_000}},
        cache(enabled=False, tls={"caFile": "/ca"}, entraId=True),
        config(models=[AZURE | {"api": "responses", "endpoint": "https://a.example.com"}]) | {"env": AZURE_KEY},
    ],
)
def test_valid_specs_have_no_error(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, spec: dict[str, Any]
) -> None:
    result = agentctl("validate", "-f", write_file(make_agent(**spec)))

    assert (result.status, result.err) == (0, "")


def test_a_long_list_of_errors_is_cut(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    path = write_file(make_agent(podTemplate={f"f{i}": 1 for i in range(4_000)}))

    lines = agentctl("validate", "-f", path).err.splitlines()

    assert len(lines) == 101
    assert lines[-1] == f"error: {path}:1: support: 3900 more errors: correct the others first"


def test_all_errors_of_all_documents_are_reported_at_once(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    path = write_file(
        make_agent("one", replicas=-1, servce={}), make_agent("two", ingress={"host": "A"}, dns={"policy": "None"})
    )

    result = agentctl("validate", "-f", path)

    fields = [line.removeprefix(f"error: {path}:").split(": ")[1:3] for line in result.err.splitlines()]
    assert fields == [
        ["one", "spec.servce"],
        ["one", "spec.replicas"],
        ["two", "spec.dns.policy"],
        ["two", "spec.ingress.host"],
    ]


def test_a_rule_between_two_fields_is_reported_together_with_a_wrong_type(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    """The API server reports the rule only after the type is corrected."""
    path = write_file(make_agent(replicas="many", systemPrompt={"text": "a"} | PROMPT_REF))

    assert "spec.systemPrompt: none or several are set: set exactly one of" in agentctl("validate", "-f", path).err


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a" * 53, "at most 52 characters"),
        ("Upper", "metadata.name"),
        ("dotted.name", "a DNS label that starts with a letter"),
        ("", "metadata"),
    ],
)
def test_an_invalid_name_is_an_error(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, name: str, remedy: str
) -> None:
    result = agentctl("validate", "-f", write_file(make_agent(name)))

    assert result.status == 1
    assert remedy in result.err


def test_a_duplicate_field_is_an_error(agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent) -> None:
    text = yaml.safe_dump(make_agent(replicas=2), sort_keys=False) + "  replicas: 3\n"

    result = agentctl("validate", "-f", write_file(text))

    assert result.status == 1
    assert "spec.replicas: duplicate field: keep one of the two" in result.err


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"apiVersion": "agent-operator.dev/v9", "kind": "AgentDeployment"},
            "apiVersion: must be agent-operator.dev/v1alpha1",
        ),
        (
            {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment"},
            "metadata: must be an object with a name",
        ),
        ({"kind": "AgentDeployment"}, "apiVersion: must be"),
        ({"apiVersion": "v1", "kind": "Pod"}, "no AgentDeployment found, only Pod: specify a file that contains one"),
        ({"hello": "world"}, "no AgentDeployment found, only objects without a kind"),
        (
            {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment", "metadata": 3, "spec": 4},
            "metadata: must be",
        ),
    ],
)
def test_an_object_of_another_kind_is_an_error(
    agentctl: Agentctl, write_file: WriteFile, body: dict[str, Any], message: str
) -> None:
    result = agentctl("validate", "-f", write_file(body))

    assert result.status == 1
    assert message in result.err


def test_a_missing_key_of_a_config_map_or_secret_is_an_error(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prompts"}, "data": {"other": "x"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"A": "canary-5f"}}
    path = write_file(
        make_agent(systemPrompt=PROMPT_REF, credentials={"secretRef": {"name": "keys", "keys": ["A", "B"]}})
    )

    result = agentctl("validate", "-f", path, "-f", write_file(config_map, secret, name="refs.yaml"))

    assert result.status == 1
    assert "configMapKeyRef.key: ConfigMap prompts has no key p: add the key or correct the reference" in result.err
    assert "(existing keys: other)" in result.err
    assert "secretRef.keys[1]: Secret keys has no key B" in result.err
    assert "canary" not in result.err


def test_a_reference_to_an_object_outside_of_the_input_is_a_warning(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    result = agentctl("validate", "-f", write_file(make_agent(systemPrompt=PROMPT_REF)))

    assert result.status == 0
    assert result.err.startswith("warning: ")
    assert (
        "ConfigMap prompts in namespace default is not in the input and was not checked: add it with -f" in result.err
    )


def test_an_entry_of_the_annotation_for_adoption_without_effect_is_a_warning(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    agent = make_agent()
    agent["metadata"]["annotations"] = {"agent-operator.dev/adopt": "Deployment/support, Pod/x"}

    result = agentctl("validate", "-f", write_file(agent))

    assert result.status == 0
    assert "metadata.annotations[agent-operator.dev/adopt]: 'Pod/x' has no effect: write labeled" in result.err
    assert "Deployment/support'" not in result.err


def test_credentials_in_plain_text_are_a_warning(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent
) -> None:
    result = agentctl("validate", "-f", write_file(make_agent(credentials={"values": {"OPENAI_API_KEY": "canary-5f"}})))

    assert result.status == 0
    assert "warning: " in result.err
    assert "canary" not in result.err + result.out


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_json_and_yaml_output_have_every_field(
    agentctl: Agentctl, write_file: WriteFile, make_agent: MakeAgent, form: str, load: Callable[[str], Any]
) -> None:
    path = write_file("# nothing\n", make_agent("one"), make_agent("two", replica=1))

    result = agentctl("validate", "-f", path, "-o", form)

    assert result.status == 1
    found = load(result.out)
    assert (found["valid"], found["agents"], found["warnings"]) == (False, 2, [])
    (error,) = found["errors"]
    assert error["message"] == 'unknown field: did you mean "replicas"?'
    assert {key: error[key] for key in ("file", "document", "agent", "field")} == {
        "file": str(path),
        "document": 2,
        "agent": "two",
        "field": "spec.replica",
    }
    assert path.read_text(encoding="utf-8").splitlines()[error["line"] - 1].strip() == "replica: 1"


def test_a_dash_reads_standard_input(agentctl: Agentctl, make_agent: MakeAgent) -> None:
    result = agentctl("validate", "-f", "-", stdin=yaml.safe_dump(make_agent(replica=1)))

    assert result.status == 1
    assert result.err.startswith("error: -:")
