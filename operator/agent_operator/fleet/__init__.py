"""Fleet upgrades: an AgentRuntimeChannel moves the agents that follow it to another runtime version, wave by wave."""
