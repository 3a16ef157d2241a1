"""agent-operator.dev/v1alpha1."""

from agent_operator.api.v1alpha1.agent import AgentDeployment, AgentDeploymentSpec, ObjectMeta
from agent_operator.api.v1alpha1.channel import (
    AgentRuntimeChannel,
    AgentRuntimeChannelSpec,
    AgentRuntimeChannelStatus,
)
from agent_operator.api.v1alpha1.status import AgentDeploymentStatus, ChildStatus, Condition, LastFailure

__all__ = [
    "AgentDeployment",
    "AgentDeploymentSpec",
    "AgentDeploymentStatus",
    "AgentRuntimeChannel",
    "AgentRuntimeChannelSpec",
    "AgentRuntimeChannelStatus",
    "ChildStatus",
    "Condition",
    "LastFailure",
    "ObjectMeta",
]
