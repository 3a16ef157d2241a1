"""`agentctl open`: the URL of an agent, or its chat page through a forwarded port."""

import sys
import webbrowser
from urllib.parse import urlsplit

from agentctl.cluster.conversation import http_port, ready_pod
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.port_forward import forwarded
from agentctl.cluster.snapshot import children_namespace, get_agent
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field
from agentctl.ui import output


def run(kubectl: Kubectl, name: str, *, port: int, browser: bool) -> None:
    """Open the URL of an agent. Without a public URL, forward a port until Ctrl-C.

    Raises:
        CommandError: the agent has neither a public URL nor a chat page, or no pod is ready.
    """
    agent = get_agent(kubectl, name)
    url = public_url(agent)
    remedy = f"set spec.config.chatPage.enabled to true, or run agentctl chat {name}"
    if url:
        _show(url, browser=browser)
        if not has_page(agent):
            output.note(f"{name} serves no chat page: {remedy}")
        return
    if not has_page(agent):
        raise CommandError(f"{name} has neither a public URL nor a chat page: {remedy}")
    pod = ready_pod(kubectl, agent)
    inside = kubectl.in_namespace(children_namespace(agent))
    with forwarded(inside, str(pod["metadata"]["name"]), http_port(pod), port) as forward:
        _show(f"{forward.url}/", browser=browser)
        output.note(f"forwarding to pod {pod['metadata']['name']} until Ctrl-C")
        forward.process.wait()
    raise CommandError(f"the connection to pod {pod['metadata']['name']} ended: run the command again")


def public_url(agent: Object) -> str:
    """Return the URL of the Ingress or the Gateway; empty without one."""
    url = str(nested_field(agent, "status", "url") or "")
    exposed = nested_field(agent, "spec", "ingress") or nested_field(agent, "spec", "gateway")
    # The status is written by others: a browser opens no other schemes.
    return url if exposed and urlsplit(url).scheme in ("http", "https") else ""


def has_page(agent: Object) -> bool:
    """Return whether the agent serves the chat page."""
    return nested_field(agent, "spec", "config", "chatPage", "enabled") is True


def _show(url: str, *, browser: bool) -> None:
    output.write(f"{url}\n")
    if browser and sys.stdout.isatty():
        webbrowser.open(url)
