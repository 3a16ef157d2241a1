"""The runtime: an HTTP server that runs one AI agent. agent-operator starts it in every pod of an AgentDeployment."""

__version__ = "0.1.0"
