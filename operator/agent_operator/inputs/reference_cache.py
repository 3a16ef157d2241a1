"""Cache of the content of referenced objects, limited in time and in bytes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b

from agent_operator.api import constants
from agent_operator.api.problems import Problem, ProblemError
from agent_operator.api.reasons import Reason
from agent_operator.inputs import service_targets
from agent_operator.kube.objects import Object, Ref
from agent_operator.kube.resources import SECRET, SERVICE, SERVICE_ACCOUNT

MAX_KEYS = 1_024
"""Keys of a Secret or ConfigMap. The environment of a process has far fewer variables."""
MAX_BYTES = 16 * 1024 * 1024
# What Python needs for an entry in addition to its text.
_ENTRY_BYTES = 200


class ReferenceCache:
    """Contains one hash per key of a Secret, the data of a ConfigMap, some annotations of a ServiceAccount."""

    def __init__(self, clock: Callable[[], float], lifetime: float) -> None:
        self.lifetime = lifetime
        self._clock = clock
        # In the order in which they were read.
        self._cached: OrderedDict[Ref, tuple[float, Mapping[str, str], int]] = OrderedDict()
        self._bytes = 0

    def get(self, target: Ref) -> Mapping[str, str] | None:
        """Return the content of an object that was read within the lifetime; None if there is none."""
        entry = self._cached.get(target)
        return entry[1] if entry is not None and self._clock() - entry[0] < self.lifetime else None

    def add(self, target: Ref, obj: Object) -> Mapping[str, str]:
        """Add an object, remove the oldest ones, and return its content.

        Raises:
            ProblemError: it has too many keys.
        """
        content = _content(target, obj)
        size = _ENTRY_BYTES + sum(len(key) + len(value) + _ENTRY_BYTES for key, value in content.items())
        self._remove(target)
        self._cached[target] = (self._clock(), content, size)
        self._bytes += size
        oldest = self._clock() - 2 * self.lifetime
        while self._cached and (self._bytes > MAX_BYTES or next(iter(self._cached.values()))[0] <= oldest):
            self._remove(next(iter(self._cached)))
        return content

    def _remove(self, target: Ref) -> None:
        _, _, size = self._cached.pop(target, (0.0, {}, 0))
        self._bytes -= size


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
