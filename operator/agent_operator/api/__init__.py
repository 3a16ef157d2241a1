"""The AgentDeployment API as pydantic models; the source of the CRD."""
