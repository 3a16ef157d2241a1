"""The controller: watches AgentDeployments and keeps their children right."""

__version__ = "0.1.0"
