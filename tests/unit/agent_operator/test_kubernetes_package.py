"""The operator imports the parts of the package `kubernetes` that it uses, in a process of its own as in production."""

import subprocess
import sys

START = """
import sys
from agent_operator import kubernetes_package
kubernetes_package.import_lazily()
"""


def run(script: str) -> str:
    command = [sys.executable, "-c", START + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_start_imports_only_the_client_and_the_config() -> None:
    script = """
import agent_operator.command
from agent_operator.kube import access
access.empty_configuration()
from kubernetes.aio.config import load_kube_config
print(*(name for name in sys.modules if name.startswith(("kubernetes.", "kubernetes_"))))
"""
    imported = run(script).split()

    assert {"kubernetes.client", "kubernetes.aio.config"} <= set(imported)
    unused = ("kubernetes.config", "kubernetes.dynamic", "kubernetes.aio.dynamic", "kubernetes_validate")
    assert not [name for name in imported if name.startswith(unused)]


def test_every_module_and_no_other_name_can_be_used() -> None:
    script = """
import kubernetes
import kubernetes.aio
print(kubernetes.config.__name__, kubernetes.aio.watch.Watch.__name__, kubernetes.client.V1Pod.__name__)
print(hasattr(kubernetes, "nothing"), hasattr(kubernetes.aio, "nothing"))
"""
    assert run(script).splitlines() == ["kubernetes.config Watch V1Pod", "False False"]


def test_an_imported_package_stays() -> None:
    script = """
del sys.modules["kubernetes"], sys.modules["kubernetes.aio"]
import kubernetes
kubernetes_package.import_lazily()
print(sys.modules["kubernetes"] is kubernetes, "kubernetes.dynamic" in sys.modules)
"""
    assert run(script) == "True True"
