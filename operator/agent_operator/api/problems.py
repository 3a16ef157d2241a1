"""Problems: why an agent does not match its spec, or what the author of the spec should know."""

from dataclasses import dataclass

# A condition is read by people, and etcd stores it with the object. The first problems suffice to correct the next.
MAX_PROBLEMS = 20
MAX_MESSAGE_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and the remedy. Never contains the value of a secret.

    Attributes:
        reason: reason of the condition or Event that reports it.
        field: path of the invalid field, such as `spec.systemPrompt.text`; empty if the problem concerns no field.
        message: the problem and the remedy, without the field.
        retry: whether the problem may end without a change of the spec. Otherwise the agent is `Stalled`.
    """

    reason: str
    field: str
    message: str
    retry: bool = False

    def __str__(self) -> str:
        """Return `field: message`."""
        return f"{self.field}: {self.message}" if self.field else self.message


def combine(first: Problem, *others: Problem) -> Problem:
    """Return one problem that reports all problems, with reason and field of the first."""
    shown = [first.message, *(str(problem) for problem in others[: MAX_PROBLEMS - 1])]
    more = len(others) + 1 - len(shown)
    message = shorten("; ".join([*shown, *([f"and {more} more"] if more else [])]))
    # If one problem requires a change of the spec, waiting does not help.
    return Problem(first.reason, first.field, message, retry=all(problem.retry for problem in (first, *others)))


def shorten(message: str) -> str:
    """Return a message with at most MAX_MESSAGE_CHARS characters."""
    return message if len(message) <= MAX_MESSAGE_CHARS else f"{message[: MAX_MESSAGE_CHARS - 1]}…"


class ProblemError(Exception):
    """One or more problems that end the work on an agent.

    Attributes:
        problems: the problems, at least one.
    """

    def __init__(self, first: Problem, *others: Problem) -> None:
        self.problems = (first, *others)
        super().__init__(str(self.problem))

    @property
    def problem(self) -> Problem:
        """All problems as one."""
        return combine(*self.problems)
