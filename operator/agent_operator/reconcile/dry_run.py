"""What the operator would do: `--read-only` tells of it, and does nothing."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from agent_operator.api import constants
from agent_operator.kube.objects import Key, Object, Ref, ref
from agent_operator.render.plan import Plan

log = logging.getLogger(__name__)

# Verb -> objects, as a log has room for them: which, and never what is in them.
Changes = Mapping[str, Sequence[str]]


class Preview:
    """What is pending for each agent. In memory only: the first pass over an agent finds it anew."""

    def __init__(self) -> None:
        self._pending: dict[Key, Changes] = {}

    def note(self, key: Key, changes: Changes) -> None:
        """Take in what a pass would have done; log it once, and again when it has become something else."""
        before = self._pending.pop(key, {})
        if changes:
            self._pending[key] = changes
        if changes != before:
            log.info("would change" if changes else "nothing to change", extra={"agent": _named(key), **changes})

    def count(self, agents: Iterable[Key]) -> int:
        """Count the agents that would be changed, of those that there still are."""
        there = set(agents)
        self._pending = {key: changes for key, changes in self._pending.items() if key in there}
        return len(self._pending)


def of_plan(todo: Plan) -> Changes:
    """Tell what a plan would do."""
    applies = [(action, ref(action.manifest["kind"], action.manifest)) for action in todo.applies]
    return _filled(
        creates=[target for action, target in applies if not action.uid],
        updates=[target for action, target in applies if action.uid],
        deletes=[action.ref for action in todo.deletes],
    )


def of_end(agent: Object) -> Changes:
    """Tell what is to be done for an agent that is being deleted: to take away what no owner reference does."""
    meta = agent["metadata"]
    waits = constants.FINALIZER in (meta.get("finalizers") or ())
    return _filled(finishes=[Ref(constants.KIND, meta["namespace"], meta["name"])] if waits else [])


def _filled(**by_verb: Sequence[Ref]) -> Changes:
    return {verb: [str(target) for target in targets] for verb, targets in by_verb.items() if targets}


def _named(key: Key) -> str:
    return f"{key.namespace}/{key.name}"
