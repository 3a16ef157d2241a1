"""The HTTP server: middleware, routes, admission, the chat page and the OpenAPI document."""
