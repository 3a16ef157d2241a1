"""The JSON of both supported A2A versions. They differ in names: 1.0 has SendMessage where 0.3 has message/send."""

from dataclasses import dataclass
from typing import Any

from agent_runtime.a2a.tasks import Task, TaskState

Json = dict[str, Any]
ARTIFACT_ID = "answer"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Renders tasks and their updates as JSON of one protocol version."""

    version: str

    @property
    def _is_0_3(self) -> bool:
        return self.version == "0.3"

    def sent(self, task: Task, history: int | None = None) -> Json:
        """Return the result of a call that sends a message: its task."""
        return self.task(task, history) if self._is_0_3 else {"task": self.task(task, history)}

    def task(self, task: Task, history: int | None = None) -> Json:
        """Return the present state of a task.

        Args:
            task: the task.
            history: how many of its messages to include; None for all.
        """
        fields: Json = {"id": task.id, "contextId": task.context_id, "status": self._status(task)}
        if text := task.text:
            fields["artifacts"] = [self._artifact(text)]
        fields |= _metadata(task)
        if history != 0:
            fields["history"] = [self._message(task, "user", task.message_id, task.message)]
        return fields | self._kind("task")

    def artifact_update(self, task: Task, text: str, *, first: bool) -> Json:
        """Return the event for the next part of the answer."""
        update = {
            "taskId": task.id,
            "contextId": task.context_id,
            "artifact": self._artifact(text),
            "append": not first,
            "lastChunk": False,
        }
        return update | self._kind("artifact-update") if self._is_0_3 else {"artifactUpdate": update}

    def status_update(self, task: Task) -> Json:
        """Return the event for the present state of the task."""
        update = {"taskId": task.id, "contextId": task.context_id, "status": self._status(task)} | _metadata(task)
        if self._is_0_3:
            return update | {"final": task.ended} | self._kind("status-update")
        return {"statusUpdate": update}

    def _status(self, task: Task) -> Json:
        state = task.state.value if self._is_0_3 else f"TASK_STATE_{task.state.name}"
        timestamp = task.since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        status: Json = {"state": state, "timestamp": timestamp}
        if task.reason:
            message = self._message(task, "agent", f"{task.id}-status", task.reason)
            status["message"] = message | {"metadata": {"code": task.code}}
        return status

    def _message(self, task: Task, role: str, message_id: str, text: str) -> Json:
        message = {
            "messageId": message_id,
            "contextId": task.context_id,
            "taskId": task.id,
            "role": role if self._is_0_3 else f"ROLE_{role.upper()}",
            "parts": [self._part(text)],
        }
        return message | self._kind("message")

    def _artifact(self, text: str) -> Json:
        return {"artifactId": ARTIFACT_ID, "parts": [self._part(text)]}

    def _part(self, text: str) -> Json:
        return {"text": text} | self._kind("text")

    def _kind(self, kind: str) -> Json:
        # In 1.0 the name of the field that contains an object implies its kind.
        return {"kind": kind} if self._is_0_3 else {}


def _metadata(task: Task) -> Json:
    """Return the finish reason of an answer as metadata. It is the code of a completed task."""
    return {"metadata": {"finish_reason": task.code}} if task.state is TaskState.COMPLETED and task.code else {}


V1 = Dialect("1.0")
V0_3 = Dialect("0.3")
