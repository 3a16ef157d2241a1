"""`agent-operator run`: options, logs, signals; then the controller."""

import asyncio
import gc
import logging
import os
import signal
import sys

import uvloop

from agent_operator import __version__
from agent_operator.kube.access import AccessError
from agent_operator.kube.leader_election import LeadershipLost
from agent_operator.manager import Controller
from agent_operator.observability import logs
from agent_operator.settings import Settings, SettingsError, read

log = logging.getLogger("agent_operator")


def main() -> None:
    """Run the operator; exits with 0 when told to stop, 1 to be started anew, 2 when its options are wrong."""
    try:
        settings = read(sys.argv[1:], os.environ)
    except SettingsError as error:
        sys.stderr.write(f"agent-operator: {error}\n")
        sys.exit(2)
    logs.setup(settings.log_format, settings.log_level)
    # What is loaded by now stays to the end: no collection need go through it again.
    gc.freeze()
    try:
        uvloop.run(_run(settings))
    except AccessError as error:
        sys.stderr.write(f"agent-operator: no way to the API server: {error}: give --kubeconfig\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"agent-operator: {error}\n")
        sys.exit(1)
    except LeadershipLost as lost:
        log.error("leadership lost", extra={"why": str(lost)})  # noqa: TRY400  (expected: no trace)
        sys.exit(1)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

    take_signals()
    log.info("starting", extra={"version": __version__, "namespaces": settings.namespaces or "all"})
    await Controller(settings).run(stop, take_signals)
    log.info("stopped")


if __name__ == "__main__":
    main()
