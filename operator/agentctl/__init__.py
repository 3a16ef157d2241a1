"""The command line: agentctl, and kubectl agent."""
