"""Rules for names, labels and keys. Each function returns the violations, as messages of the API server."""

import re
from typing import Final

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = f"({_QUALIFIED})?"
_WILDCARD: Final = rf"\*\.{_SUBDOMAIN}"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_MESSAGES: Final = {
    _LABEL: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{regex}')",
    _SUBDOMAIN: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{regex}')",
    _QUALIFIED: "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{regex}')",
    _LABEL_VALUE: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation is '{regex}')",
    _WILDCARD: "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
    "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
    "(e.g. '*.example.com', regex used for validation is '{regex}')",
    _CONFIG_KEY: "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '{regex}')",
    _LABEL_1035: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '{regex}')",
}
_MAX_LABEL: Final = 63
_MAX_SUBDOMAIN: Final = 253
_MAX_PORT_NAME: Final = 15


def _check(text: str, regex: str, limit: int) -> list[str]:
    out = [f"must be no more than {limit} bytes"] if len(text.encode()) > limit else []
    if re.fullmatch(regex, text) is None:
        out.append(_MESSAGES[regex].format(regex=regex))
    return out


def label(text: str) -> list[str]:
    """An RFC 1123 label: container names, namespaces."""
    return _check(text, _LABEL, _MAX_LABEL)


def subdomain(text: str) -> list[str]:
    """An RFC 1123 subdomain: the names of most objects."""
    return _check(text, _SUBDOMAIN, _MAX_SUBDOMAIN)


def wildcard(text: str) -> list[str]:
    """A host like `*.example.com`."""
    return _check(text, _WILDCARD, _MAX_SUBDOMAIN)


def label_1035(text: str) -> list[str]:
    """A label that starts with a letter."""
    return _check(text, _LABEL_1035, _MAX_LABEL)


def path_segment(text: str) -> list[str]:
    """A path segment: the names of RBAC objects."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{bad}'" for bad in "/%" if bad in text]


def label_value(text: str) -> list[str]:
    """The value of a label."""
    return _check(text, _LABEL_VALUE, _MAX_LABEL)


def qualified(text: str) -> list[str]:
    """The key of a label: `name` or `prefix.example.org/name`."""
    parts = text.split("/")
    if len(parts) > 2:  # noqa: PLR2004 - prefix and name
        message = _MESSAGES[_QUALIFIED].removeprefix("name part ").format(regex=_QUALIFIED)
        return [f"a qualified name {message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    out = []
    if len(parts) == 2:  # noqa: PLR2004
        prefix = parts[0]
        out = [f"prefix part {text}" for text in subdomain(prefix)] if prefix else ["prefix part must be non-empty"]
    name = parts[-1]
    if not name:
        return [*out, "name part must be non-empty", _MESSAGES[_QUALIFIED].format(regex=_QUALIFIED)]
    if len(name) > _MAX_LABEL:
        out.append(f"name part must be no more than {_MAX_LABEL} bytes")
    if re.fullmatch(_QUALIFIED, name) is None:
        out.append(_MESSAGES[_QUALIFIED].format(regex=_QUALIFIED))
    return out


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret, which must be a valid file name."""
    out = _check(text, _CONFIG_KEY, _MAX_SUBDOMAIN)
    if text in {".", ".."}:
        return [*out, f"must not be '{text}'"]
    return [*out, "must not start with '..'"] if text.startswith("..") else out


def env_name(text: str) -> list[str]:
    """The name of an environment variable."""
    if re.fullmatch(r"[ -<>-~]+", text):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def port_name(text: str) -> list[str]:
    """An IANA service name: ports of containers."""
    out = []
    if len(text) > _MAX_PORT_NAME:
        out.append(f"must be no more than {_MAX_PORT_NAME} bytes")
    if re.fullmatch("[-a-z0-9]+", text) is None:
        out.append("must contain only alphanumeric characters (a-z, 0-9), and hyphens ('-')")
    if re.search("[a-z]", text) is None:
        out.append("must contain at least one letter (a-z)")
    if "--" in text:
        out.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        out.append("must not begin or end with a hyphen")
    return out


def port_number(number: object) -> list[str]:
    """A port number: 1 to 65535."""
    fits = type(number) is int and 1 <= number <= 65535  # noqa: PLR2004 - a port
    return [] if fits else ["must be between 1 and 65535, inclusive"]
