"""The responses of the probes when something is silent, absent, rejected or unreachable."""

import asyncio
import logging

import pytest

from agent_operator.kube.objects import Key
from agent_operator.kube.resources import BY_NAME, Kind
from agent_operator.observability import logs
from tests.integration.agent_operator.api_client import CRDS, install_crds
from tests.soak.clock import run
from tests.soak.running_operator import LEASES, RunningOperator, count_resources, run_operator
from tests.soak.test_soak import OK, assert_no_growth

AGENTS_CRD = "agentdeployments.agent-operator.dev"
# Longer than the inactivity timeout of a watch, the stop timeout of kopf, and a watch.
LONG = 700.0


@pytest.mark.parametrize(
    ("word", "loop"),
    [
        ("agentdeployments", "the watch of AgentDeployment"),
        ("services", "the watch of Service"),
        ("/apis/external-secrets.io", "the wait for the API of SecretStore"),
    ],
)
def test_a_watch_without_response_fails_the_liveness_probe(word: str, loop: str) -> None:
    async def main() -> None:
        async with run_operator(proxied=True) as operator:
            await operator.api.apply_agent()
            await asyncio.sleep(60)
            operator.answers.clear()
            operator.proxy.hanging = frozenset({word})
            operator.proxy.cut()
            await asyncio.sleep(360)
            assert operator.answers["/healthz"] == ["ok"]
            await asyncio.sleep(100)
            assert operator.answers["/healthz"][-1].startswith(f"{loop} has been silent for ")

    run(main())


def test_a_standby_without_response_for_its_lease_fails_the_liveness_probe() -> None:
    async def main() -> None:
        async with run_operator(proxied=True, standby=True, leader_election=True) as operator:
            await asyncio.sleep(60)
            operator.answers.clear()
            operator.proxy.hanging = frozenset({"leases"})
            operator.proxy.cut()
            await asyncio.sleep(360)
            assert operator.answers["/healthz"] == ["ok"]
            await asyncio.sleep(100)
            assert operator.answers["/healthz"][-1].startswith("the Lease default/agent-operator has been silent")

    run(main())


def test_a_standby_that_takes_over_late_has_time_to_start() -> None:
    async def main() -> None:
        async with run_operator(proxied=True, standby=True, leader_election=True) as operator:
            await asyncio.sleep(LONG)
            assert operator.answers == OK
            operator.proxy.hanging = frozenset({"services"})
            await operator.api.call("DELETE", f"{LEASES}/agent-operator")
            await asyncio.sleep(100)
            assert operator.answers["/healthz"] == ["ok"]
            assert operator.answers["/readyz"][-1] != "ok"

    run(main())


def test_quiet_watches_do_not_fail_the_liveness_probe() -> None:
    """Nothing changes for hours and the API server sends no bookmarks. Its responses to other requests are enough."""

    async def main() -> None:
        async with run_operator(proxied=True) as operator:
            await asyncio.sleep(60)
            operator.answers.clear()
            operator.proxy.mute = True
            operator.proxy.cut()
            await asyncio.sleep(LONG)
            assert operator.answers == OK

    run(main())


def test_an_api_in_another_version_is_absent_and_polled_rarely() -> None:
    async def main() -> None:
        async with run_operator() as operator:
            await asyncio.sleep(60)
            operator.answers.clear()
            route = BY_NAME["HTTPRoute"]
            await operator.api.define(Kind(route.kind, route.plural, ("gateway.networking.k8s.io/v1beta1",)))
            await asyncio.sleep(60)
            before = await _discoveries(operator)
            await asyncio.sleep(LONG)
            assert await _discoveries(operator) - before < 100
            assert operator.answers == OK
            await operator.api.undefine(route)
            await asyncio.sleep(5)
            await operator.api.define(route)
            await asyncio.sleep(60)
            assert "HTTPRoute" in await operator.watched()

    run(main())


async def _discoveries(operator: RunningOperator) -> float:
    name = 'agent_operator_api_requests_total{code="200",kind="APIResourceList",verb="get"} '
    text = await operator.get("/metrics")
    return float(text.partition(name)[2].partition("\n")[0] or 0)


def test_agents_are_reconciled_after_their_crd_is_absent_for_hours() -> None:
    """Meanwhile the operator is alive and not ready. The stopped kopf does not stop it later."""

    async def main() -> None:
        async with run_operator() as operator:
            taken = []
            for number in range(4):
                await operator.api.apply_agent()
                await asyncio.sleep(60)
                assert operator.controller.store.agent(Key("default", "support"))
                if number > 1:
                    taken.append(count_resources())
                operator.answers.clear()
                await operator.api.call("DELETE", f"{CRDS}/{AGENTS_CRD}")
                await asyncio.sleep(LONG)
                assert operator.answers["/healthz"] == ["ok"]
                assert operator.answers["/readyz"][-1].startswith("the AgentDeployment CRD is not installed")
                assert "AgentDeployment" not in await operator.watched()
                assert operator.controller.store.agents == ()
                await install_crds(operator.api)
                await asyncio.sleep(20)
                assert await operator.get("/readyz") == "ok"
            assert_no_growth(taken)

    run(main())


def test_an_unreachable_api_server_is_logged_once_and_reconnected(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with run_operator(proxied=True) as operator:
            await operator.api.apply_agent()
            await asyncio.sleep(60)
            for _ in range(2):
                operator.proxy.down = True
                operator.proxy.cut()
                await asyncio.sleep(200)
                assert await operator.get("/readyz") == "the API server is unreachable"
                assert await operator.get("/healthz") == "ok"
                operator.proxy.down = False
                await asyncio.sleep(100)
                assert await operator.get("/readyz") == "ok"

    run(main())
    texts = [record.getMessage() for record in caplog.records if logs.is_relevant(record)]
    assert [text for text in texts if "unreachable" in text or "reachable again" in text] == [
        "the API server is unreachable: check its address in the kubeconfig, the network, and that it runs",
        "the API server is reachable again",
    ] * 2
    assert not [text for text in texts if "CRD" in text]
    assert _errors(caplog) == []


def test_an_api_server_that_is_unreachable_at_start_causes_no_restart(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with run_operator(proxied=True, down=True) as operator:
            await asyncio.sleep(LONG)
            assert operator.answers["/healthz"] == ["ok"]
            assert operator.answers["/readyz"][-1] == "the API server is unreachable"
            operator.proxy.down = False
            await asyncio.sleep(100)
            assert await operator.get("/readyz") == "ok"
            assert operator.answers["/healthz"] == ["ok"]

    run(main())
    assert not [record for record in caplog.records if "CRD" in record.getMessage()]
    assert _errors(caplog) == []


@pytest.mark.parametrize("elects", [False, True])
def test_a_normal_stop_logs_only_the_stop(caplog: pytest.LogCaptureFixture, elects: bool) -> None:
    async def main() -> None:
        async with run_operator(leader_election=elects) as operator:
            await operator.api.apply_agent()
            await asyncio.sleep(200)
            caplog.clear()

    run(main())
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    return [record.getMessage() for record in records if logs.is_relevant(record)]
