"""Pure rendering: an agent and what it refers to become manifests."""
