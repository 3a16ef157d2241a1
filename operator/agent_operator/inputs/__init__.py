"""The inputs of rendering one agent: its spec, the objects that the spec refers to, and defaults."""
