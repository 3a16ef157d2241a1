"""The status of an agent: its conditions, its problems, and the observed state that they are computed from."""
