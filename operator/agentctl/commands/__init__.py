"""The commands of agentctl, one module per verb."""
