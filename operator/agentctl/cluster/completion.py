"""Names of objects for shell completion, which must answer quickly and never fail."""

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agentctl.cluster.kubectl import Kubectl
from agentctl.errors import CommandError
from agentctl.permissions import AGENTS, CHANNELS

__all__ = ["AGENTS", "CHANNELS", "names"]
# Seconds. A user who presses Tab does not wait longer.
TIMEOUT = 2.0
_OPTIONS = ("kubeconfig", "context", "namespace")
# A list of more names helps nobody, and shells format it slowly.
_MAXIMUM = 500


def names(resource: str, options: Mapping[str, Any], incomplete: str) -> list[str]:
    """Return the names of objects that start with a text.

    Args:
        resource: the plural and the group.
        options: the options of the command line so far.
        incomplete: the start of the name.
    """
    kubeconfig, context, namespace = (str(options.get(name) or "") for name in _OPTIONS)
    kubectl = Kubectl(kubeconfig, context, namespace)
    with suppress(CommandError, OSError, subprocess.TimeoutExpired):
        text = kubectl.run("get", resource, "--output=name", f"--request-timeout={TIMEOUT:g}s", timeout=TIMEOUT)
        found = (line.rpartition("/")[2] for line in text.splitlines())
        return [name for name in found if name.startswith(incomplete)][:_MAXIMUM]
    return []
