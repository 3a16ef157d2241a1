"""Images, addresses, results of probes, states and back-off."""

import socket
from typing import Any

import pytest

from localkube.node import addresses, launch, state
from localkube.node.addresses import LoopbackBlock, SharedLoopback
from localkube.node.errors import ImageUnknownError
from localkube.node.images import Image, ImageMap, argv
from localkube.node.machine import Timing, duration, inherited
from localkube.node.prober import ProbeCounter
from localkube.node.state import ContainerState


@pytest.fixture
def images() -> ImageMap:
    return ImageMap({"ghcr.io/acme/web:*": Image(["python", "-m", "web"], ["--all"], "/srv"), "tool": ["tool"]})


@pytest.mark.parametrize(
    ("container", "own", "inside"),
    [
        ({}, ["python", "-m", "web"], ["--all"]),
        ({"args": ["--a", "$(X)"]}, ["python", "-m", "web"], ["--a", "1"]),
        ({"command": ["sh"]}, [], ["sh"]),
        ({"command": ["sh", "$(X)"], "args": ["-c"]}, [], ["sh", "1", "-c"]),
    ],
)
def test_command_replaces_entrypoint_and_cmd_and_args_replace_cmd(
    images: ImageMap, container: Any, own: list[str], inside: list[str]
) -> None:
    assert argv(images.get("ghcr.io/acme/web:1.2"), container, {"X": "1"}) == (own, inside)


def test_an_image_given_as_a_command_has_the_working_directory_root(images: ImageMap) -> None:
    assert images.get("tool") == Image(["tool"], (), "/")


def test_an_unknown_image_names_the_known_ones(images: ImageMap) -> None:
    with pytest.raises(ImageUnknownError, match=r'"tool:1" is not .*known images: ghcr.io/acme/web:\*, tool'):
        images.get("tool:1")


def test_addresses_are_reused_as_late_as_possible() -> None:
    block = LoopbackBlock(5, socket.socket())
    first = block.allocate("a")
    block.release("a")
    assert block.allocate("b") != first
    block.close()


@pytest.mark.skipif(not addresses.has_loopback_network(), reason="there is no 127.0.0.0/8 here to claim")
def test_two_claims_get_different_blocks() -> None:
    one = LoopbackBlock.claim()
    two = LoopbackBlock.claim()
    assert one.block != two.block
    assert one.services != two.services
    one.close()
    two.close()


def test_on_a_shared_address_a_container_port_has_one_free_port(pod: Any) -> None:
    shared = SharedLoopback()
    assert shared.allocate("u") == shared.allocate("v") == "127.0.0.1"
    assert shared.port(pod, 80) == shared.port(pod, 80) != shared.port(pod, 90)
    shared.release("u")
    shared.close()


def test_a_named_port_of_another_container_is_unknown(pod: Any) -> None:
    class Machine:
        addresses = SharedLoopback()

    with pytest.raises(ValueError, match="couldn't find port: http"):
        launch.port_of(Machine(), pod, {"ports": []}, "http")  # type: ignore[arg-type]  # only addresses are used


def test_the_result_of_a_probe_changes_only_at_its_thresholds() -> None:
    counter = ProbeCounter({"failureThreshold": 2, "successThreshold": 2}, result=False)
    results = [True, False, True, True, False, True, False, False]
    turned = [counter.add(success=success) for success in results]
    assert turned == [False, False, False, True, False, False, False, True]
    assert counter.result is False


def test_back_off_doubles_up_to_five_minutes() -> None:
    assert [Timing().backoff(n) for n in (0, 1, 2, 3, 6, 60)] == [0, 10, 20, 40, 300, 300]
    assert [duration(n) for n in (10, 160, 300)] == ["10s", "2m40s", "5m0s"]


def test_only_required_variables_are_inherited() -> None:
    given = {"PATH": "p", "PYTHONPATH": "pp", "LC_ALL": "C", "OPENAI_API_KEY": "secret", "HOME": "/home/me"}
    assert inherited(given) == {"PATH": "p", "PYTHONPATH": "pp", "LC_ALL": "C", "PYTHONUNBUFFERED": "1"}


def container(shown: dict[str, Any] | None = None, **more: Any) -> ContainerState:
    spec = {"name": more.pop("name", "main"), "image": "i"}
    return ContainerState(spec, **(more | ({"state": shown} if shown else {})))


RUNNING = state.running(0)


def ended(code: int) -> dict[str, Any]:
    return state.terminated(code, "s", 0)


@pytest.mark.parametrize(
    ("policy", "init", "main", "expected"),
    [
        ("Always", [], [container()], "Pending"),
        ("Always", [], [container(RUNNING)], "Running"),
        ("Always", [], [container(ended(1))], "Running"),
        ("Always", [], [container(state.waiting("CrashLoopBackOff"), last=ended(1))], "Running"),
        ("Never", [], [container(ended(0))], "Succeeded"),
        ("Never", [], [container(ended(0)), container(ended(2))], "Failed"),
        ("Never", [], [container(ended(0)), container(RUNNING)], "Running"),
        ("OnFailure", [], [container(ended(2))], "Running"),
        ("Always", [container(RUNNING, is_init=True)], [container()], "Pending"),
        ("Never", [container(ended(1), is_init=True)], [container()], "Failed"),
        ("Always", [container(ended(0), is_init=True)], [container(RUNNING)], "Running"),
    ],
)
def test_phase(pod: Any, policy: str, init: Any, main: Any, expected: str) -> None:
    pod["spec"]["restartPolicy"] = policy
    assert state.phase(pod, init, main) == expected


def test_conditions_name_unready_containers(pod: Any) -> None:
    found = {c["type"]: c for c in state.conditions(pod, [], [container(RUNNING), container(RUNNING, ready=True)], 0)}
    assert found["Ready"]["message"] == found["ContainersReady"]["message"] == "containers with unready status: [main]"
    assert found["Initialized"]["status"] == found["PodScheduled"]["status"] == "True"


def test_a_readiness_gate_waits_for_its_condition(pod: Any) -> None:
    pod["spec"]["readinessGates"] = [{"conditionType": "acme.dev/open"}]
    ready = [container(RUNNING, ready=True)]

    def status_of_ready() -> Any:
        return next(c for c in state.conditions(pod, [], ready, 0) if c["type"] == "Ready")

    assert status_of_ready()["reason"] == "ReadinessGatesNotReady"
    pod["status"]["conditions"] = [{"type": "acme.dev/open", "status": "True"}]
    assert status_of_ready()["status"] == "True"


def test_a_pod_whose_containers_were_stopped_is_finished() -> None:
    """A deleted pod is finished even with restartPolicy Always."""
    pod = {"spec": {"restartPolicy": "Always"}, "metadata": {"generation": 1}}
    spec = {"name": "main", "image": "i"}
    done = state.ContainerState(spec, state=state.terminated(0, "2026-01-01T00:00:00Z", 0))
    killed = state.ContainerState(spec, state=state.terminated(137, "2026-01-01T00:00:00Z", 0))
    assert state.phase(pod, [], [done]) == "Running"
    assert state.phase(pod, [], [done], over=True) == "Succeeded"
    assert state.phase(pod, [], [done, killed], over=True) == "Failed"
    found = state.pod_status(pod, [], [killed], ("127.0.0.1", "127.0.0.1"), 0, over=True)
    reasons = {c["type"]: c.get("reason") for c in found["conditions"]}
    assert (reasons["Ready"], reasons["ContainersReady"]) == ("PodFailed", "PodFailed")
