"""The checks of a Kubernetes API server before it stores an object, as pure functions: no server, no IO, no clock.

Decoding and pruning by schema (`decode`, `schema`), values and metadata (`value_rules`, `metadata_rules`, `names`,
`quantity`), and `x-kubernetes-validations` (`cel_rules`). Errors have the reasons and the wording of the server
(`errors`). The only IO is one read of the schemas in the package kubernetes-validate. Functions do not change their
arguments; results share structure with them, so treat both as read-only.
"""

__version__ = "0.1.0"
