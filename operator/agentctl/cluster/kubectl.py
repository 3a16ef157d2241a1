"""A cluster, by way of kubectl: it knows every kubeconfig, login plugin and proxy that the user has."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agentctl.errors import CommandError

TIMEOUT = "15s"


@cache
def binary() -> str:
    """Path of kubectl: the one of PATH, else the one beside this Python.

    Raises:
        CommandError: there is none.
    """
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(Path(sys.executable).parent))
    if found is None:
        raise CommandError("kubectl was not found: install it (https://kubernetes.io/docs/tasks/tools/)")
    return found


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with its connection chosen; an empty value leaves the choice to kubectl."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one command and return what it printed.

        Raises:
            CommandError: kubectl said no; the message is its own.
        """
        done = subprocess.run(  # noqa: S603 - kubectl, without a shell; the arguments are the user's own
            [binary(), *self._connection(), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KUBECTL_KUBERC": "false"},
        )
        if done.returncode:
            raise CommandError(_reason(done.stderr) or f"kubectl {arguments[0]} ended with {done.returncode}")
        return done.stdout

    def get(self, *arguments: str) -> list[dict[str, Any]]:
        """`kubectl get` as objects, without managedFields."""
        text = self.run("get", *arguments, "--output=json", "--ignore-not-found", f"--request-timeout={TIMEOUT}")
        if not text.strip():
            return []
        found = json.loads(text)
        return found["items"] if found.get("kind") == "List" else [found]

    def within(self, namespace: str) -> "Kubectl":
        """Return the same connection in another namespace."""
        return Kubectl(self.kubeconfig, self.context, namespace)

    def _connection(self) -> Sequence[str]:
        chosen = (("kubeconfig", self.kubeconfig), ("context", self.context), ("namespace", self.namespace))
        return [f"--{option}={value}" for option, value in chosen if value]


def _reason(stderr: str) -> str:
    """Return the last line that says what is wrong, without kubectl's own prefix."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else ""
