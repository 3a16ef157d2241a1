"""`agentctl logs`."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.text import Text

from agent_runtime.config.terminal import escaped
from agentctl.cluster import pod_logs
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.pod_logs import Line
from agentctl.cluster.pods import list_pods, selector
from agentctl.cluster.snapshot import children_namespace, get_agent
from agentctl.commands.tables import print_line
from agentctl.errors import CommandError
from agentctl.formats import LogFormat
from agentctl.objects import Object
from agentctl.ui import output
from agentctl.ui.console import SafeConsole, stdout_console

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")
Print = Callable[[Line], bool]


@dataclass(frozen=True, slots=True)
class Display:
    """How lines are printed, and of which pods.

    Attributes:
        form: text or JSON Lines.
        times: print the time of each line.
        prefix: print the name of the pod before each line.
        pod: name of a pod; empty for all.
        max_pods: of which to follow the logs at once.
    """

    form: LogFormat
    times: bool
    prefix: bool
    pod: str
    max_pods: int


def run(kubectl: Kubectl, name: str, options: pod_logs.Options, display: Display, *, follow: bool) -> None:
    """Print the logs of the pods of an agent, once or until Ctrl-C.

    Raises:
        CommandError: the agent has no such pod, or a log cannot be read.
    """
    agent = get_agent(kubectl, name)
    inside = kubectl.in_namespace(children_namespace(agent))
    pods = [pod for pod in list_pods(kubectl, agent) if display.pod in ("", pod["metadata"]["name"])]
    _check(pods, name, options, display, follow=follow)
    if follow:
        only = display.pod and (lambda line: line.pod == display.pod)
        lines: Iterator[Line] = filter(
            only or None, pod_logs.follow(inside, selector(agent), options, display.max_pods)
        )
    else:
        lines = pod_logs.read(inside, pods, options)
    write = _printer(display, options.container)
    for line in lines:
        # The reader of a pipe, such as head, may have closed it.
        if not write(line):
            return


def _check(pods: list[Object], name: str, options: pod_logs.Options, display: Display, *, follow: bool) -> None:
    if not pods and display.pod:
        raise CommandError(f'{name} has no pod "{display.pod}": run agentctl status {name} to see its pods')
    if not pods and not follow:
        raise CommandError(f"{name} has no pods: run agentctl status {name} to see why, or wait for one with --follow")
    known = pod_logs.containers(pods)
    if pods and options.container not in known:
        raise CommandError(f"the pods have no container {options.container}: choose one of {', '.join(known)}")


def _printer(display: Display, container: str) -> Print:
    if display.form is LogFormat.JSON:
        return lambda line: output.write(f"{_json(line, container)}\n")
    console, colours = stdout_console(), dict[str, str]()
    return lambda line: _print(console, line, display, colours)


def _json(line: Line, container: str) -> str:
    fields = {"pod": line.pod, "container": container, "time": line.time, "message": line.text}
    return escaped(json.dumps(fields, ensure_ascii=False))


def _print(console: SafeConsole, line: Line, display: Display, colours: dict[str, str]) -> bool:
    prefix = f"[{line.pod}] " if display.prefix else ""
    rest = f"{line.time} {line.text}" if display.times else line.text
    colour = colours.setdefault(line.pod, _COLOURS[len(colours) % len(_COLOURS)])
    return print_line(console, Text.assemble((prefix, colour), rest))
