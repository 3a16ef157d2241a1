"""The proxy of the pods: its variables, and the hosts that are reached without it."""

from collections.abc import Iterator

from agent_operator.api.v1alpha1 import AgentDeploymentSpec
from agent_operator.inputs import endpoints
from agent_runtime.config import no_proxy

NO_PROXY = "NO_PROXY"
_DIRECT = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local", "169.254.169.254")


def variables(spec: AgentDeploymentSpec, namespace: str) -> dict[str, str]:
    """Return the environment variables of the proxy. `namespace`: that of the pods."""
    wanted = spec.proxy
    if wanted is None:
        return {}
    hosts = dict.fromkeys([*_DIRECT, *_direct_hosts(spec, namespace), *(wanted.no_proxy or ())])
    return {
        "HTTPS_PROXY": wanted.https_proxy,
        "HTTP_PROXY": wanted.http_proxy or wanted.https_proxy,
        NO_PROXY: ",".join(hosts),
    }


def _direct_hosts(spec: AgentDeploymentSpec, namespace: str) -> Iterator[str]:
    """Yield the hosts in the config that a proxy outside of the cluster cannot reach."""
    for endpoint in endpoints.all_of(spec):
        if endpoint.namespace(namespace) or (endpoint.address and endpoint.address.is_private):
            yield endpoint.host


def goes_direct(spec: AgentDeploymentSpec, namespace: str, host: str, port: int = endpoints.HTTPS) -> bool:
    """Return whether the pods connect to a host without spec.proxy."""
    entries = variables(spec, namespace).get(NO_PROXY)
    return entries is None or any(no_proxy.covers(entry, host, port) for entry in entries.split(","))
