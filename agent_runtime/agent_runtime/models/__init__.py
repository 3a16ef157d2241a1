"""The models that an agent can call: one module a protocol."""
