"""Specs of up to 1.5 MB, the largest object that the API server accepts, that took or could take much CPU time."""

import json
from typing import Any

Spec = dict[str, Any]


def _pods(**spec: Any) -> Spec:
    return {"podTemplate": {"spec": spec}}


def _container(**fields: Any) -> Spec:
    return _pods(containers=[{"name": "agent", **fields}])


def _prompt(text: str, **variables: str) -> Spec:
    return {"systemPrompt": {"text": text, **({"variables": variables} if variables else {})}}


def _checks(*each: Spec) -> Spec:
    checks = [{"name": f"c{index}", "prompt": "x", **fields} for index, fields in enumerate(each)]
    return {"rollout": {"strategy": "Canary", "canary": {"checks": checks}}}


def _nested(levels: int) -> Any:
    return json.loads('{"a":' * levels + "{}" + "}" * levels)


def _regexes(pattern: str) -> Spec:
    return _checks(*({"regex": pattern + "a" * number} for number in range(50)))


_SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
_SCHEMA = {"properties": {f"p{number}": {"type": "string"} for number in range(900)}}
_WRONG_SCHEMA = {"properties": {f"p{number}": {"type": "str"} for number in range(1_200)}}
_WEIGHTED = {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["a"] * 10}]}}

SPECS: dict[str, Spec] = {
    "quantity": _container(resources={"limits": {"cpu": "1" * 30_000 + "x"}}),
    "quantity of digits": _container(resources={"limits": {"cpu": "1" * 1_400_000}}),
    "quantity as a number": _container(resources={"limits": {"cpu": 10**4_000}}),
    "many quantities": _container(resources={"limits": {f"x{number}": "1m" for number in range(60_000)}}),
    "unknown fields": {"podTemplate": {f"f{number}": 1 for number in range(60_000)}},
    "unknown fields of the spec": {f"f{number}": 1 for number in range(60_000)},
    "unknown fields of a model": {"config": {"models": [{f"f{number}": 1 for number in range(60_000)}]}},
    "unknown fields within the limit": {"podTemplate": {f"f{number}": 1 for number in range(4_900)}},
    "wrong types within the limit": _container(args=[1] * 4_900),
    "labels": {"podTemplate": {"metadata": {"labels": {f"f{number}": "1" for number in range(60_000)}}}},
    "labels within the limit": {"podTemplate": {"metadata": {"labels": {f"f{n}": "1" for n in range(4_900)}}}},
    "variables": _container(env=[{"name": f"E{number}", "value": "x"} for number in range(30_000)]),
    "variables within the limit": _container(env=[{"name": f"E{number}", "value": "x"} for number in range(1_600)]),
    "variables of one name": _container(env=[{"name": "E", "value": "x"}] * 1_600),
    "variables from Secrets": _container(env=[{"name": f"E{n}", "valueFrom": _SECRET} for n in range(15_000)]),
    "containers": _pods(containers=[{"name": f"c{number}", "image": "x"} for number in range(30_000)]),
    "containers within the limit": _pods(containers=[{"name": f"c{number}", "image": "x"} for number in range(60)]),
    "deleted containers": _pods(containers=[{"name": f"c{number}", "$patch": "delete"} for number in range(30_000)]),
    "volumes": _pods(volumes=[{"name": f"c{number}", "emptyDir": {}} for number in range(30_000)]),
    "volumes within the limit": _pods(volumes=[{"name": f"c{number}", "emptyDir": {}} for number in range(1_600)]),
    "tolerations within the limit": _pods(tolerations=[{"key": f"c{number}"} for number in range(2_400)]),
    "items of a wrong type": _pods(tolerations=list(range(100_000))),
    "aliases of hosts": _pods(hostAliases=[{"ip": f"{number}"} for number in range(2_400)]),
    "ports": _container(ports=[{"containerPort": number} for number in range(2_400)]),
    "arguments": _container(args=["x"] * 200_000),
    "long arguments": _container(args=["x" * 280] * 4_800),
    "empty lists": _container(args=[[[]]] * 200_000),
    "nested": {"podTemplate": _nested(190)},
    "long names": _pods(containers=[{"name": "n" * 500_000, "env": [{"name": "e"}] * 1_000}]),
    "long field": {"podTemplate": {"f" * 700_000: [{"a": 1}] * 1_000}},
    "long annotation": {"podTemplate": {"metadata": {"annotations": {"a": "<" * 1_400_000}}}},
    "affinity": {
        "scheduling": {
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [_WEIGHTED] * 10_000}}
        }
    },
    "egress": {"networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": "1.2.3.4/32"}}] * 400}] * 64}},
    "secrets": {"credentials": {"values": {f"K{number}": "x" * 20_000 for number in range(64)}}},
    "variables with control characters": {"env": [{"name": f"K{n}", "value": "\u2028" * 4_000} for n in range(100)]},
    "arguments of MCP servers": {
        "config": {
            "models": [{"name": "e", "provider": "echo"}],
            "mcp": [
                {"name": f"m{number}", "type": "stdio", "command": "x", "args": ['"' * 4_000] * 5}
                for number in range(16)
            ],
        }
    },
    "many models": {"config": {"models": [{"name": f"e{n}", "provider": "echo"} for n in range(30_000)]}},
    "quantity of a metric": {
        "autoscaling": {"metrics": [{"external": {"target": {"type": "Value", "value": "9" * 900_000}}}]}
    },
    "tolerance": {"autoscaling": {"behavior": {"scaleDown": {"tolerance": "1" * 900_000}}}},
    "drain delay": {"env": [{"name": "DRAIN_DELAY_SECONDS", "value": "1" * 900_000}]},
    "URL of traces": {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://" + "a." * 400_000}]},
    "plain prompt": _prompt("x" * 899_000),
    "prompt of braces": _prompt("{" * 800_000),
    "prompt of comments": _prompt("{# " * 290_000),
    "prompt of raw blocks": _prompt("{% raw %}{{" * 80_000),
    "prompt of spaces": _prompt("\n " * 400_000 + "{{ x"),
    "prompt of escapes": _prompt("{{ '" + "\\\\" * 400_000),
    "prompt with a number": _prompt("{{ " + "1_" * 400_000 + " }}"),
    "prompt of conditions": _prompt("{% if v|title == 'x' %}{% endif %}" * 300, v="a b " * 150_000),
    "prompt of filters": _prompt(("{{v" + "|title" * 12 + "}}") * 100, v="a b " * 1_024),
    "prompt with many variables": _prompt("{{v}}" * 1_200, v="a" * 700),
    "regular expressions": _regexes(r"\w{900}"),
    "nested regular expressions": _regexes(r"(?:\w{1,9}){1,99}"),
    "schemas": _checks(*({"jsonSchema": _SCHEMA} for _ in range(40))),
    "wrong schemas": _checks(*({"jsonSchema": _WRONG_SCHEMA} for _ in range(40))),
    "one schema": _checks({"jsonSchema": _SCHEMA}),
    "patterns in schemas": _checks(*({"jsonSchema": {"pattern": f"(a|b){{1,{n + 2}}}" * 3_000}} for n in range(40))),
    "lists in a schema": _checks({"jsonSchema": {"x": [[]] * 490_000}}),
}
