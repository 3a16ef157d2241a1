"""`agent-runtime check-network` names the step that fails and its cause, and contains no credentials."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.processes import ModelServer
from tests.integration.agent_runtime.proxy_server import proxy_server
from tests.integration.agent_runtime.test_connection_faults import silent_port
from tests.patience import DEADLINE, free_port

SECRET = "sk-canary-3f9a"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(scope="module")
def servers(certificate: Path) -> Iterator[dict[str, ModelServer]]:
    with ExitStack() as stack:
        started = {
            "good": ModelServer(),
            "strict": ModelServer(),
            "tls": ModelServer("--certificate", str(certificate), scheme="https"),
        }
        for server in started.values():
            stack.callback(server.stop)
        started["strict"].script(models=[{"status": 401, "always": True}])
        yield started


def check(folder: Path, models: dict[str, str], rest: str = "", **variables: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and its report, which must not contain the secret."""
    entries = "".join(
        f'[[agent.models]]\nname = "{name}"\nprovider = "openai"\nbase_url = "{url}/v1"\n'
        for name, url in models.items()
    )
    (folder / "agent.toml").write_text(f"[agent]\n{entries}{rest}")
    (folder / "system_prompt.txt").write_text("Be kind.")
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"OPENAI_API_KEY": SECRET, "PORT_METRICS": str(free_port()), **variables}
    command = [sys.executable, "-m", "agent_runtime", "check-network", "--config", str(folder / "agent.toml")]
    result = subprocess.run(
        [*command, "-o", "json"], env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert SECRET not in result.stdout + result.stderr
    return result.returncode, json.loads(result.stdout)


def last_steps(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The last step of each component, and why it failed."""
    entries = {entry["component"]: entry["steps"][-1] for entry in report["endpoints"]}
    return {name: (step["name"], step.get("reason", "")) for name, step in entries.items()}


def test_each_cause_is_found_at_its_step(tmp_path: Path, servers: dict[str, ModelServer]) -> None:
    refused = free_port()
    with silent_port() as silent:
        models = {
            "good": servers["good"].url,
            "refused": f"http://127.0.0.1:{refused}",
            "silent": f"http://127.0.0.1:{silent}",
            "unknown": "http://nowhere.invalid",
            "untrusted": servers["tls"].url,
            "no-tls": servers["good"].url.replace("http:", "https:"),
            "key": servers["strict"].url,
            "metadata": "http://169.254.169.254",
        }
        cache = f'[agent.memory.cache]\nhost = "127.0.0.1"\nport = {refused}\n'
        tools = f'[[agent.mcp]]\nname = "tools"\ntype = "http"\nurl = "http://127.0.0.1:{refused}/mcp"\n'
        code, report = check(tmp_path, models, cache + tools)

    assert code == 1
    assert last_steps(report) == {
        "good": ("http", ""),
        "refused": ("tcp", "ConnectionRefused"),
        "silent": ("tcp", "Unreachable"),
        "unknown": ("dns", "HostUnknown"),
        "untrusted": ("tls", "CertificateUntrusted"),
        "no-tls": ("tls", "TlsFailed"),
        "key": ("http", "CredentialsRefused"),
        "metadata": ("dns", "AddressForbidden"),
        "redis": ("tcp", "ConnectionRefused"),
        "mcp: tools": ("tcp", "ConnectionRefused"),
    }
    assert report["health"]["reason"] == "ConnectionRefused"


def test_authorities_and_proxy_of_the_agent_are_used(
    tmp_path: Path, servers: dict[str, ModelServer], certificate: Path
) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text(certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0])
    with proxy_server() as proxy:
        login = proxy.url.replace("//", f"//user:{SECRET}@")
        _, report = check(tmp_path, {"gpt": servers["tls"].url}, TRUSTED_CA_FILE=str(authority), HTTPS_PROXY=login)

    [entry] = report["endpoints"]
    assert [(step["name"], step["status"]) for step in entry["steps"]] == [
        (name, "ok") for name in ("dns", "tcp", "proxy", "tls", "http")
    ]
    assert entry["proxy"] == proxy.url.removeprefix("http://")
    assert entry["steps"][3]["expires"]
    address = servers["tls"].url.removeprefix("https://")
    assert set(proxy.targets) == {f"CONNECT {address}"}


def test_a_proxy_that_refuses_is_named(tmp_path: Path, servers: dict[str, ModelServer]) -> None:
    # A model server knows no CONNECT.
    _, report = check(tmp_path, {"gpt": servers["tls"].url}, HTTPS_PROXY=servers["good"].url)
    assert last_steps(report) == {"gpt": ("proxy", "ProxyRefused")}


def test_the_health_of_the_agent_is_part_of_the_report(tmp_path: Path) -> None:
    echo = '[[agent.models]]\nname = "echo"\nprovider = "echo"\n'
    (tmp_path / "agent.toml").write_text(f"[agent]\n{echo}")
    (tmp_path / "system_prompt.txt").write_text("Be kind.")
    ports = {"PORT_HTTP": str(free_port()), "PORT_METRICS": str(free_port())}
    command = [sys.executable, "-m", "agent_runtime", "serve", "--config", str(tmp_path / "agent.toml")]
    with subprocess.Popen(command, env=os.environ | ports, stderr=subprocess.DEVNULL) as agent:
        try:
            deadline = time.monotonic() + DEADLINE
            code, report = check(tmp_path, {}, echo, **ports)
            while code and time.monotonic() < deadline:
                code, report = check(tmp_path, {}, echo, **ports)
        finally:
            agent.kill()
    assert (code, report["health"]["status"], report["endpoints"]) == (0, "healthy", [])


def test_the_text_and_an_invalid_config(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    command = [sys.executable, "-m", "agent_runtime", "check-network", "--config", str(config)]
    missing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "No such file" in missing.stderr

    config.write_text(
        '[agent]\n[[agent.models]]\nname = "gpt"\nprovider = "openai"\nbase_url = "http://nowhere.invalid/v1"\n'
    )
    (tmp_path / "system_prompt.txt").write_text("Be kind.")
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert text.returncode == 1
    assert "gpt  nowhere.invalid:80  (agent.models[0].base_url)" in text.stdout
    assert "HostUnknown: the host name nowhere.invalid does not resolve" in text.stdout
