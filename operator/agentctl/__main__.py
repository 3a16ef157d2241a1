"""The entry point of `agentctl` and the kubectl plugins: runs a command and maps its result to an exit status."""

import itertools
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agentctl.errors import CommandError

INTERRUPTED = 130
_IMPERSONATION = ("--as", "--as-group")


# Options whose values are files, which kubectl completes itself.
_FILE_OPTIONS = ("-f", "--filename", "--output-file", "--prompt-file", "--kubeconfig", "--dir")
# The directives of kubectl's completion: complete files if there are no other values, or complete no files.
_FILES, _NO_FILES = ":0", ":4"


def main() -> None:
    """Run the command line of this process."""
    name = Path(sys.argv[0]).name
    sys.exit(run(sys.argv[1:], name.replace("kubectl-", "kubectl ") if name.startswith("kubectl-") else "agentctl"))


def complete() -> None:
    """Complete the arguments of a kubectl plugin: print the values, and a directive."""
    words = sys.argv[1:] or [""]
    command = {"COMP_WORDS": shlex.join(["agentctl", *words]), "COMP_CWORD": str(len(words))}
    os.environ.update(command | {"_AGENTCTL_COMPLETE": "complete_bash"})
    with suppress(SystemExit):
        run([])
    sys.stdout.write(f"{_FILES if words[-2:-1] and words[-2] in _FILE_OPTIONS else _NO_FILES}\n")


def run(arguments: Sequence[str], name: str = "agentctl") -> int:
    """Run one command and return its exit status. With --debug, an unexpected exception propagates.

    Args:
        arguments: the command line.
        name: of the program in help texts.
    """
    debug, rest = "--debug" in arguments, _with_global_options_first(arguments)
    try:
        # Imported inside the try block, so that Ctrl-C during the import also returns INTERRUPTED.
        from agentctl.app import app  # noqa: PLC0415

        status = app(rest, prog_name=name, standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - users see one line instead of a traceback
        return _exit_status(error, debug=debug)
    return status if isinstance(status, int) else 0


def _with_global_options_first(arguments: Sequence[str]) -> list[str]:
    """Move the options of all commands to the front, where typer expects them. kubectl allows any place, too."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _IMPERSONATION:
            front += [word, *itertools.islice(words, 1)]
        elif word.startswith(tuple(f"{option}=" for option in _IMPERSONATION)):
            front.append(word)
        elif word != "--debug":
            rest.append(word)
    return [*front, *rest]


def _exit_status(error: Exception, *, debug: bool) -> int:
    from typer import Abort, Exit  # noqa: PLC0415 - as in run

    if isinstance(error, Exit):
        return error.exit_code
    if isinstance(error, Abort):
        return INTERRUPTED
    if debug:
        raise error
    return _report(error)


def _report(error: Exception) -> int:
    from typer.exceptions import TyperException  # noqa: PLC0415 - as in run

    if isinstance(error, TyperException):
        message = error.format_message().replace("Value error, ", "")
        if message.startswith("Usage: "):
            # A command without arguments: the message is its help.
            sys.stderr.write(f"{message}\n")
        else:
            _write_error(f"{message if message.endswith(('.', '?', '!')) else f'{message}.'} See --help.")
        return error.exit_code
    if isinstance(error, CommandError):
        _write_error(str(error))
        return error.exit_code
    _write_error(f"internal error: {type(error).__name__}: {error}: run again with --debug and report the traceback")
    return 1


def _write_error(message: str) -> None:
    from agent_runtime.config.terminal import printable  # noqa: PLC0415 - as in run

    sys.stderr.write(f"error: {printable(message)}\n")


if __name__ == "__main__":
    main()
