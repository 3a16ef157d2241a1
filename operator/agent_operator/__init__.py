"""The controller: watches AgentDeployments and reconciles their children."""

__version__ = "0.1.0"
