"""/openapi.json: the OpenAPI 3.1 document of the agent's HTTP endpoints."""
