"""Reports an agent that no pass can process: its object cannot be read, or the operator has a bug."""

import logging

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.apply import StatusWriter
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.status.conditions import merge_conditions

log = logging.getLogger(__name__)


class FailureReporter:
    """Writes the conditions Ready and Stalled, and keeps the other fields of the status."""

    def __init__(self, recorder: EventRecorder, status_writer: StatusWriter) -> None:
        self._recorder = recorder
        self._status_writer = status_writer
        # The status of an unreadable agent is unknown, so remember what was reported about which generation.
        self._reported: dict[Key, tuple[str, int, Problem]] = {}

    async def report(self, context: ReconcileContext, problem: Problem) -> None:
        """Report a problem. If the API server refuses the status, report it as an Event only."""
        generation = context.agent["metadata"].get("generation", 0)
        report = (context.uid, generation, problem)
        if not context.status and self._reported.get(context.key) == report:
            return
        before = context.status.get("conditions") or ()
        condition = {"reason": problem.reason, "message": problem.message}
        found = [{"type": "Ready", "status": "False"} | condition, {"type": "Stalled", "status": "True"} | condition]
        merged = list(merge_conditions(found, before, generation, context.now))
        others = [it for it in before if it["type"] not in ("Ready", "Stalled", "Reconciling")]
        try:
            await self._status_writer.write(context, {**context.status, "conditions": [*others, *merged]})
            await self._recorder.record(context.agent, before, merged)
        except ApiError as error:
            log.warning("status not written", extra={"agent": str(context.key), "code": error.code})
            if error.code == 0:
                return
            await self._recorder.emit(constants.KIND, context.agent, "Warning", problem.reason, problem.message)
        self._reported[context.key] = report


def unreadable_agent(reason: str) -> Problem:
    """Describe an AgentDeployment that cannot be read."""
    message = f"the operator cannot read this AgentDeployment: {reason}: remove unusual content from it, or delete it"
    return Problem(Reason.UNREADABLE, "", message)


def internal_error(error: Exception) -> Problem:
    """Describe a bug of the operator. The text of the error may contain values of the spec."""
    message = f"the operator failed with {type(error).__name__} and retries: its log has the details; please report it"
    return Problem(Reason.INTERNAL_ERROR, "", message)
