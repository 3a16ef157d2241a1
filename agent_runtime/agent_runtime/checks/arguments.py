"""What the command takes. Apart from the command, so that to serve an agent loads none of it."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

PURPOSE = "ask a running agent prompts and judge its answers"
MAX_CONCURRENCY = 32


def add(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("--url", required=True, type=_url, help="the agent's URL, such as http://127.0.0.1:8000")
    command.add_argument("--checks", required=True, type=Path, metavar="FILE", help='the checks: {"checks": [...]}')
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="the agent's agent.toml; judges ask its models, as it does itself"
    )
    command.add_argument(
        "--api-keys-file",
        type=Path,
        metavar="FILE",
        help="API keys of the agent; the first is sent (default: the file that --config names, if it is there)",
    )
    command.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="where the report goes, as JSON of at most 4096 bytes (default: $TERMINATION_LOG, else what Kubernetes "
        "reads as a container's termination message, where there is such a file)",
    )
    command.add_argument(
        "--concurrency", type=_concurrency, default=4, metavar="N", help="checks at a time (default: %(default)s)"
    )
    command.add_argument(
        "--timeout", type=_seconds, default=600.0, metavar="S", help="seconds for all of it (default: %(default)g)"
    )
    command.add_argument(
        "--wait",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds to wait for an agent that cannot be reached or is too busy (default: %(default)g)",
    )
    command.add_argument("--show-answers", action="store_true", help="write the answers that did not pass to stderr")
    command.add_argument("-o", "--output", choices=("table", "json"), default="table", help="(default: %(default)s)")
    command.epilog = (
        "Exit code: 0 all passed, 1 some did not, 2 wrong usage or checks, 128 + N ended by signal N; the report then "
        "has what was found until then."
    )


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"{text}: not an http or https URL")
    return text.rstrip("/")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text}: not a number of seconds, from 0 to a day")
    return seconds


def _concurrency(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_CONCURRENCY:
        raise argparse.ArgumentTypeError(f"{text}: not a number from 1 to {MAX_CONCURRENCY}")
    return int(text)
