"""Tests of the installed wheels, outside of the checkout and as an unknown user.

All in one file, so that all is installed once: see conftest.py.
"""

import json
import os
import re
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shipped.installs import (
    BIN,
    ENVIRONMENTS,
    FOREIGN_UID,
    ROOT,
    Shipped,
    eventually,
    free_port,
    run,
    running,
    uv,
)

# The first test waits for all to be built and installed, however busy the machine is.
pytestmark = pytest.mark.timeout(900)

HEAVY = {
    *("aiohttp", "asyncio", "jsonschema", "kopf", "kubernetes", "kubernetes.aio", "kubernetes.config"),
    *("kubernetes_validate", "prompt_toolkit", "pygments", "requests", "rich", "uvloop"),
}
SEED = ROOT / "examples" / "10-seed" / "agent.yaml"
ECHO = '[[agent.models]]\nname = "echo"\nprovider = "echo"\n'
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)
# Not by getrusage(), which includes the memory of the parent when it forked.
MEASURED = """
import sys
from agentctl.__main__ import run
status = run(sys.argv[1:])
print(open("/proc/self/status").read())
sys.exit(status)
"""
OURS = {"agent-operator", "agent-runtime", "kubeschema", "localkube"}
LIST = "import importlib.metadata as m, json; print(json.dumps({it.name: it.version for it in m.distributions()}))"
AGENT = {
    "apiVersion": "agent-operator.dev/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": "hello", "namespace": "default"},
    "spec": {"replicas": 1, "config": {"models": [{"name": "echo", "provider": "echo"}]}},
}


