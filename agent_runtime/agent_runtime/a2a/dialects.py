"""The two versions of A2A that are spoken, which differ in names: 1.0 (SendMessage) and 0.3 (message/send)."""

from dataclasses import dataclass
from typing import Any

from agent_runtime.a2a.tasks import Task

Json = dict[str, Any]
ARTIFACT_ID = "answer"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one version writes things down."""

    version: str

    @property
    def _old(self) -> bool:
        return self.version == "0.3"

    def sent(self, task: Task, history: int | None = None) -> Json:
        """The answer to a message that was sent: the task."""
        return self.task(task, history) if self._old else {"task": self.task(task, history)}

    def task(self, task: Task, history: int | None = None) -> Json:
        """A task as it is now.

        Args:
            task: the task.
            history: how many of its messages to tell; all when not given.
        """
        told: Json = {"id": task.id, "contextId": task.context_id, "status": self._status(task)}
        if text := task.text:
            told["artifacts"] = [self._artifact(text)]
        if history != 0:
            told["history"] = [self._message(task, "user", task.message_id, task.message)]
        return told | self._kind("task")

    def piece(self, task: Task, text: str, *, first: bool) -> Json:
        """More of the answer."""
        update = {
            "taskId": task.id,
            "contextId": task.context_id,
            "artifact": self._artifact(text),
            "append": not first,
            "lastChunk": False,
        }
        return update | self._kind("artifact-update") if self._old else {"artifactUpdate": update}

    def status(self, task: Task) -> Json:
        """The state that the task is in now."""
        update = {"taskId": task.id, "contextId": task.context_id, "status": self._status(task)}
        if self._old:
            return update | {"final": task.ended} | self._kind("status-update")
        return {"statusUpdate": update}

    def _status(self, task: Task) -> Json:
        state = task.state.value if self._old else f"TASK_STATE_{task.state.name}"
        stamp = task.since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        status: Json = {"state": state, "timestamp": stamp}
        if task.reason:
            message = self._message(task, "agent", f"{task.id}-status", task.reason)
            status["message"] = message | {"metadata": {"code": task.code}}
        return status

    def _message(self, task: Task, role: str, message_id: str, text: str) -> Json:
        message = {
            "messageId": message_id,
            "contextId": task.context_id,
            "taskId": task.id,
            "role": role if self._old else f"ROLE_{role.upper()}",
            "parts": [self._part(text)],
        }
        return message | self._kind("message")

    def _artifact(self, text: str) -> Json:
        return {"artifactId": ARTIFACT_ID, "parts": [self._part(text)]}

    def _part(self, text: str) -> Json:
        return {"text": text} | self._kind("text")

    def _kind(self, kind: str) -> Json:
        # 1.0 tells an object's kind by the field that holds it.
        return {"kind": kind} if self._old else {}


V1 = Dialect("1.0")
V0_3 = Dialect("0.3")
