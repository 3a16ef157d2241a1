"""What `agent-runtime check-answers` leaves as the termination message of its container."""

from typing import Literal

from pydantic import ValidationError

from agent_operator.api.base import StatusModel

_TOLD = 5


class Check(StatusModel):
    """What came of a check. Error: there was no answer, or it could not be judged."""

    name: str
    outcome: Literal["passed", "failed", "error"]
    reason: str = ""


class Report(StatusModel):
    """All checks; where there is no room for all of `checks`, those that passed are left out first."""

    passed: bool
    total: int
    failed: int
    checks: tuple[Check, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether an answer was not as expected."""
        return any(check.outcome == "failed" for check in self.checks)


def parse_report(text: str) -> Report | None:
    """Read a termination message; None when it is no report."""
    try:
        report = Report.model_validate_json(text)
    except ValidationError:
        return None
    # What contradicts itself was not written by check-answers.
    honest = report.passed == (report.failed == 0) and report.total > 0 and not (report.passed and report.has_failed)
    return report if honest else None


def summary(report: Report) -> str:
    """Return a report in a sentence: `5/5 passed`, or how many did not, and the first of them with the reason."""
    said = f"{report.total - report.failed}/{report.total} passed"
    faults = [check for check in report.checks if check.outcome != "passed"]
    # An answer that is wrong tells more than one that did not come.
    faults.sort(key=lambda check: check.outcome != "failed")
    listed = [f"{check.name}: {_plain(check.reason) or check.outcome}" for check in faults[:_TOLD]]
    more = report.failed - len(listed)
    return "; ".join([said, *listed, *([f"and {more} more"] if listed and more > 0 else [])])


def _plain(text: str) -> str:
    """Keep what a terminal shows as it is: the text is of an image that anybody may have made."""
    return "".join(character if character.isprintable() else " " for character in text).strip()
