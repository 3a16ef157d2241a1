"""The config of the runtime that the operator derives from an AgentDeployment."""

import tomllib
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_runtime.config import CONFIG_FILE


def cache(**fields: Any) -> dict[str, Any]:
    """Return the table memory.cache of agent.toml."""
    config = {"models": [{"name": "echo", "provider": "echo"}], "memory": {"cache": {"host": "redis", **fields}}}
    agent = AgentDeployment.model_validate(
        {
            "apiVersion": "agent-operator.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": "support", "namespace": "sales", "uid": "u"},
            "spec": {"config": config, "namespace": {"name": "pods"}},
        }
    )
    found: dict[str, Any] = tomllib.loads(Inputs(agent).files[CONFIG_FILE])["agent"]["memory"]["cache"]
    return found


@pytest.mark.parametrize(
    ("fields", "prefix"),
    [({}, "chat:sales/support:"), ({"prefix": "chat:"}, "chat:"), ({"prefix": ""}, ""), ({"enabled": False}, "chat:")],
    ids=str,
)
def test_the_keys_of_two_agents_differ_by_default(fields: dict[str, Any], prefix: str) -> None:
    """The default names the AgentDeployment, also if its pods are in another namespace."""
    assert cache(**fields)["prefix"] == prefix
