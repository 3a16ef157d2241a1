"""What a command says when it refuses."""


class CommandError(Exception):
    """A refusal in one line: what is wrong, then what to do about it. Exit status 1."""

    exit_code = 1


class UsageError(CommandError):
    """The command line itself is wrong. Exit status 2."""

    exit_code = 2
