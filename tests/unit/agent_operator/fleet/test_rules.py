"""Validation of a channel by the schema and CEL rules of its CRD, as an API server evaluates them."""

from typing import Any

import pytest

from agent_operator.codegen import crd
from kubeschema.kinds import validation
from localkube.apiserver.crds.definition import Definition

VERSION = Definition(crd.channel_crd()).versions["v1alpha1"]
ALL: dict[str, Any] = {"selector": {}}


def errors_of(**spec: Any) -> list[str]:
    """Return the validation errors of a channel with this spec: field and message."""
    obj = {"metadata": {"name": "stable"}, "spec": {"version": "1"} | spec}
    causes = [*validation.validate_value(VERSION.schema, obj), *VERSION.rules.check(obj)]
    return [f"{cause.field}: {cause.message}" for cause in causes]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"image": "example.com:5000/team/agent-runtime", "maxFailures": 3, "paused": True},
        {"waves": [{"percent": 10}, ALL, {"percent": 10}, {"percent": 100, "maxConcurrent": 5, "soakSeconds": 0}]},
        {"waves": [{"selector": {"matchExpressions": [{"key": "x", "operator": "In", "values": ["a"]}]}}]},
        {"waves": [{"selector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}]},
        {"window": {"cron": "0 22 * * MON-FRI", "duration": "1h30m", "timeZone": "America/Argentina/Buenos_Aires"}},
    ],
    ids=["minimal", "scalars", "percentages", "in", "exists", "window"],
)
def test_valid_channel(spec: dict[str, Any]) -> None:
    assert errors_of(**spec) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"waves": [{"percent": 10} | ALL]}, "exactly one of selector and percent"),
        ({"waves": [{"name": "x"}]}, "exactly one of selector and percent"),
        ({"waves": [{"percent": 50}, {"percent": 10}]}, "must not decrease from wave to wave"),
        ({"waves": [{"percent": 101}]}, "percent"),
        (
            {"waves": [{"selector": {"matchExpressions": [{"key": "x", "operator": "In"}]}}]},
            "In and NotIn require values",
        ),
        ({"waves": [{"selector": {"matchExpressions": [{"key": "x", "operator": "Like"}]}}]}, "Unsupported value"),
        ({"image": "example.com/agent-runtime:1.0"}, "spec.image"),
        ({"version": "a b"}, "spec.version"),
        ({"window": {"cron": "22 * *", "duration": "1h"}}, "spec.window.cron"),
        ({"window": {"cron": "0 22 * * *", "duration": "one hour"}}, "spec.window.duration"),
        ({"window": {"cron": "0 22 * * *", "duration": "30s"}}, "at least 1m"),
        ({"window": {"cron": "0 22 * * *"}}, "Required value"),
    ],
)
def test_invalid_channel(spec: dict[str, Any], message: str) -> None:
    assert any(message in error for error in errors_of(**spec)), errors_of(**spec)
