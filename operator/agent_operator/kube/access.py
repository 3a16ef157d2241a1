"""Address and credentials of the API server, from the service account of the pod or from a kubeconfig."""
# ruff: noqa: PLC0415 - kubernetes.aio looks up the home directory when it is imported, so set HOME first

import ipaddress
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration


class AccessError(Exception):
    """The credentials of the API server cannot be loaded. The message says why."""


def empty_configuration() -> "Configuration":
    """Return a configuration without server and credentials."""
    _ensure_home()
    from kubernetes.aio.client import Configuration

    return Configuration()


async def load(kubeconfig: str, context: str) -> "Configuration":
    """Load the service account of the pod, or else a kubeconfig. A path or context selects the kubeconfig.

    Raises:
        AccessError: there are no credentials, or they cannot be read.
    """
    loaded = empty_configuration()
    from kubernetes.aio.config import ConfigException, load_incluster_config

    try:
        if kubeconfig or context:
            await _load_kubeconfig(loaded, kubeconfig, context)
            return loaded
        try:
            load_incluster_config(client_configuration=loaded)  # type: ignore[no-untyped-call]  # untyped upstream
        except ConfigException:
            await _load_kubeconfig(loaded, "", "")
    except ConfigException as error:
        raise AccessError(str(error)) from error
    return loaded


def insecurity(configuration: "Configuration") -> str:
    """Return what makes the connection to the API server insecure, and the remedy; empty if it is secure."""
    server = urlsplit(str(configuration.host))
    if server.scheme == "https":
        if configuration.verify_ssl:
            return ""
        return (
            "the certificate of the API server is not verified, so anyone on the network can read and change all "
            "requests: replace insecure-skip-tls-verify in the kubeconfig by certificate-authority-data"
        )
    if _is_loopback(server.hostname or ""):
        return ""
    return (
        "the connection to the API server is not encrypted, so anyone on the network can read and change all requests: "
        "set clusters[].cluster.server in the kubeconfig to an https:// URL"
    )


async def token(configuration: "Configuration") -> str | None:
    """Return the value of the Authorization header; None without a token.

    Runs the refresh hook, which reads the token file of a service account again after a minute.

    Raises:
        AccessError: the token cannot be read again.
    """
    from kubernetes.aio.config import ConfigException

    try:
        return await configuration.get_api_key_with_prefix("BearerToken")
    except (ConfigException, OSError) as error:
        raise AccessError(str(error)) from error


def ssl_context(configuration: "Configuration") -> ssl.SSLContext | bool:
    """Return the TLS context for the API server; True, the default of aiohttp, for a server without TLS."""
    if not str(configuration.host).startswith("https:"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # The CA certificates of clusters often violate RFC 5280. Clients in Go do not check this either.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _load_kubeconfig(target: "Configuration", path: str, context: str) -> None:
    from kubernetes.aio.config import load_kube_config

    try:
        await load_kube_config(  # type: ignore[no-untyped-call]  # untyped upstream
            config_file=path or None, context=context or None, client_configuration=target, persist_config=False
        )
    except yaml.YAMLError as error:
        # The text of the error quotes the file, and a kubeconfig contains secrets.
        raise AccessError(
            f"{path or 'the kubeconfig'} is not YAML: correct the file or choose another one with --kubeconfig"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ensure_home() -> None:
    """Set HOME to / for a user without passwd entry and HOME, like container runtimes."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
