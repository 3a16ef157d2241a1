"""Patterns of values, and what to write instead of a value that does not match. Errors and the CRD show the latter."""

from collections.abc import Mapping

CIDR = r"^[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?$"
ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
HOST_AND_PORT = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$"
ORIGIN = r"^(\*|https?://[^\s/*]+)$"
SUBJECT = r"^[^*]*\*?$"
UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"

REMEDIES: Mapping[str, str] = {
    CIDR: "Write a CIDR, such as 10.0.0.0/8 or fd00::/8.",
    ENVIRONMENT_NAME: "Write the name of an environment variable, not the value.",
    HOST_AND_PORT: "Write host or host:port, without a scheme.",
    ORIGIN: "Write an origin without path or slash, such as https://app.example.com, or * for all.",
    SUBJECT: "Write a value of the claim sub; a * is allowed only at the end.",
    UUID: "Write the UUID of the tenant, which tokens contain, not its domain.",
}


def remedy_of(pattern: object) -> str:
    """Return the end of a message about a value that does not match; empty if the message needs none."""
    text = REMEDIES.get(str(pattern), "")
    return f": {text[0].lower()}{text[1:].rstrip('.')}" if text else ""
