"""What callers may ask, in either version of the protocol; fields that are not known are left alone."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from agent_runtime.a2a.rpc import CONTENT_TYPE_NOT_SUPPORTED, INVALID_PARAMS, RpcError
from agent_runtime.config import explain

# A context is a session, and is named like one.
CONTEXT_ID = r"^[A-Za-z0-9._~-]{0,128}$"


class Params(BaseModel):
    """camelCase, immutable."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True, extra="ignore", defer_build=True)


class Part(Params):
    """A part of a message; the agent reads text."""

    text: str | None = None


class Message(Params):
    """A message to the agent. An empty id counts as none: that is how protobuf writes it."""

    message_id: str = Field(min_length=1, max_length=256)
    context_id: str | None = Field(None, pattern=CONTEXT_ID)
    task_id: str | None = Field(None, max_length=256)
    parts: list[Part] = Field(min_length=1)

    @property
    def text(self) -> str:
        """What it says.

        Raises:
            RpcError: a part is something else than text, or all are empty.
        """
        texts = [part.text for part in self.parts if part.text is not None]
        if len(texts) < len(self.parts):
            raise RpcError(CONTENT_TYPE_NOT_SUPPORTED, "params.message.parts: only text is read")
        if not (text := "\n".join(texts)).strip():
            raise RpcError(INVALID_PARAMS, "params.message.parts: there is no text in them")
        return text


class Configuration(Params):
    """How the caller wants its answer."""

    blocking: bool | None = None
    return_immediately: bool | None = None
    history_length: int | None = Field(None, ge=0)
    push_notification_config: dict[str, Any] | None = None
    task_push_notification_config: dict[str, Any] | None = None

    @property
    def waits(self) -> bool:
        """The caller waits for the task's end."""
        return self.blocking is not False and not self.return_immediately


class Send(Params):
    """Of SendMessage, message/send and the streaming ones."""

    message: Message
    configuration: Configuration = Configuration()


class Named(Params):
    """Of methods about one task."""

    id: str = Field(max_length=256)
    history_length: int | None = Field(None, ge=0)


AnyParams = TypeVar("AnyParams", bound=Params)


def read(kind: type[AnyParams], params: dict[str, Any]) -> AnyParams:
    """The params as their model.

    Raises:
        RpcError: names every field at fault; values are not quoted.
    """
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, explain(error, "params").replace("\n", "; ")) from None
