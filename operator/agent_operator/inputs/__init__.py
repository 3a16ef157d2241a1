"""What one agent is rendered from: its spec, the objects that the spec refers to, and defaults."""
