"""One question to an agent, through its Service."""

import json
import socket
import urllib.request
from contextlib import suppress

from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig

TIMEOUT = 30.0
CONNECT_TIMEOUT = 1.0


def address(kubectl: Kubectl, name: str) -> str:
    """URL of the agent's Service where this machine reaches it, as on the local cluster; empty elsewhere."""
    for service in kubectl.get("service", name):
        host = dig(service, "spec", "clusterIP")
        port = next((port["port"] for port in service["spec"]["ports"] if port.get("name") == "http"), 80)
        with suppress(OSError), socket.create_connection((host, port), timeout=CONNECT_TIMEOUT):
            return f"http://{host}" if port == 80 else f"http://{host}:{port}"  # noqa: PLR2004 - HTTP's own port
    return ""


def ask(kubectl: Kubectl, name: str, message: str) -> str:
    """Ask a question and return the answer.

    Raises:
        CommandError: there was no answer.
    """
    body = json.dumps({"message": message})
    url = address(kubectl, name)
    text = _post(f"{url}/api/chat", body) if url else kubectl.run(*_raw(name), stdin=body)
    answer = dig(json.loads(text), "response")
    if not isinstance(answer, str):
        raise CommandError(f"{name} gave no answer: kubectl logs deploy/{name} tells more")
    return answer


def by_kubectl(name: str, body: str) -> str:
    """Return the command that asks through the API server, for a Service that this machine does not reach."""
    return f"echo '{body}' | kubectl {' '.join(_raw(name))}"


def _raw(name: str) -> tuple[str, ...]:
    return ("create", "--raw", f"/api/v1/namespaces/default/services/{name}:http/proxy/api/chat", "--filename=-")


def _post(url: str, body: str) -> str:
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})  # noqa: S310 - http, made here
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            return str(answer.read().decode())
    except OSError as error:
        raise CommandError(f"{url}: {error}: kubectl get agd tells whether the agent is ready") from error
