"""`python -m agentctl`, `agentctl` and `kubectl agent`: run a command and turn its end into an exit status."""

import sys
from collections.abc import Sequence

from agentctl.errors import CommandError

INTERRUPTED = 130


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; --debug lets an exception through, with its traceback."""
    debug = "--debug" in arguments
    rest = [argument for argument in arguments if argument != "--debug"]
    try:
        # Imported here: Ctrl-C in the midst of it is as one later.
        from agentctl.app import app  # noqa: PLC0415

        status = app(rest, prog_name="agentctl", standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - none may show its traceback
        return _ended(error, debug=debug)
    return status if isinstance(status, int) else 0


def _ended(error: Exception, *, debug: bool) -> int:
    from typer import Abort, Exit  # noqa: PLC0415 - as above

    if isinstance(error, Exit):
        return error.exit_code
    if isinstance(error, Abort):
        return INTERRUPTED
    if debug:
        raise error
    return _refuse(error)


def _refuse(error: Exception) -> int:
    from typer.exceptions import TyperException  # noqa: PLC0415 - as above

    if isinstance(error, TyperException):
        _say(f"{error.format_message().replace('Value error, ', '')} See --help.")
        return error.exit_code
    if isinstance(error, CommandError):
        _say(str(error))
        return error.exit_code
    _say(f"internal: {type(error).__name__}: {error}: run again with --debug and report what it shows")
    return 1


def _say(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")


if __name__ == "__main__":
    main()
