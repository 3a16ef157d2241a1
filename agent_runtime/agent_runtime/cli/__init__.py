"""The commands of agent-runtime, apart from serve."""
