"""Every way in which an agent fails to come up is reported with its cause and remedy, and the agent recovers by itself.

All agents fail at the same time in one namespace, so that the test takes little time.
"""

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agentctl.diagnosis.findings import Finding, Severity
from tests.e2e.diagnoses import diagnose_all
from tests.e2e.failures import Failure, Servers, failures
from tests.e2e.kubectl import Kubectl, make_agent
from tests.integration.agent_runtime.certificate import write_certificate
from tests.integration.agent_runtime.processes import ModelServer, RedisServer
from tests.patience import DEADLINE, free_port
from tests.polling import eventually

# The servers of the components have loopback addresses.
pytestmark = [pytest.mark.kubelet, pytest.mark.local_only]

Object = dict[str, Any]


class Components:
    """The servers that the agents use: some work, and some fail until they are corrected."""

    def __init__(self, stack: ExitStack, certificate: Path) -> None:
        self._stack = stack
        self.good, self.later, self.strict, self.broken = (self._model() for _ in range(4))
        untrusted = self._model("--certificate", str(certificate), scheme="https")
        self.strict.script(models=[{"status": 401, "always": True}])
        self.broken.script(models=[{"status": 500, "always": True}])
        self.servers = Servers(
            refused=free_port(),
            silent=self._silent_port(),
            untrusted=int(untrusted.url.rpartition(":")[2]),
            strict=self.strict.url,
            broken=self.broken.url,
            good=self.good.url,
            later=self.later.url,
            redis=free_port(),
        )

    def _model(self, *arguments: str, scheme: str = "http") -> ModelServer:
        model = ModelServer(*arguments, scheme=scheme)
        self._stack.callback(model.stop)
        return model

    def _silent_port(self) -> int:
        """Return a port whose queue of connections is full, so that it answers no packet."""
        listener = self._stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        port: int = listener.getsockname()[1]
        return port

    def correct(self) -> None:
        """Correct the servers that are not corrected by another spec."""
        redis = RedisServer(port=self.servers.redis)
        self._stack.callback(redis.stop)
        for model in (self.strict, self.broken, self.later):
            model.reset()


@pytest.fixture
def components(tmp_path: Path) -> Iterator[Components]:
    with ExitStack() as stack:
        yield Components(stack, write_certificate(tmp_path / "server.pem"))


def statuses(kubectl: Kubectl) -> dict[str, Object]:
    """The agents whose status describes their spec, by name."""
    agents = kubectl.list("agd")
    current = [it for it in agents if it.get("status", {}).get("observedGeneration") == it["metadata"]["generation"]]
    return {agent["metadata"]["name"]: agent["status"] for agent in current}


def condition(status: Object, kind: str) -> Object:
    return next((it for it in status.get("conditions", ()) if it["type"] == kind), {})


def difference(failure: Failure, status: Object) -> str:
    """What the status should say, but does not; empty if it is right."""
    found = condition(status, failure.condition)
    reasons = (found.get("reason"), status.get("lastFailure", {}).get("reason"))
    missing = [text for text in failure.words if text not in found.get("message", "")]
    ready = condition(status, "Ready").get("status") == "True"
    if failure.reason not in reasons or found.get("status") != "False" or missing or ready is not failure.stays_ready:
        return f"wanted {failure.reason} {missing}, have {status.get('lastFailure')} {status.get('conditions')}"
    return ""


def wait_for_reports(kubectl: Kubectl, table: Mapping[str, Failure]) -> None:
    """Wait until every agent of the table reports its failure, and fail with those that do not."""
    wrong: dict[str, str] = {}

    def all_reported() -> bool:
        found = statuses(kubectl)
        wrong.clear()
        wrong.update({name: text for name in table if (text := difference(table[name], found.get(name, {})))})
        return not wrong

    try:
        eventually("all failures are reported", all_reported)
    except pytest.fail.Exception:
        pytest.fail("\n".join(f"{name}: {text}" for name, text in wrong.items()))


def wait_until_recovered(kubectl: Kubectl, names: list[str]) -> None:
    """Wait until every agent is ready with healthy components and without a failure."""
    left: dict[str, Object] = {}

    def all_recovered() -> bool:
        found = statuses(kubectl)
        left.clear()
        left.update({name: found.get(name, {}) for name in names if not is_recovered(found.get(name, {}))})
        return not left

    try:
        eventually("all agents recover", all_recovered, 2 * DEADLINE)
    except pytest.fail.Exception:
        pytest.fail("\n".join(f"{name}: {status}" for name, status in left.items()))


def is_recovered(status: Object) -> bool:
    conditions = [condition(status, kind).get("status") for kind in ("Ready", "ComponentsHealthy")]
    return conditions == ["True", "True"] and "lastFailure" not in status


def misdiagnosis(found: tuple[Finding, ...], name: str, failure: Failure) -> str:
    """What `agentctl doctor` should say of a failure, but does not; empty if it names the cause as an error."""
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    # The condition has no reason of its own for a sidecar.
    reason = {"Unavailable": "SidecarNotReady"}.get(failure.reason, failure.reason)
    named = [f"{it.subject} {it.evidence} {it.cause} {it.remedy}" for it in errors if it.reason == reason]
    missing = [word for word in failure.words if word not in " ".join(named)]
    incomplete = [it for it in found if not (it.evidence and it.cause and it.remedy) or it.reason == "CheckFailed"]
    # A missing Secret is the cause of a volume that cannot be mounted.
    others = {it.reason for it in errors} - {reason, "SecretMissing"}
    if not named or missing or incomplete or others:
        return f"{name}: wanted {reason} {missing}, have {errors} {incomplete}"
    return ""


def test_each_failure_is_reported_with_its_remedy_and_recovers(kubectl: Kubectl, components: Components) -> None:
    table = dict(failures(components.servers))
    assert len(table) >= 30
    later = {"later": table.pop("later")}
    kubectl.apply(*(obj for failure in table.values() for obj in failure.existing))
    kubectl.apply(*(make_agent(name, **failure.spec) for name, failure in (table | later).items()))

    wait_for_reports(kubectl, table)
    diagnoses = diagnose_all(kubectl)
    wrong = [text for name, failure in table.items() if (text := misdiagnosis(diagnoses[name], name, failure))]
    assert not wrong, "\n".join(wrong)
    kubectl.wait_for_condition("later", "ComponentsHealthy", "True", "ComponentsHealthy")
    components.later.script(models=[{"status": 503, "always": True}])
    wait_for_reports(kubectl, later)

    events = {(it["involvedObject"]["name"], it["reason"]) for it in kubectl.list("events") if it["type"] == "Warning"}
    expected = {(name, failure.reason) for name, failure in (table | later).items() if failure.stays_ready}
    assert expected <= events

    components.correct()
    kubectl.run("delete", "service", "conflict")
    fixed = {name: failure for name, failure in table.items() if failure.fixed}
    kubectl.apply(*(obj for failure in table.values() for obj in failure.objects))
    kubectl.apply(*(make_agent(name, **(failure.spec | failure.fixed)) for name, failure in fixed.items()))
    wait_until_recovered(kubectl, [*table, *later])
    errors = {
        name: [it for it in found if it.severity is Severity.ERROR] for name, found in diagnose_all(kubectl).items()
    }
    assert not any(errors.values()), errors
    sys.stdout.write(f"{len(table) + 1} failures\n")
