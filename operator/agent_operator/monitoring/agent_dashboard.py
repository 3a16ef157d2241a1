"""The dashboard of one agent, or of the agents that the reader selects."""

from agent_operator.monitoring import agent_pods, agent_requests
from agent_operator.monitoring.panels import Dashboard, Variable


def agent_dashboard() -> Dashboard:
    """Return the dashboard on which the reader selects agents."""
    return _dashboard(
        "agent-operator-agent",
        "Agents / Agent",
        Variable("namespace", "Namespace", "label_values(agent_info, namespace)"),
        Variable("agent", "Agent", 'label_values(agent_info{namespace=~"$namespace"}, service)'),
    )


def dashboard_of(namespace: str, agent: str, uid: str) -> Dashboard:
    """Return the dashboard of one agent. `namespace`: that of its pods."""
    return _dashboard(
        uid,
        f"Agent {namespace}/{agent}",
        Variable("namespace", "Namespace", value=namespace),
        Variable("agent", "Agent", value=agent),
    )


def _dashboard(uid: str, title: str, *variables: Variable) -> Dashboard:
    rows = {
        "Overview": agent_requests.OVERVIEW,
        "Requests": agent_requests.REQUESTS,
        "Tokens and models": agent_requests.MODELS,
        "Tools": agent_pods.TOOLS,
        "Health": agent_pods.HEALTH,
        "Rollout": agent_pods.ROLLOUT,
    }
    return Dashboard(uid, title, "Requests, tokens, health and rollout of an agent.", variables, rows)
