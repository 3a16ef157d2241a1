"""Access to a cluster through kubectl, which supports every kubeconfig, login plugin and proxy of the user."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from agentctl.errors import CommandError
from agentctl.objects import Object
from agentctl.options import Impersonation, impersonation

TIMEOUT = "15s"


@cache
def binary() -> str:
    """Return the path of kubectl: from PATH, or from the directory of this Python interpreter.

    Raises:
        CommandError: there is none.
    """
    found = shutil.which("kubectl") or shutil.which("kubectl", path=str(Path(sys.executable).parent))
    if found is None:
        raise CommandError("kubectl not found in PATH: install it (https://kubernetes.io/docs/tasks/tools/)")
    return found


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with connection options. An empty option leaves the choice to kubectl."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    impersonation: Impersonation = field(default_factory=impersonation)

    def run(self, *arguments: str, stdin: str | None = None, timeout: float | None = None) -> str:
        """Run one kubectl command and return its output.

        Raises:
            CommandError: kubectl failed; the message is the last line of its standard error.
            TimeoutExpired: kubectl did not end within the timeout, in seconds.
        """
        result = subprocess.run(  # noqa: S603 - runs kubectl without a shell, with the arguments of the user
            [binary(), *self._connection(), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            timeout=timeout,
        )
        if result.returncode:
            raise failure(result.stderr, arguments[0], result.returncode)
        return result.stdout

    def start(self, *arguments: str, in_background: bool = False) -> subprocess.Popen[bytes]:
        """Start a kubectl command that runs until it is stopped, such as a watch.

        Args:
            arguments: of kubectl.
            in_background: Ctrl-C does not end it.
        """
        return subprocess.Popen(  # noqa: S603 - as in run
            [binary(), *self._connection(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=0 if in_background else None,
        )

    def get(self, *arguments: str) -> list[Object]:
        """Run `kubectl get` and return the objects, without managedFields; an empty list if there are none."""
        text = self.run("get", *arguments, "--output=json", "--ignore-not-found", f"--request-timeout={TIMEOUT}")
        if not text.strip():
            return []
        found = json.loads(text)
        return found["items"] if found.get("kind") == "List" else [found]

    def default_namespace(self) -> str:
        """Return the namespace of objects that do not set one: that of the options or of the context, or `default`."""
        if self.namespace:
            return self.namespace
        try:
            return self.run("config", "view", "--minify", "--output=jsonpath={..namespace}") or "default"
        except CommandError:
            # There is no kubeconfig or no current context.
            return "default"

    def in_namespace(self, namespace: str) -> "Kubectl":
        """Return the same connection with another namespace."""
        return replace(self, namespace=namespace)

    def _connection(self) -> Sequence[str]:
        chosen = (("kubeconfig", self.kubeconfig), ("context", self.context), ("namespace", self.namespace))
        return [*(f"--{option}={value}" for option, value in chosen if value), *self.impersonation.arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "KUBECTL_KUBERC": "false"}


def failure(stderr: str, command: str, status: int) -> CommandError:
    """Return the error of a kubectl command that failed, with the remedy if a right is missing."""
    message = last_line(stderr) or f"kubectl {command} exited with status {status}"
    if "(Forbidden)" in message and "cannot" in message:
        message += ": ask for a role with this right (docs/reference/agentctl.md lists those of each command)"
    return CommandError(message)


def last_line(stderr: str) -> str:
    """Return the last line of the errors of kubectl that says something."""
    # After a usage error, the last line only refers to the help of kubectl.
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("See 'kubectl")]
    return lines[-1].removeprefix("error: ") if lines else ""
