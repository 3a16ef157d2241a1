"""Errors that end a command with one line on standard error."""


class CommandError(Exception):
    """The request failed. The message is one line: what is wrong, then the remedy. Exit status 1."""

    exit_code = 1


class UsageError(CommandError):
    """The command line is incorrect. Exit status 2."""

    exit_code = 2