@pytest.fixture(scope="session")
def config(shipped: Shipped) -> Path:
    path = shipped.folder / "agent.toml"
    path.write_text(ECHO, encoding="utf-8")
    path.with_name("system_prompt.txt").write_text("Be kind.", encoding="utf-8")
    return path


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_satisfies_the_metadata(shipped: Shipped, environment: str) -> None:
    """Nothing is missing, and all of it is in the lock."""
    uv("pip", "check", "--python", shipped.bin(environment) / "python")
    found = json.loads(shipped.run(environment, "python", "-c", LIST).stdout)
    third_party = {
        (re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found.items() if name not in OURS
    }

    assert third_party
    assert third_party <= set(PIN.findall((ROOT / "locks" / "dev.txt").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("environment", "absent"),
    [
        ("operator", {"openai", "azure", "mcp", "redis", "kubernetes_validate", "localkube", "pytest"}),
        (
            "runtime",
            {"openai", "azure", "mcp", "redis", "kopf", "kubernetes", "jinja2", "kubeschema", "agent_operator"},
        ),
        ("localkube", {"kopf", "kubernetes", "agent_operator", "agent_runtime", "agentctl"}),
    ],
)
def test_an_environment_has_no_package_of_another_extra(shipped: Shipped, environment: str, absent: set[str]) -> None:
    script = f"from importlib.util import find_spec; print(*(n for n in {sorted(absent)} if find_spec(n)))"

    assert shipped.run(environment, "python", "-c", script).stdout.split() == []


@pytest.mark.parametrize(
    ("environment", "command", "expected"),
    [
        ("operator", "agent-operator --version", "agent-operator "),
        ("operator", "agent-operator run --help", "--kubeconfig"),
        ("operator", "agentctl --help", "validate"),
        ("operator", "agentctl version", "."),
        ("operator", "kubectl-agent --help", "validate"),
        ("operator", f"agentctl validate -f {SEED}", "1 AgentDeployment: valid"),
        ("operator", f"agentctl render -f {SEED}", "kind: Deployment"),
        ("runtime", "agent-runtime --version", "."),
        ("localkube", "localkube --help", "--kubeconfig"),
    ],
)
def test_every_script_starts(shipped: Shipped, environment: str, command: str, expected: str) -> None:
    assert expected in shipped.run(environment, *command.split()).stdout


@pytest.mark.parametrize("command", ["demo --once", "local up"])
def test_a_command_without_its_extra_names_it(shipped: Shipped, command: str) -> None:
    done = shipped.run("operator", "agentctl", *command.split(), check=False)

    assert done.returncode != 0
    assert "pip install 'agent-operator[demo]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_works_with_its_extra(shipped: Shipped, tmp_path: Path) -> None:
    variables = {"PATH": f"{shipped.bin('demo')}:{BIN}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = run(
        shipped.bin("demo") / "agentctl", "demo", "--once", "--dir", tmp_path / "state", cwd=tmp_path, env=variables
    )

    assert "Are you there?" in done.stdout


def test_the_runtime_serves_without_extras(shipped: Shipped, config: Path, tmp_path: Path) -> None:
    assert "default: echo" in shipped.run("runtime", "agent-runtime", "check", "--config", config).stdout
    port = free_port()
    listen = (f"PORT_HTTP={port}", f"PORT_METRICS={free_port()}", "LISTEN_ADDRESS=127.0.0.1")
    command = shipped.command("runtime", *listen, "agent-runtime", "serve", "--config", config)
    with running(tmp_path / "runtime.log", *command) as process:
        health = eventually("health", lambda: _get(f"http://127.0.0.1:{port}/health"), tmp_path)
    assert json.loads(health)["status"] == "healthy"
    assert process.returncode == 0


def _get(url: str) -> str | None:
    with suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
    return None


@pytest.mark.parametrize(
    ("more", "field", "extra"),
    [
        (
            '[[agent.models]]\nname = "m"\nprovider = "azure_openai"\ndeployment = "d"\n',
            "agent.models[1].provider",
            "azure",
        ),
        ('[agent.memory.cache]\nhost = "redis"\n', "agent.memory.cache", "redis"),
        ('[[agent.mcp]]\nname = "t"\ntype = "http"\nurl = "http://t.example/mcp"\n', "agent.mcp", "mcp"),
    ],
)
def test_the_runtime_names_the_field_that_needs_an_extra(
    shipped: Shipped, config: Path, more: str, field: str, extra: str
) -> None:
    path = config.with_name(f"{extra}.toml")
    path.write_text(f'[agent]\ndefault_model = "echo"\n{ECHO}{more}', encoding="utf-8")
    done = shipped.run("runtime", "agent-runtime", "serve", "--config", path, check=False)

    assert done.returncode == 2
    assert f"{field}: " in done.stderr
    assert f"pip install 'agent-runtime[{extra}]'" in done.stderr


def test_an_agent_becomes_ready_and_answers_as_an_unprivileged_user(shipped: Shipped, tmp_path: Path) -> None:
    """No HOME, no USER, no passwd entry, in /: the cluster, its pods and the operator."""
    folder = shipped.folder / "cluster"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, FOREIGN_UID, 0)
    kubeconfig = folder / "kubeconfig"
    image = f"agent-operator/agent-runtime:*={shipped.bin('runtime') / 'agent-runtime'}"
    files = ("--state-dir", folder / "state", "--kubeconfig", kubeconfig)
    cluster = shipped.command("localkube", "localkube", *files, "--image", image, "--probe-time-scale", "0.2")
    options = ("--kubeconfig", kubeconfig, "--listen", f"127.0.0.1:{free_port()}")
    operator = shipped.command("operator", "agent-operator", "run", *options)
    with running(tmp_path / "cluster.log", *cluster):
        eventually("the cluster", kubeconfig.exists, tmp_path)
        kubectl = (BIN / "kubectl", "--kubeconfig", kubeconfig)
        run(
            *kubectl,
            "apply",
            "--server-side",
            *(f"--filename={path}" for path in sorted((ROOT / "crds").glob("*.yaml"))),
        )
        with running(tmp_path / "operator.log", *operator) as process:
            run(*kubectl, "apply", "-f", "-", input=yaml.safe_dump(AGENT))

            def ready() -> bool:
                agent = json.loads(run(*kubectl, "get", "agd", "hello", "-o", "json").stdout)
                assert process.poll() is None, (tmp_path / "operator.log").read_text(encoding="utf-8")
                return any(
                    condition["type"] == "Ready" and condition["status"] == "True" for condition in _conditions(agent)
                )

            eventually("the agent", ready, tmp_path)
            url = "/api/v1/namespaces/default/services/hello:http/proxy/api/chat"
            question = json.dumps({"message": "Are you there?"})
            answer = run(*kubectl, "create", "--raw", url, "-f", "-", input=question).stdout
        assert process.returncode == 0
    assert "Are you there?" in json.loads(answer)["response"]


def _conditions(agent: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = agent.get("status", {}).get("conditions", [])
    return found


@pytest.mark.parametrize(
    ("example", "models"), [("10-seed", False), ("11-pod-template", True)], ids=["without", "with verbatim parts"]
)
def test_validate_imports_only_what_it_needs(shipped: Shipped, example: str, models: bool) -> None:
    """It runs in pre-commit: at most 1 s of CPU (tests/bench) and 80 MB."""
    path = ROOT / "examples" / example / "agent.yaml"
    done = shipped.run("operator", "python", "-X", "importtime", "-c", MEASURED, "validate", "-f", path)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", done.stdout)

    assert not imported & HEAVY
    assert ("kubernetes.client.models.v1_pod_spec" in imported) == models
    assert "pydantic" in imported
    assert int(peak) <= 80_000
