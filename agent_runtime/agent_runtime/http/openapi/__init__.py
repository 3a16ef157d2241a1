"""/openapi.json: every HTTP endpoint of the agent, in the words of OpenAPI 3.1."""
