"""Reports an AgentDeployment that the operator cannot read."""

import logging

from agent_operator.api import constants
from agent_operator.api.problems import Problem
from agent_operator.api.reasons import Reason
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key
from agent_operator.kube.transport import ApiError
from agent_operator.reconcile.apply import StatusWriter
from agent_operator.reconcile.context import ReconcileContext
from agent_operator.status.builder import transitions
from agent_operator.status.conditions import failed

log = logging.getLogger(__name__)

# A tenant may create and delete any number of unreadable agents. Without the memory of it, a report is only repeated.
_MOST_REPORTED = 4_096


class UnreadableAgentReporter:
    """Writes the conditions of unreadable agents. Their status is unknown, so it remembers what it wrote."""

    def __init__(self, recorder: EventRecorder, status_writer: StatusWriter) -> None:
        self._recorder = recorder
        self._status_writer = status_writer
        self._reported: dict[Key, tuple[str, int, str]] = {}

    async def report(self, context: ReconcileContext, reason: str) -> None:
        """Report once per generation why an agent cannot be read. If its status is refused, emit only an Event.

        Raises:
            ApiError: the API server cannot be reached.
        """
        generation = context.agent["metadata"].get("generation", 0)
        report = (context.uid, generation, reason)
        if self._reported.get(context.key) == report:
            return
        message = f"the operator cannot read this AgentDeployment: {reason}: remove what is unusual in it, or delete it"
        problem = Problem(Reason.UNREADABLE, "", message)
        conditions = failed(problem, (), generation, context.now)
        try:
            await self._status_writer.write(context, {"conditions": conditions})
        except ApiError as error:
            if error.code == 0:
                raise
            log.warning("status not written", extra={"agent": str(context.key), "code": error.code})
            await self._recorder.emit(constants.KIND, context.agent, "Warning", problem.reason, problem.message)
        else:
            await self._recorder.record(context.agent, transitions((), conditions))
        if len(self._reported) >= _MOST_REPORTED:
            self._reported.clear()
        self._reported[context.key] = report
