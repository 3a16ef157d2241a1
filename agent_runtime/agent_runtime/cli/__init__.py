"""The commands of agent-runtime other than serve and check-answers."""
