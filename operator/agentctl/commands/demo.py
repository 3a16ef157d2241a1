"""`agentctl demo`: from nothing to an agent's answer, with the steps that a user would take."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent_operator.api import constants
from agentctl.cluster import chat, states, tree
from agentctl.cluster.kubectl import Kubectl, binary
from agentctl.cluster.snapshot import Snapshot, take
from agentctl.commands import local
from agentctl.errors import CommandError
from agentctl.local.state import State
from agentctl.offline.input_files import dig

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
QUESTION = "Is anybody there?"
READY_WITHIN = 120.0
POLL = 0.5


def run(directory: Path, *, once: bool) -> None:
    """Bring the agent up and ask it.

    Raises:
        CommandError: a step failed; the message says where to look.
    """
    console = tree.console()
    state = State(directory)
    with _ended_by_signals(), _cluster(console, state):
        kubectl = Kubectl(kubeconfig=str(state.kubeconfig), namespace="default")
        _apply(console, kubectl)
        began = time.monotonic()
        _until_ready(console, kubectl)
        console.print()
        _done(console, "ready", NAME, began)
        url = chat.address(kubectl, NAME)
        _done(console, "you", QUESTION)
        _done(console, "agent", f"{chat.ask(kubectl, NAME, QUESTION)}  (its model, echo, says what it was told)")
        console.print()
        console.print(_how_to_go_on(state, url, once=once), soft_wrap=True)
        if not once:
            console.print("\nUp until Ctrl-C.", style="bold")
            signal.pause()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End as with Ctrl-C when a terminal closes or a service manager says so: what was started is stopped then."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {sign: signal.signal(sign, interrupt) for sign in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


@contextmanager
def _cluster(console: Console, state: State) -> Iterator[None]:
    """Have a cluster. One that is started here stops in the end, however that comes."""
    began = time.monotonic()
    with ExitStack() as stack:
        with console.status("Starting a cluster"):
            up = stack.enter_context(local.cluster(state, lambda: console.print("\nStopping")))
        _done(console, "cluster", f"{up.running.url}: API server, controllers, one node", began)
        _done(console, "CRD", f"{constants.PLURAL}.{constants.GROUP}", began)
        _done(console, "operator", f"pid {up.running.operator_pid}, log {state.operator_log}", began)
        yield


def _apply(console: Console, kubectl: Kubectl) -> None:
    console.print()
    console.print(Text(AGENT.rstrip(), "cyan"))
    console.print()
    began = time.monotonic()
    said = kubectl.run("apply", "--filename=-", stdin=AGENT).strip()
    _done(console, "kubectl apply", said, began)


def _until_ready(console: Console, kubectl: Kubectl) -> Snapshot:
    """Show children and pods as they come, until the agent is ready."""
    began = time.monotonic()
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        told: set[str] = set()
        while time.monotonic() - began < READY_WITHIN:
            snapshot = take(kubectl, NAME)
            if live:
                live.update(tree.draw(snapshot), refresh=True)
            else:
                _tell_news(console, snapshot, told)
            if ready(snapshot):
                break
            time.sleep(POLL)
    if not live or not ready(snapshot):
        console.print(tree.draw(snapshot))
    if not ready(snapshot):
        raise CommandError(f"the agent was not ready in {READY_WITHIN:g} s: its conditions above tell why")
    return snapshot


def _tell_news(console: Console, snapshot: Snapshot, told: set[str]) -> None:
    """Where nothing can be drawn anew, print a line for each state that is new."""
    lines = [f"{child.kind} {child.name}: {tree.state(child).text}" for child in snapshot.children]
    lines += [f"Pod {pod['metadata']['name']}: {states.of_pod(pod).text}" for pod in snapshot.pods]
    for line in lines:
        if line not in told:
            told.add(line)
            console.print(f"  {line}")


def ready(snapshot: Snapshot) -> bool:
    """Whether the agent is ready as it is now, not as it was."""
    for condition in dig(snapshot.agent, "status", "conditions") or ():
        if condition["type"] == "Ready":
            current = condition.get("observedGeneration") == snapshot.agent["metadata"]["generation"]
            return bool(current and condition["status"] == "True")
    return False


def _done(console: Console, what: str, detail: str, began: float | None = None) -> None:
    line = Text.assemble(("✓ ", "green"), f"{what:<14} ", detail)
    if began is not None:
        line.append(f"  {time.monotonic() - began:.1f} s", "dim")
    console.print(line, soft_wrap=True)


def _how_to_go_on(state: State, url: str, *, once: bool) -> str:
    head = "Without --once it would stay up. Then, in another terminal:" if once else "Go on in another terminal:"
    question = json.dumps({"message": QUESTION})
    ask = f"curl {url}/api/chat --json '{question}'" if url else chat.by_kubectl(NAME, question)
    path = "" if shutil.which("kubectl") else f"\n  export PATH={Path(binary()).parent}:$PATH"
    return f"""\
{head}
  export KUBECONFIG={state.kubeconfig}{path}
  kubectl get agd
  kubectl describe agd {NAME}
  kubectl logs deploy/{NAME}
  kubectl patch agd {NAME} --type=merge --patch '{{"spec":{{"replicas":3}}}}'
  {ask}"""
