"""An operator whose event loop SIGUSR1 blocks, as an expensive computation does.

python -m tests.integration.agent_operator.blocked_leader KUBECONFIG NAMESPACE IDENTITY SECONDS
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

from agent_operator.kube import leader_election
from agent_operator.manager.manager import Manager
from tests.integration.agent_operator.running_manager import operator_settings

# Long enough for renewals on a busy machine, and short enough to be waited for.
DURATION, DEADLINE, RETRY = 6.0, 5.0, 0.25


def shorten() -> None:
    """Shorten the periods of the leader election in this process."""
    leader_election.DURATION, leader_election.DEADLINE, leader_election.RETRY = DURATION, DEADLINE, RETRY


async def _run(kubeconfig: str, namespace: str, identity: str, seconds: str) -> None:
    def block() -> None:
        # Busy, so that the thread of the Lease competes for the GIL.
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            pass

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, block)
    settings = operator_settings(Path(kubeconfig), namespace, leader_election=True, identity=identity)
    await Manager(settings).run(asyncio.Event())


if __name__ == "__main__":
    shorten()
    asyncio.run(_run(*sys.argv[1:]))
