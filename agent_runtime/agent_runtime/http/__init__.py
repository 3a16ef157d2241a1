"""The HTTP server: middleware, routes, limits, API keys, the chat page and the OpenAPI document."""
