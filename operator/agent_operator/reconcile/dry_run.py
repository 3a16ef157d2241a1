"""Logs and counts the changes that the operator would write. With `--read-only`, it writes nothing."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from agent_operator.api import constants
from agent_operator.kube.objects import Key, Object, Ref, ref
from agent_operator.render.plan import Plan

log = logging.getLogger(__name__)

# Verb -> names of objects. The content is left out, because it may be secret.
Changes = Mapping[str, Sequence[str]]


class DryRun:
    """The pending changes of each agent. They are kept in memory: a restarted operator logs them again."""

    def __init__(self) -> None:
        self._pending: dict[Key, Changes] = {}

    def note_changes(self, key: Key, changes: Plan) -> None:
        """Record the changes that a pass would write."""
        applies = [(action.uid, ref(action.manifest["kind"], action.manifest)) for action in changes.applies]
        self._note(
            key,
            creates=[target for uid, target in applies if not uid],
            updates=[target for uid, target in applies if uid],
            deletes=[action.ref for action in changes.deletes],
        )

    def note_deletion(self, key: Key, agent: Object) -> None:
        """Record that an agent is being deleted, and whether it waits for the operator to remove the finalizer."""
        waits = constants.FINALIZER in (agent["metadata"].get("finalizers") or ())
        self._note(key, finishes=[Ref(constants.KIND, *key)] if waits else [])

    def count(self, agents: Iterable[Key]) -> int:
        """Count the agents that would be changed. Agents that no longer exist are forgotten."""
        existing = set(agents)
        self._pending = {key: changes for key, changes in self._pending.items() if key in existing}
        return len(self._pending)

    def _note(self, key: Key, **by_verb: Sequence[Ref]) -> None:
        """Log the pending changes of an agent if they differ from those that were logged last."""
        changes: Changes = {verb: [str(target) for target in targets] for verb, targets in by_verb.items() if targets}
        before = self._pending.pop(key, {})
        if changes:
            self._pending[key] = changes
        if changes != before:
            extra = {"agent": str(key), **changes}
            log.info("would change" if changes else "nothing to change", extra=extra)
