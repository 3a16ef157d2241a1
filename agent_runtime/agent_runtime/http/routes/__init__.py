"""The HTTP API: one module a group of routes, each with its table `ROUTES`."""
