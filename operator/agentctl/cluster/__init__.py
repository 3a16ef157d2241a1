"""Reads and writes of a cluster, through kubectl."""
