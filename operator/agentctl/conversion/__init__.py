"""Conversion of hand-written manifests into AgentDeployments. Pure: reads no file and no cluster."""
