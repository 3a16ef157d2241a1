"""A Kubernetes API on loopback whose pods are local processes: a development aid, not a cluster."""

__version__ = "0.1.0"
