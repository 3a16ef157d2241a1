"""The cluster on this machine: its state, its supervisor."""
