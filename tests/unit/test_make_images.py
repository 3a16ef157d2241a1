"""`make images`: each image has the version of its own distribution."""

import os
import subprocess
import sys
from pathlib import Path

import agent_operator
import agent_runtime

ROOT = Path(__file__).parents[2]


def test_every_image_is_tagged_with_its_own_version() -> None:
    """Also when `make e2e-images` runs this target in a second make, which prints the directories that it enters."""
    venv = Path(sys.prefix)
    options = [f"VENV={venv}", f"--old-file={venv / '.dev'}", "DOCKER=echo", "--print-directory"]
    command = ["make", "--directory", str(ROOT), *options, "images"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    built = [line.split(" --tag ")[1] for line in done.stdout.splitlines() if line.startswith("build ")]
    assert built == [
        f"agent-operator/agent-operator:{agent_operator.__version__} .",
        f"agent-operator/agent-runtime:{agent_runtime.__version__} .",
    ]
