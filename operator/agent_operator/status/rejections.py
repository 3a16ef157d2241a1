"""Explains why the API server rejected a child: field of the AgentDeployment, and reason without secrets. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api.problems import Problem, combine, shorten
from agent_operator.api.reasons import Reason
from agent_operator.kube.objects import Ref
from agent_operator.kube.session import ApiError, Cause
from agent_operator.status.field_paths import LONGEST_PATH, agent_path

Object = Mapping[str, Any]

LEFT_OUT = "(left out)"
# The message may quote the whole object.
_MAX_MESSAGE_CHARS = 2_048
_MAX_SEARCHED_CHARS = 16 * 1_024
_MAX_CAUSES = 20
# Values that are left out only where they are in quotes, because they may be a part of any sentence.
_WORD = re.compile(r".{0,3}|[A-Za-z]{4,7}", re.DOTALL)
# A message of server-side apply, with one field or with a list of fields.
_DECODING = re.compile(r"failed to [^()]{1,80} \([^()]{1,1024}\)(?: to [^():]{1,80}(?:\([^()]*\))?)?: (?:errors:)?")
_DECODED_FIELD = re.compile(r"\s*(\.[^\s:\"]*(?:\"[^\"]*\"[^\s:\"]*)*): (.+)")
# The start of a message of the API server about a value, and a value that is a string or a number.
_VALUE = re.compile(
    r'(?:(?:Invalid|Unsupported|Duplicate) value|Not found|Too (?:long|many)): (?:"(?:[^"\\]|\\.)*"|[-+.\w]+)(?=: |$)'
)
_QUOTING = re.compile(r"(?:(?:Invalid|Unsupported|Duplicate) value|Not found|Too (?:long|many)): ")
# A path in a sentence, such as the message of a webhook.
_PATH = re.compile(r"(?<![\w.\]])(?:spec|data)(?:\.[A-Za-z][\w-]{0,62}|\[[^\]\s]{1,253}\]){1,16}")
# A path of a variable's value, or of what contains the values of variables.
_MAY_QUOTE_VALUES = re.compile(
    r"spec(\.template(\.spec(\.(containers|initContainers)(\[[^\]]*\](\.env(\[[^\]]*\](\.value)?)?)?)?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class RejectedChild:
    """A child that the API server rejected.

    Attributes:
        target: the child.
        manifest: the child as the operator applies it.
        spec: spec of the AgentDeployment.
    """

    target: Ref
    manifest: Object
    spec: Object

    def problem(self, error: ApiError) -> Problem:
        """Return a problem for each cause, with the field of the AgentDeployment."""
        causes = error.causes or tuple(_decoding_causes(error.message[:_MAX_SEARCHED_CHARS]))
        if not causes:
            words = self.words(error.message)
            path = _PATH.search(words)
            field = agent_path(self.target.kind, path[0], self.manifest, self.spec) if path else ""
            return Problem(Reason.REJECTED, field, f"the API server rejected {self.target}: {words}")
        return combine(*(self._of_cause(cause) for cause in causes[:_MAX_CAUSES]))

    def _of_cause(self, cause: Cause) -> Problem:
        path = cause.field.lstrip(".")[:LONGEST_PATH]
        field = agent_path(self.target.kind, path, self.manifest, self.spec)
        reason = self._reason(path, cause.message)
        if not field:
            return Problem(Reason.REJECTED, "", f"the API server rejected {self.target}: {path}: {reason}")
        return Problem(Reason.REJECTED, field, f"{reason}: correct it (the API server rejected {self.target}: {path})")

    def _reason(self, path: str, message: str) -> str:
        """Return the message about a field. It quotes a value only if no secret can be in it."""
        if self.target.kind == "Secret":
            return without_value(message)
        return without_value(message) if _MAY_QUOTE_VALUES.fullmatch(path) else message[:_MAX_MESSAGE_CHARS]

    def words(self, message: str) -> str:
        """Return a message of the API server without values that may be secret."""
        if self.target.kind == "Secret":
            return "the reason is left out because it may quote the Secret"
        return without(message, variables(self.manifest))


def without_value(message: str) -> str:
    """Return a message of the API server about a field without the value, such as `Invalid value: "x": must be y`."""
    head = message[:_MAX_SEARCHED_CHARS]
    quoting = _QUOTING.match(head)
    if not quoting:
        return head[:_MAX_MESSAGE_CHARS]
    if found := _VALUE.match(head):
        rest = head[found.end() :]
    else:
        # The value is an object, as JSON or as a Go struct. Its end is the last brace before the reason.
        rest = head[head.rfind("}: ") + 1 :] if "}: " in head else ""
    return f"{quoting[0]}{LEFT_OUT}{rest}"[:_MAX_MESSAGE_CHARS]


def without(message: str, values: Iterable[str]) -> str:
    """Return the start of a message without these values, also where the message escapes or cuts them."""
    text = message[:_MAX_SEARCHED_CHARS]
    for value in sorted(set(values), key=len, reverse=True):
        for form in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            text = _replaced(text, form)
    return shorten(text[:_MAX_MESSAGE_CHARS])


def _replaced(text: str, value: str) -> str:
    if _WORD.fullmatch(value):
        return text.replace(f'"{value}"', f'"{LEFT_OUT}"') if value else text
    text = text.replace(value, LEFT_OUT)
    # The message ends within the value.
    start = text.find(value[:_MAX_MESSAGE_CHARS]) if len(value) > _MAX_MESSAGE_CHARS else -1
    return text if start < 0 else text[:start] + LEFT_OUT


def variables(manifest: Object) -> Iterator[str]:
    """Yield the values of the environment variables in the pod template of a child."""
    template = (manifest.get("spec") or {}).get("template")
    if manifest.get("kind") not in ("Deployment", "Job") or not isinstance(template, Mapping):
        return
    for kind in ("containers", "initContainers"):
        for container in template["spec"].get(kind) or ():
            for variable in container.get("env") or ():
                if isinstance(value := variable.get("value"), str):
                    yield value


def _decoding_causes(message: str) -> Iterator[Cause]:
    """Yield the fields that a message of server-side apply names."""
    head = _DECODING.match(message)
    if head is None:
        return
    for line in message[head.end() :].splitlines():
        if found := _DECODED_FIELD.fullmatch(line):
            yield Cause(found[1], found[2])
