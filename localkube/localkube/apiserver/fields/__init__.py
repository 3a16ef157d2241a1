"""Field functions of a Kubernetes API server: field ownership, patches, defaults of custom resources.

All functions are pure, except that they read the packaged schemas once. They do not change their arguments. Results
share structure with arguments, so treat both as read-only.
"""
