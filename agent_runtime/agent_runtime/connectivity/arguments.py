"""The arguments of `check-network`. A module of their own, so that `serve` does not import the command."""

import argparse

PURPOSE = "connect to every server that the config names: DNS, TCP, TLS and HTTP"
LONGEST = 120.0
_EXIT_CODES = (
    "Uses the proxy, the certificate authorities and the credentials of the agent; the report contains none of them. "
    "Exit code: 0 the agent is healthy and reaches all servers, 1 otherwise, 2 invalid arguments or config."
)


def add(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument(
        "--timeout", type=_seconds, default=25.0, metavar="S", help="seconds for all servers (default: %(default)g)"
    )
    command.add_argument("-o", "--output", choices=("text", "json"), default="text", help="(default: %(default)s)")
    command.epilog = _EXIT_CODES


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text}: not a number of seconds from 0 to {LONGEST:g}")
    return seconds
