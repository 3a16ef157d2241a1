"""The operator in this process, behind a proxy that injects faults, on the local cluster.

The delays of the operator are short here: waiting for them tests nothing. Which delays there are does not change.
"""

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import kopf
import pytest

from agent_operator.kube import agent_watch, cache, informer, kopf_settings, transport, workqueue
from agent_operator.kube.transport import Transport
from localkube import cluster as clusters
from localkube.cluster import LocalCluster
from localkube.controllers.controller import Context
from tests.faults.campaign.matrix import rows
from tests.faults.campaign.poison import CASES
from tests.faults.campaign.table import Row, lines, mutation_lines
from tests.faults.cluster import Cluster
from tests.faults.proxy import FaultProxy
from tests.integration.agent_operator.api_client import ApiClient, install_crds
from tests.patience import DEADLINE
from tests.serving import serve, write_kubeconfig
from tests.stand_in.node import PlayingNode


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of the campaign."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    calls = [report for report in reports if getattr(report, "when", "") == "call"]
    found = [(name, value) for report in calls for name, value in report.user_properties]
    order = {fault: number for number, fault in enumerate(rows(CASES))}
    results = [Row(**json.loads(value)) for name, value in found if name == "campaign"]
    faults = sorted(results, key=lambda row: order[row.fault])
    changes = sorted((json.loads(value) for name, value in found if name == "mutations"), key=lambda row: row["field"])
    tables = {"faults": lines(faults) if faults else [], "mutations": mutation_lines(changes) if changes else []}
    for title, texts in tables.items():
        if texts:
            terminalreporter.section(title)
        for text in texts:
            terminalreporter.write_line(text)


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_delays(monkeypatch)


def shorten_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all delays of the operator."""
    monkeypatch.setattr(transport, "_BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(informer, "_FIRST_DELAY", 0.02)
    monkeypatch.setattr(informer, "_LONGEST_DELAY", 0.2)
    monkeypatch.setattr(workqueue, "_FIRST_RETRY", 0.005)
    monkeypatch.setattr(workqueue, "_COALESCE", 0.02)
    monkeypatch.setattr(cache, "EXPECTATION_TIMEOUT", 1.0)
    monkeypatch.setattr(agent_watch, "_FIRST_DELAY", 0.02)
    monkeypatch.setattr(informer, "_SHORTEST_WATCH", 0.05)
    product_settings = kopf_settings.settings

    def short_delays() -> kopf.OperatorSettings:
        settings = product_settings()
        settings.networking.error_backoffs = (0.01, 0.02)
        settings.watching.reconnect_backoff = 0.02
        return settings

    monkeypatch.setattr(kopf_settings, "settings", short_delays)


@pytest.fixture(autouse=True)
def _no_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The operator logs no traceback and no error, and no task fails unnoticed."""
    yield
    errors = [
        r.getMessage() for r in caplog.records if r.exc_info or (r.levelno >= logging.ERROR and "kopf" not in r.name)
    ]
    assert errors == []


@pytest.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """A new namespace of a local cluster, and a proxy that injects no fault yet."""
    skew = {"seconds": 0.0}
    monkeypatch.setattr(clusters, "StandInNode", PlayingNode)
    monkeypatch.setattr(clusters, "Context", partial(Context, clock=lambda: time.time() + skew["seconds"]))
    async with LocalCluster(stand_in=True, backoff_time_scale=0.01, state_dir=tmp_path / "state") as local:
        direct = tmp_path / "kubeconfig"
        local.write_kubeconfig(direct)
        async with Transport(str(direct), "", lambda *_: None) as transport, transport.new_session() as session:
            proxy = FaultProxy(session, transport.server)
            # A handler ends after its client, on a busy machine long after. A handler that is cut off leaks.
            async with serve(proxy.handle, shutdown_timeout=DEADLINE, handler_cancellation=True) as url:
                through_proxy = write_kubeconfig(tmp_path / "proxy", url)
                cluster = Cluster(ApiClient(transport, ""), proxy, through_proxy, skew, local)
                await install_crds(cluster.api)
                await cluster.use_new_namespace()
                yield cluster
