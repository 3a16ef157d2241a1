"""What keeps an agent from being as its spec says, or what its author should know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and the remedy. Never holds the value of a secret.

    Attributes:
        reason: reason of the condition or Event that reports it.
        field: path of the field at fault, such as `spec.systemPrompt.text`; empty when it is about no field.
        message: what is wrong and what to do about it, without the field.
        retry: whether it may go away while the spec stays as it is. If not, the agent is `Stalled`.
    """

    reason: str
    field: str
    message: str
    retry: bool = False

    def __str__(self) -> str:
        """Return `field: message`."""
        return f"{self.field}: {self.message}" if self.field else self.message


def combine(first: Problem, *others: Problem) -> Problem:
    """Return one problem that reports all: under the reason and the field of the first."""
    message = "; ".join([first.message, *(str(problem) for problem in others)])
    # Waiting does not help while any of them needs a change of the spec.
    return Problem(first.reason, first.field, message, retry=all(problem.retry for problem in (first, *others)))


class ProblemError(Exception):
    """One or more problems that end the work on an agent.

    Attributes:
        problems: all of them.
    """

    def __init__(self, first: Problem, *others: Problem) -> None:
        self.problems = (first, *others)
        super().__init__(str(self.problem))

    @property
    def problem(self) -> Problem:
        """All problems as one."""
        return combine(*self.problems)
