"""Certificate authorities that this process and its children trust in addition to those of the system."""

import os
import ssl
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path

from agent_runtime.config import ConfigError

VARIABLE = "TRUSTED_CA_FILE"
# Variables by which OpenSSL, requests (for traces) and Node.js find the authorities.
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
EXTRA_VARIABLE = "NODE_EXTRA_CA_CERTS"
_MAX_BYTES = 4 << 20
# Where Linux distributions keep the authorities, in case OpenSSL was built with another path.
_SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@contextmanager
def trusted(variables: MutableMapping[str, str]) -> Iterator[None]:
    """Trust the authorities in the file that TRUSTED_CA_FILE names, until the end of the context.

    TLS clients read their authorities from one file, so this writes one with those of the system as well. Enter the
    context before the import of aiohttp, which reads the file once.

    Raises:
        ConfigError: the file cannot be read, or contains no certificates.
    """
    path = variables.get(VARIABLE)
    if not path:
        yield
        return
    own = _read(Path(path))
    descriptor, bundle = tempfile.mkstemp(prefix="trusted-ca-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{_system(variables)}\n{own}\n")
        variables.update(dict.fromkeys(BUNDLE_VARIABLES, bundle) | {EXTRA_VARIABLE: path})
        yield
    finally:
        with suppress(OSError):
            Path(bundle).unlink()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ConfigError(f"{VARIABLE}: {path} has more than {_MAX_BYTES} bytes: keep only the needed authorities")
        text = content.decode()
        ssl.create_default_context(cadata=text)
    except OSError as error:
        # ssl.SSLError is an OSError, too.
        reason = "contains no valid certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}"
        raise ConfigError(f"{VARIABLE}: {path}: {reason}: correct spec.trustedCA") from None
    except ValueError:
        raise ConfigError(f"{VARIABLE}: {path}: contains no valid certificates: correct spec.trustedCA") from None
    return text


def _system(variables: MutableMapping[str, str]) -> str:
    """Return the authorities of the system; nothing if it has none."""
    given, default = variables.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile
    for path in filter(None, (given, default, *_SYSTEM)):
        with suppress(OSError, UnicodeDecodeError):
            return Path(path).read_text(encoding="utf-8")
    return ""
