"""Sets the number of pods of an agent, through its scale subresource."""

import time

from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import get_agent
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.objects import Object, nested_field
from agentctl.permissions import AGENTS
from agentctl.ui import output, progress

INTERVAL = 1.0


def run(kubectl: Kubectl, name: str, replicas: int, timeout: float | None, view: View) -> None:
    """Set the replicas of an agent and print the result. `timeout`: seconds to wait for the pods; None: do not wait.

    Raises:
        CommandError: an autoscaler owns the replicas, the API server refused, or the pods were not ready in time.
    """
    before = get_agent(kubectl, name)
    _check(before, name)
    kubectl.run("scale", f"{AGENTS}/{name}", f"--replicas={replicas}")
    ready = ""
    if nested_field(before, "spec", "suspend"):
        output.note(f"warning: {name} is suspended: its pods change when spec.suspend is false")
    elif timeout is not None:
        ready = str(nested_field(_wait(kubectl, name, replicas, timeout), "status", "ready") or "")
    if view is View.TEXT:
        output.write(f"{name} scaled to {replicas}{f', {ready} pods ready' if ready else ''}\n")
        return
    data = {"name": name, "replicas": replicas, "before": nested_field(before, "spec", "replicas"), "ready": ready}
    output.write(output.data_text(data, Format(view)))


def _check(agent: Object, name: str) -> None:
    autoscaling = nested_field(agent, "spec", "autoscaling")
    if autoscaling and not autoscaling.get("external"):
        raise CommandError(
            f"{name} has an autoscaler, which owns the number of pods: change spec.autoscaling.minReplicas and "
            "maxReplicas, or remove spec.autoscaling"
        )


def _wait(kubectl: Kubectl, name: str, replicas: int, timeout: float) -> Object:
    deadline = time.monotonic() + timeout
    with progress.shown(f"scaling {name}") as describe:
        while True:
            agent = get_agent(kubectl, name)
            status = agent.get("status") or {}
            counts = status.get("replicas", 0), status.get("readyReplicas", 0)
            observed = status.get("observedGeneration") == agent["metadata"].get("generation")
            if observed and counts == (replicas, replicas):
                return agent
            describe(f"{name}: {counts[1]} of {replicas} pods are ready, {counts[0]} exist")
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{name}: {counts[1]} of {replicas} pods are ready after {timeout:g} s: run `agentctl status "
                    f"{name}` to see why, or set a longer --timeout"
                )
            time.sleep(INTERVAL)
