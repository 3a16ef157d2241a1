"""What a Kubernetes API server checks before it stores an object, as pure functions: no server, no IO, no clock.

Decoding and pruning by schema (`decode`, `schema`), values and metadata (`value_rules`, `metadata_rules`, `names`,
`quantity`), and `x-kubernetes-validations` (`cel_rules`). Errors carry the server's reasons and words (`errors`).
The only IO is one read of the schemas that kubernetes-validate packages. Functions never change the objects that they
receive; results share structure with them, so treat both as read-only.
"""

__version__ = "0.1.0"
