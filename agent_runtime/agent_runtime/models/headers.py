"""The headers of requests to models whose values come from the environment."""

import re
from collections.abc import Mapping
from pathlib import Path

from agent_runtime.environment import Environment
from agent_runtime.health import UnhealthyError

MAX_FILE_BYTES = 16 * 1024
ACCEPT = {"accept": "application/json"}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def common(environment: Environment) -> dict[str, str]:
    """Return the headers that do not depend on the provider. Headers in OPENAI_CUSTOM_HEADERS take precedence.

    Raises:
        UnhealthyError: a variable contains what a header cannot carry.
    """
    headers = dict(ACCEPT)
    if environment.openai_org_id is not None:
        headers["openai-organization"] = _checked("OPENAI_ORG_ID", environment.openai_org_id)
    if environment.openai_project_id is not None:
        headers["openai-project"] = _checked("OPENAI_PROJECT_ID", environment.openai_project_id)
    custom = environment.openai_custom_headers
    for line in custom.get_secret_value().split("\n") if custom is not None else ():
        name, colon, value = line.partition(":")
        if colon:
            header = name.strip().lower()
            if not _NAME.fullmatch(header):
                message = "OPENAI_CUSTOM_HEADERS: a name of a header contains an invalid character: correct it"
                raise UnhealthyError(message, "NotConfigured")
            headers[header] = _checked("OPENAI_CUSTOM_HEADERS", value)
    return headers


def named(variables: Mapping[str, str], environment: Environment) -> dict[str, str]:
    """Return headers by lowercase name, each with the value of its variable.

    Raises:
        UnhealthyError: a variable is not set, or contains what a header cannot carry.
    """
    return {header.lower(): value_of(variable, environment) for header, variable in variables.items()}


def value_of(variable: str, environment: Environment) -> str:
    """Return the value of a variable that becomes part of a header.

    Raises:
        UnhealthyError: it is not set, or a header cannot carry it.
    """
    secret = environment.secret(variable)
    if secret is None:
        raise UnhealthyError(f"set {variable}, which the config of the model names", "NotConfigured")
    value = _checked(variable, secret.get_secret_value())
    if not value:
        raise UnhealthyError(f"{variable}: contains only spaces: set it", "NotConfigured")
    return value


def content_of(path: str) -> str:
    """Return the content of a file that becomes part of a header, such as a token that the kubelet renews.

    Raises:
        UnhealthyError: it cannot be read, or a header cannot carry it.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise UnhealthyError(f"{path}: {error.strerror}: mount it, or correct apiKeyFrom", "NotConfigured") from None
    value = _checked(path, text)
    if not value:
        raise UnhealthyError(f"{path}: contains only spaces: write the key into it", "NotConfigured")
    return value


def _checked(variable: str, text: str) -> str:
    """Return the text without surrounding spaces and line breaks, which no header carries."""
    value = text.strip(" \t\r\n")
    if not (value.isascii() and value.isprintable()):
        message = f"{variable}: contains a line break or another character that is not printable ASCII: correct it"
        raise UnhealthyError(message, "NotConfigured")
    return value
