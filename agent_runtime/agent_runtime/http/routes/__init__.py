"""The HTTP API. Each module has one group of routes in its table `ROUTES`."""
