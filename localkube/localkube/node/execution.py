"""Starts a command in a running container, as `kubectl exec` does."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from localkube.node.errors import StartError
from localkube.node.images import Image
from localkube.node.launch import Command


async def start(image: Image, container: Command, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a command with the environment of a container, and with pipes for its output.

    Raises:
        StartError: the program does not exist.
    """
    # The programs of an image are next to its entrypoint.
    folder = Path(image.entrypoint[0]).parent if image.entrypoint else Path("/")
    env = {**container.env, "PATH": f"{folder}{os.pathsep}{container.env.get('PATH', os.defpath)}"}
    argv = [container.rewriter.rewrite(part) for part in arguments]
    program = shutil.which(argv[0], path=env["PATH"])
    if program is None:
        raise StartError(f'exec: "{argv[0]}": executable file not found in $PATH')
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        program,
        *argv[1:],
        env=env,
        cwd=container.cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
