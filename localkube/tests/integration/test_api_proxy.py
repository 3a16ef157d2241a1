"""The proxy subresource of Services: `kubectl get --raw …/proxy/…`."""

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.local_only

# A server that returns the headers of the request.
MIRROR = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Mirror(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

HTTPServer((os.environ["LISTEN_ADDRESS"], int(os.environ["PORT_HTTP"])), Mirror).serve_forever()
"""
SERVICE = "/api/v1/namespaces/default/services"


async def test_a_service_is_reached_by_the_name_or_number_of_its_port(
    kubectl: Any, deployment: Any, service: Any
) -> None:
    await kubectl.apply(deployment(env=[{"name": "COLOUR", "value": "green"}]), service)
    await kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=120s")

    for name in ("web", "web:http", "web:8080", "http:web:http"):
        assert "green" in await kubectl("get", "--raw", f"{SERVICE}/{name}/proxy/env/COLOUR")


async def test_the_proxy_does_not_forward_the_token(kubectl: Any, cluster: Any, deployment: Any, service: Any) -> None:
    """A pod with the token would have all rights."""
    code = [{"name": "CODE", "value": MIRROR}]
    await kubectl.apply(deployment(image="sh:1", args=[f'exec {sys.executable} -c "$CODE"'], env=code), service)
    await kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=120s")

    seen = await kubectl("get", "--raw", f"{SERVICE}/web/proxy/headers")

    assert "User-Agent" in seen
    assert cluster.kubeconfig()["users"][0]["user"]["token"] not in seen


async def test_an_unreachable_target_is_reported(kubectl: Any, service: Any) -> None:
    await kubectl.apply(service)

    assert "no endpoints available" in await kubectl("get", "--raw", f"{SERVICE}/web/proxy/", fails=True)
    assert "no service port" in await kubectl("get", "--raw", f"{SERVICE}/web:nope/proxy/", fails=True)
    assert "not found" in await kubectl("get", "--raw", f"{SERVICE}/nobody/proxy/", fails=True)
