"""Where the API server is, and as whom to call it: in a cluster, or by a kubeconfig."""
# ruff: noqa: PLC0415 - kubernetes.aio looks for the user's home as it is imported, so there must be one before

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration


class AccessError(Exception):
    """There is no way to the API server; the message says why."""


def empty_configuration() -> "Configuration":
    """Return a configuration that leads nowhere yet."""
    _have_home()
    from kubernetes.aio.client import Configuration

    return Configuration()


async def load(kubeconfig: str, context: str) -> "Configuration":
    """Read the service account of the pod, else a kubeconfig; the latter alone when it or a context is given.

    Raises:
        AccessError: there are no credentials, or they cannot be read.
    """
    found = empty_configuration()
    from kubernetes.aio.config import ConfigException, load_incluster_config

    try:
        if kubeconfig or context:
            await _load_kubeconfig(found, kubeconfig, context)
            return found
        try:
            load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]  # untyped upstream
        except ConfigException:
            await _load_kubeconfig(found, "", "")
    except ConfigException as error:
        raise AccessError(str(error)) from error
    return found


def ssl_context(configuration: "Configuration") -> ssl.SSLContext | bool:
    """Make the TLS context for the API server; True, aiohttp's default, where it is reached without TLS."""
    if not str(configuration.host).startswith("https:"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Clusters' own CAs often lack what RFC 5280 asks of them; Go's clients do not ask either.
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
        # Its text quotes the file, and a kubeconfig holds secrets.
        raise AccessError(f"{path or 'the kubeconfig'} is not YAML") from error


def _have_home() -> None:
    """Give a user without passwd entry and HOME the root as home, as container runtimes do."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
