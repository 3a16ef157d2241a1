"""`agentctl completion`."""

import os
import subprocess
import sys

from agentctl.errors import CommandError
from agentctl.formats import Shell
from agentctl.ui import output

VARIABLE = "_AGENTCTL_COMPLETE"


def run(shell: Shell) -> None:
    """Print the script of a shell, which typer generates if this variable is set.

    Raises:
        CommandError: it could not be generated.
    """
    environment = os.environ | {VARIABLE: f"source_{shell}"}
    command = [sys.executable, "-m", "agentctl"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - own program
    if done.returncode or not done.stdout.strip():
        raise CommandError(f"the script for {shell} could not be generated: {done.stderr.strip()}: report this")
    output.write(f"{done.stdout.strip()}\n")
