"""The field machinery of a Kubernetes API server: schemas, field ownership, patches, defaults, validation.

Everything here is pure: no IO but reading the packaged schemas once, no clock. Objects given are never changed;
results share structure with them, so treat both as read-only.
"""
