"""What the API server rejects or cannot decode is reported with the field of the agent, and not sent again at once."""

import logging
from typing import Any

import pytest

from agent_operator.observability.logs import is_relevant
from tests.integration.agent_operator.cluster import Cluster

SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
SECRET = "hunter2-hunter2"
# Spec, field of the AgentDeployment, and a part of the message.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "field": (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nope"}}}]},
        "spec.env[0].valueFrom.fieldRef.fieldPath",
        '"metadata.nope": error converting fieldPath',
    ),
    "unknown": (
        {"probes": {"readiness": {"httpGet": {"path": "/", "port": 80, "protocol": "h2c"}}}},
        "spec.probes.readiness.httpGet.protocol",
        "field not declared in schema",
    ),
    "twice": (
        {"scheduling": {"topologySpreadConstraints": [SPREAD, SPREAD]}},
        "spec.scheduling.topologySpreadConstraints",
        "duplicate entries for key",
    ),
    "sidecar": (
        {"podTemplate": {"spec": {"containers": [{"name": "side", "env": [{"name": "PASSWORD", "value": SECRET}]}]}}},
        "spec.podTemplate.spec.containers[0].image",
        "Required value",
    ),
}


async def test_a_rejected_child_is_reported_with_the_field_of_the_agent(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with cluster.operator():
        for name, (spec, _, _) in CASES.items():
            await cluster.api.apply_agent(name, **spec)
        for name, (_, field, part) in CASES.items():
            message = (await cluster.api.wait_for_reason("Stalled", "Rejected", name))["message"]
            assert message.startswith(f"{field}: "), message
            assert part in message
            assert f"Deployment {cluster.api.namespace}/{name}: spec.template.spec." in message
            assert SECRET not in message

    logged = {vars(record)["agent"] for record in caplog.records if record.message == "child not written"}
    assert logged == {f"{cluster.api.namespace}/{name}" for name in CASES}
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR and is_relevant(record)]
    assert [record.message for record in errors] == []
    for name in CASES:
        sent = [path for method, path, *_ in cluster.proxy.exchanges if method == "PATCH" and path.endswith(f"/{name}")]
        # Each child once, and the Deployment again after a backoff.
        assert len(sent) <= 10
