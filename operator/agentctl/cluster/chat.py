"""Sends one message to an agent through its Service."""

import json
import socket
import urllib.request
from contextlib import suppress

from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.objects import nested_field

TIMEOUT = 30.0
CONNECT_TIMEOUT = 1.0


def service_url(kubectl: Kubectl, name: str) -> str:
    """Return the URL of the agent's Service; empty if this machine cannot connect to the cluster IP."""
    for service in kubectl.get("service", name):
        host = nested_field(service, "spec", "clusterIP")
        port = next((port["port"] for port in service["spec"]["ports"] if port.get("name") == "http"), 80)
        with suppress(OSError), socket.create_connection((host, port), timeout=CONNECT_TIMEOUT):
            return f"http://{host}" if port == 80 else f"http://{host}:{port}"  # noqa: PLR2004 - HTTP's default port
    return ""


def ask(kubectl: Kubectl, name: str, message: str) -> str:
    """Send a message and return the answer.

    Raises:
        CommandError: the agent returned no answer.
    """
    body = json.dumps({"message": message})
    url = service_url(kubectl, name)
    text = _post(f"{url}/api/chat", body) if url else kubectl.run(*_proxy_arguments(name), stdin=body)
    answer = nested_field(json.loads(text), "response")
    if not isinstance(answer, str):
        raise CommandError(f"{name} returned no answer: see kubectl logs deploy/{name}")
    return answer


def proxy_command(name: str, body: str) -> str:
    """Return the shell command that sends a message through the API server, which works without the cluster IP."""
    return f"echo '{body}' | kubectl {' '.join(_proxy_arguments(name))}"


def _proxy_arguments(name: str) -> tuple[str, ...]:
    return ("create", "--raw", f"/api/v1/namespaces/default/services/{name}:http/proxy/api/chat", "--filename=-")


def _post(url: str, body: str) -> str:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310 - service_url returns only http URLs
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - as above
            return str(response.read().decode())
    except OSError as error:
        timed_out = isinstance(getattr(error, "reason", error), TimeoutError)
        reason = f"no answer within {TIMEOUT:g} s" if timed_out else str(error)
        raise CommandError(f"{url}: {reason}: check that the agent is ready with kubectl get agd") from error
