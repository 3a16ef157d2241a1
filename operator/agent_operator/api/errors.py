"""What can be wrong with an agent, as the user is told it: a reason, the field, and a message that names the remedy."""

from dataclasses import dataclass

from agent_operator.api.reasons import SpecReason


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing to tell. `field` is a path such as `spec.systemPrompt.text`; `retry`: time alone may heal it."""

    reason: SpecReason
    field: str
    message: str
    retry: bool = False

    def __str__(self) -> str:
        """Return `path: message`."""
        return f"{self.field}: {self.message}"


class AgentError(Exception):
    """An agent cannot be brought to what its spec says. Never holds a secret's value.

    Attributes:
        reason: a CamelCase constant, fit for a condition.
        message: what is wrong and what to do about it.
        field: path of the field at fault, or "".
        retry: whether to try again without a change to the spec.
    """

    def __init__(self, reason: str, message: str, *, field: str = "", retry: bool = False) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.reason = reason
        self.message = message
        self.field = field
        self.retry = retry


class InvalidSpec(AgentError):  # noqa: N818  (reads as what it is: the spec is invalid)
    """The spec cannot be rendered. `failures` has every fault; the attributes tell the first."""

    def __init__(self, first: Failure, *others: Failure) -> None:
        self.failures = (first, *others)
        # A fault that only a change of the spec heals is not healed by waiting for the others.
        retry = all(failure.retry for failure in self.failures)
        super().__init__(first.reason, first.message, field=first.field, retry=retry)
        if others:
            self.message = "; ".join([first.message, *(str(failure) for failure in others)])
            self.args = ("; ".join(str(failure) for failure in self.failures),)
