"""`agent-operator run`: options, logs and signals, then the manager."""

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
from agent_operator.manager.manager import Manager
from agent_operator.observability import logs
from agent_operator.settings import Settings, SettingsError, read

log = logging.getLogger("agent_operator")


def main() -> None:
    """Run the operator. Exit status: 0 after a signal, 1 if it should be restarted, 2 if an option is invalid."""
    try:
        settings = read(sys.argv[1:], os.environ)
    except SettingsError as error:
        sys.stderr.write(f"agent-operator: {error}\n")
        sys.exit(2)
    logs.setup(settings.log_format, settings.log_level)
    # Modules that are loaded now stay until the end, so exclude their objects from every garbage collection.
    gc.freeze()
    try:
        uvloop.run(_run(settings))
    except AccessError as error:
        sys.stderr.write(f"agent-operator: no credentials for the API server: {error}: set --kubeconfig\n")
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
    await Manager(settings).run(stop, take_signals)
    log.info("stopped")
