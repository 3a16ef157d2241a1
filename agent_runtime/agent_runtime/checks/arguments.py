"""The arguments of `check-answers`. A module of their own, so that `serve` does not import the command."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

PURPOSE = "send prompts to a running agent and judge its answers"
MAX_CONCURRENCY = 32
_EXIT_CODES = (
    "Exit code: 0 all checks passed, 1 some failed, 2 invalid arguments or checks, 128 + N ended by signal N; the "
    "report then has the results so far."
)


def add(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("--url", required=True, type=_url, help="the agent's URL, such as http://127.0.0.1:8000")
    command.add_argument("--checks", required=True, type=Path, metavar="FILE", help='the checks: {"checks": [...]}')
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="agent.toml of the agent; judges call the models that it configures"
    )
    command.add_argument(
        "--api-keys-file",
        type=Path,
        metavar="FILE",
        help="file with API keys of the agent; the first is sent (default: the file that --config names, if it exists)",
    )
    command.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="file for the report, JSON of at most 4096 bytes (default: $TERMINATION_LOG, or else the container's "
        "termination message file, if it exists)",
    )
    _add_limits(command)
    command.add_argument("--show-answers", action="store_true", help="write answers that fail to stderr")
    command.add_argument("-o", "--output", choices=("table", "json"), default="table", help="(default: %(default)s)")
    command.epilog = _EXIT_CODES


def _add_limits(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--concurrency", type=_concurrency, default=4, metavar="N", help="concurrent checks (default: %(default)s)"
    )
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="S",
        help="seconds for all checks together (default: %(default)g)",
    )
    command.add_argument(
        "--wait",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds to wait for an agent that cannot be reached or is too busy (default: %(default)g)",
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
        raise argparse.ArgumentTypeError(f"{text}: not a number of seconds from 0 to 86400")
    return seconds


def _concurrency(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_CONCURRENCY:
        raise argparse.ArgumentTypeError(f"{text}: not a number from 1 to {MAX_CONCURRENCY}")
    return int(text)
