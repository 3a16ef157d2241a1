"""Cache of the content of referenced objects, limited in time and in bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from hashlib import blake2b
from typing import Generic, TypeVar

from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.inputs import service_targets
from agent_operator.kube.objects import Object, Ref
from agent_operator.kube.resources import SECRET, SERVICE, SERVICE_ACCOUNT

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")

MAX_KEYS = 1_024
"""Keys of a Secret or ConfigMap. The environment of a process has far fewer variables."""
MAX_BYTES = 16 * 1024 * 1024
# What Python needs for an entry in addition to its text.
_ENTRY_BYTES = 200


class ByteCache(Generic[Name, Value]):
    """Entries that expire after `lifetime` seconds, limited in bytes. The oldest are removed first."""

    def __init__(self, clock: Callable[[], float], lifetime: float) -> None:
        self.lifetime = lifetime
        self._clock = clock
        # In the order in which they were added.
        self._entries: OrderedDict[Name, tuple[float, Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, name: Name) -> Value | None:
        """Return an entry that was added within the lifetime; None if there is none."""
        entry = self._entries.get(name)
        return entry[1] if entry is not None and self._clock() - entry[0] < self.lifetime else None

    def add(self, name: Name, value: Value, size: int) -> None:
        """Add an entry of this size in bytes, and remove the oldest ones."""
        self.remove(name)
        self._entries[name] = (self._clock(), value, size)
        self._bytes += size
        oldest = self._clock() - 2 * self.lifetime
        while self._entries and (self._bytes > MAX_BYTES or next(iter(self._entries.values()))[0] <= oldest):
            self.remove(next(iter(self._entries)))

    def remove(self, name: Name) -> None:
        """Remove an entry, if it exists."""
        entry = self._entries.pop(name, None)
        self._bytes -= entry[2] if entry is not None else 0


class ReferenceCache(ByteCache[Ref, Mapping[str, str]]):
    """Contains one hash per key of a Secret, the data of a ConfigMap, some annotations of a ServiceAccount."""

    def add_object(self, target: Ref, obj: Object) -> Mapping[str, str]:
        """Add an object, and return its content.

        Raises:
            ProblemError: it has too many keys.
        """
        content = _content(target, obj)
        size = _ENTRY_BYTES + sum(len(key) + len(value) + _ENTRY_BYTES for key, value in content.items())
        self.add(target, content, size)
        return content


def _content(target: Ref, obj: Object) -> Mapping[str, str]:
    """Return the part of an object that the operator uses."""
    if target.kind == SERVICE_ACCOUNT.kind:
        annotations = obj["metadata"].get("annotations") or {}
        used = (constants.ANNOTATION_CLIENT_ID, constants.ANNOTATION_TENANT_ID)
        return {key: annotations[key] for key in used if key in annotations}
    if target.kind == SERVICE.kind:
        return service_targets.content(obj)
    data: Mapping[str, str] = obj.get("data") or {}
    if len(data) > MAX_KEYS:
        message = f"{target} has more than {MAX_KEYS} keys: split it, and reference the part that the agent uses"
        raise ProblemError(Problem(Reason.REFERENCE_TOO_LARGE, "", message, retry=True))
    if target.kind == SECRET.kind:
        return {key: blake2b(value.encode(), digest_size=16).hexdigest() for key, value in data.items()}
    return data
