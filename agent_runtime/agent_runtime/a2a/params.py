"""The params of the calls, in both protocol versions. Unknown fields are ignored."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from agent_runtime.a2a.rpc import CONTENT_TYPE_NOT_SUPPORTED, INVALID_PARAMS, RpcError
from agent_runtime.config import explain
from agent_runtime.http.session_ids import SessionId

# A context is a session of the agent. Its id may be empty, because protobuf clients send an unset field so.
ContextId = SessionId | Literal[""]


class Params(BaseModel):
    """Base of all params: camelCase in JSON, immutable."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True, extra="ignore", defer_build=True)


class TextPart(Params):
    """A part of a message. The agent reads only text."""

    text: str | None = None


class SentMessage(Params):
    """A message to the agent. An empty context_id or task_id counts as unset."""

    message_id: str = Field(min_length=1, max_length=256)
    context_id: ContextId | None = None
    task_id: str | None = Field(None, max_length=256)
    parts: list[TextPart] = Field(min_length=1)

    @property
    def text(self) -> str:
        """The text of all parts.

        Raises:
            RpcError: a part is not text, or all parts are empty.
        """
        texts = [part.text for part in self.parts if part.text is not None]
        if len(texts) < len(self.parts):
            raise RpcError(CONTENT_TYPE_NOT_SUPPORTED, "params.message.parts: unsupported kind of part: send text")
        if not (text := "\n".join(texts)).strip():
            raise RpcError(INVALID_PARAMS, "params.message.parts: the text is empty: send a message")
        return text


class SendConfiguration(Params):
    """How the caller wants to get the answer."""

    blocking: bool | None = None
    return_immediately: bool | None = None
    history_length: int | None = Field(None, ge=0)
    push_notification_config: dict[str, Any] | None = None
    task_push_notification_config: dict[str, Any] | None = None

    @property
    def waits(self) -> bool:
        """Whether the caller waits until the task has ended."""
        return self.blocking is not False and not self.return_immediately


class SendParams(Params):
    """Params of SendMessage and SendStreamingMessage (0.3: message/send and message/stream)."""

    message: SentMessage
    configuration: SendConfiguration = SendConfiguration()


class TaskParams(Params):
    """Params of the methods for one task."""

    id: str = Field(max_length=256)
    history_length: int | None = Field(None, ge=0)


AnyParams = TypeVar("AnyParams", bound=Params)


def read(kind: type[AnyParams], params: dict[str, Any]) -> AnyParams:
    """Validate params.

    Raises:
        RpcError: fields are invalid. The message names all of them and quotes no value.
    """
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, explain(error, "params").replace("\n", "; ")) from None
