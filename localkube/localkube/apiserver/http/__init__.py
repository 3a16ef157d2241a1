"""The API over HTTP: routing, negotiation, discovery, OpenAPI, lists, watches, writes."""
