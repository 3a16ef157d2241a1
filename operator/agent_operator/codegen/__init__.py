"""Generators: the CRDs, the RBAC manifests and the API reference."""
