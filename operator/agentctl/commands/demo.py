"""`agentctl demo`: starts a cluster and an agent, and sends it a message, with the commands that a user would run."""

import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent_operator.api import constants
from agentctl.cluster import chat, states, status_tree
from agentctl.cluster.kubectl import Kubectl, binary
from agentctl.cluster.snapshot import Snapshot, take_snapshot
from agentctl.commands.local import ensure_cluster
from agentctl.errors import CommandError
from agentctl.local.cluster_directory import ClusterDirectory
from agentctl.objects import nested_field
from agentctl.ui.console import stdout_console

AGENT = """\
apiVersion: agent-operator.dev/v1alpha1
kind: AgentDeployment
metadata:
  name: hello
spec:
  replicas: 2
  config:
    models:
    - name: echo
      provider: echo
"""
NAME = "hello"
MESSAGE = "Are you there?"
READY_TIMEOUT = 120.0
POLL_INTERVAL = 0.5


def run(path: Path, *, once: bool) -> None:
    """Start the agent and send it a message.

    Raises:
        CommandError: a step failed; the message says where to look.
    """
    binary()  # Without kubectl, fail before the cluster starts.
    console = stdout_console()
    directory = ClusterDirectory(path)
    with _interrupted_by_signals(), _demo_cluster(console, directory):
        kubectl = Kubectl(kubeconfig=str(directory.kubeconfig), namespace="default")
        _apply(console, kubectl)
        began = time.monotonic()
        _wait_until_ready(console, kubectl)
        console.print()
        _print_step(console, "ready", NAME, began)
        url = chat.service_url(kubectl, NAME)
        _print_step(console, "you", MESSAGE)
        _print_step(console, "agent", f"{chat.ask(kubectl, NAME, MESSAGE)}  (the model echo repeats the message)")
        console.print()
        console.print(_next_steps(directory, url, once=once), soft_wrap=True)
        if not once:
            console.print("\nPress Ctrl-C to stop.", style="bold")
            signal.pause()


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that they also stop what the command started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _demo_cluster(console: Console, directory: ClusterDirectory) -> Iterator[None]:
    """Use the running cluster, or start one that stops at the end of the block."""
    began = time.monotonic()
    with ExitStack() as stack:
        with console.status("Starting a local cluster"):
            handle = stack.enter_context(ensure_cluster(directory, lambda: console.print("\nStopping the cluster")))
        running = handle.running
        _print_step(console, "cluster", f"{running.url}: API server, controllers, one node", began)
        _print_step(console, "CRD", f"{constants.PLURAL}.{constants.GROUP}")
        _print_step(console, "operator", f"pid {running.operator_pid}, log {directory.operator_log}")
        yield


def _apply(console: Console, kubectl: Kubectl) -> None:
    console.print()
    console.print(Text(AGENT.rstrip(), "cyan"))
    console.print()
    began = time.monotonic()
    result = kubectl.run("apply", "--filename=-", stdin=AGENT).strip()
    _print_step(console, "kubectl apply", result, began)


def _wait_until_ready(console: Console, kubectl: Kubectl) -> None:
    """Show the state of children and pods until the agent is ready."""
    began = time.monotonic()
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        printed: set[str] = set()
        while time.monotonic() - began < READY_TIMEOUT:
            snapshot = take_snapshot(kubectl, NAME)
            if live:
                live.update(status_tree.draw(snapshot), refresh=True)
            else:
                _print_changes(console, snapshot, printed)
            if is_ready(snapshot):
                break
            time.sleep(POLL_INTERVAL)
    if not live or not is_ready(snapshot):
        console.print(status_tree.draw(snapshot))
    if not is_ready(snapshot):
        raise CommandError(
            f"the agent was not ready within {READY_TIMEOUT:g} s: see the conditions above "
            "and the log of the operator, then run the command again"
        )


def _print_changes(console: Console, snapshot: Snapshot, printed: set[str]) -> None:
    """Print a line for each new state, because the output is not a terminal on which a tree could be redrawn."""
    lines = [f"{child.kind} {child.name}: {status_tree.child_state(child).text}" for child in snapshot.children]
    lines += [f"Pod {pod['metadata']['name']}: {states.pod_state(pod).text}" for pod in snapshot.pods]
    for line in lines:
        if line not in printed:
            printed.add(line)
            console.print(f"  {line}")


def is_ready(snapshot: Snapshot) -> bool:
    """Return whether the condition Ready is true for the current generation."""
    for condition in nested_field(snapshot.agent, "status", "conditions") or ():
        if condition["type"] == "Ready":
            current = condition.get("observedGeneration") == snapshot.agent["metadata"]["generation"]
            return bool(current and condition["status"] == "True")
    return False


def _print_step(console: Console, name: str, detail: str, began: float | None = None) -> None:
    line = Text.assemble(("✓ ", "green"), f"{name:<14} ", detail)
    if began is not None:
        line.append(f"  {time.monotonic() - began:.1f} s", "dim")
    console.print(line, soft_wrap=True)


def _next_steps(directory: ClusterDirectory, url: str, *, once: bool) -> str:
    title = "Without --once, the cluster keeps running for these commands:" if once else "Try in another terminal:"
    body = json.dumps({"message": MESSAGE})
    ask = f"curl {url}/api/chat --json '{body}'" if url else chat.proxy_command(NAME, body)
    in_path = shutil.which("kubectl") and shutil.which("agentctl")
    path = "" if in_path else f"\n  export PATH={Path(sys.executable).parent}:$PATH"
    return f"""\
{title}
  export KUBECONFIG={directory.kubeconfig}{path}
  kubectl get agd
  kubectl describe agd {NAME}
  kubectl logs deploy/{NAME}
  kubectl patch agd {NAME} --type=merge --patch '{{"spec":{{"replicas":3}}}}'
  {ask}"""
