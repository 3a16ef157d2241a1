"""The models that an agent can call: one module per protocol."""
