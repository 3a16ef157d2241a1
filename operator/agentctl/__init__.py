"""The command-line tool `agentctl`, which is also the kubectl plugin `kubectl agent`."""
