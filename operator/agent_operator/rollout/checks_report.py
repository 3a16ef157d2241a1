"""The report of `agent-runtime check-answers`, which it writes as the termination message of its container."""

from typing import Literal

from pydantic import ValidationError

from agent_operator.api.base import StatusModel
from agent_runtime.config.terminal import one_line

_SHOWN_CHECKS = 5
# The kubelet keeps 4 KiB of a termination message.
_MAX_CHARS = 16 * 1024


class CheckOutcome(StatusModel):
    """The outcome of one check. `error`: there was no answer, or it could not be judged."""

    name: str
    outcome: Literal["passed", "failed", "error"]
    reason: str = ""


class ChecksReport(StatusModel):
    """The outcome of all checks. If the termination message has no room, it leaves out checks that passed."""

    passed: bool
    total: int
    failed: int
    checks: tuple[CheckOutcome, ...] = ()

    @property
    def has_wrong_answer(self) -> bool:
        """Whether an answer was wrong, as opposed to missing."""
        return any(check.outcome == "failed" for check in self.checks)


def parse_report(text: str) -> ChecksReport | None:
    """Read a termination message; None when it is not a report."""
    if len(text) > _MAX_CHARS:
        return None
    try:
        report = ChecksReport.model_validate_json(text)
    except ValidationError:
        return None
    # Any process in the pod can write a termination message. check-answers does not contradict itself.
    consistent = report.passed == (report.failed == 0) and not (report.passed and report.has_wrong_answer)
    return report if consistent and report.total > 0 else None


def summary(report: ChecksReport) -> str:
    """Return a report in one sentence: `5/5 passed`, or how many passed and why the first failed ones failed."""
    passed = f"{report.total - report.failed}/{report.total} passed"
    others = [check for check in report.checks if check.outcome != "passed"]
    # Wrong answers first: a missing answer can have a cause outside of the agent.
    others.sort(key=lambda check: check.outcome != "failed")
    shown = [f"{check.name}: {one_line(check.reason) or check.outcome}" for check in others[:_SHOWN_CHECKS]]
    more = report.failed - len(shown)
    return "; ".join([passed, *shown, *([f"and {more} more"] if shown and more > 0 else [])])
