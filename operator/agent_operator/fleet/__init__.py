"""Fleet upgrades: an AgentRuntimeChannel upgrades the runtime of the agents that follow it, wave by wave."""
