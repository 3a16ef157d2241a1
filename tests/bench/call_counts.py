"""Count the Python calls and modules of agent_operator in a reconcile of a minimal echo agent.

    python -m tests.bench.call_counts [--by-module]

The API server is a dictionary, so that the counts are the same in each run. Counted are
the functions, comprehensions and generators of agent_operator that the interpreter enters, from `Reconciler.reconcile`
to its return: in the first reconcile, which creates all children, and in the next one, which changes nothing.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import agent_operator
from agent_operator.kube.cache import Store
from agent_operator.kube.objects import Key
from agent_operator.reconcile.reconciler import Reconciler
from tests.memory_api import AGENT, NAME, NAMESPACE, MemoryApi, wire

PACKAGE = str(Path(agent_operator.__file__).parent)


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls by file of agent_operator."""

    by_module: Counter[str]

    @property
    def calls(self) -> int:
        """Number of all calls."""
        return self.by_module.total()

    @property
    def modules(self) -> int:
        """Number of Python modules with a call, without templates."""
        return sum(name.endswith(".py") for name in self.by_module)


async def measure() -> tuple[Counts, Counts]:
    """Count the first and the second pass over the same agent."""
    loop = asyncio.get_running_loop()
    api, store = MemoryApi(AGENT), Store(loop.time)
    reconciler = wire(api, store, loop)
    return await _pass(reconciler, store, api), await _pass(reconciler, store, api)


async def _pass(reconciler: Reconciler, store: Store, api: MemoryApi) -> Counts:
    """Fill the cache from the API server, and count one reconcile."""
    key = Key(NAMESPACE, NAME)
    store.observe_agent("ADDED", api.agent)
    for child in api.children:
        store.observe(child["kind"], "ADDED", child)
    if not store.begin_pass(key):
        raise RuntimeError("the store still waits for writes of the pass before")
    counts: Counter[str] = Counter()

    def count_call(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            counts[frame.f_code.co_filename.removeprefix(PACKAGE + "/")] += 1

    sys.setprofile(count_call)
    try:
        result = await reconciler.reconcile(key)
    finally:
        sys.setprofile(None)
    store.end_pass(key)
    if result.invalid or result.blocked or result.incomplete:
        raise RuntimeError(f"the pass failed: {api.agent.get('status')}")
    return Counts(counts)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by-module", action="store_true", help="list the calls of each module, too")
    by_module = parser.parse_args().by_module
    found: dict[str, dict[str, Any]] = {}
    for name, counts in zip(("first", "second"), asyncio.run(measure()), strict=True):
        found[name] = {"calls": counts.calls, "modules": counts.modules}
        if by_module:
            found[name]["by_module"] = dict(counts.by_module.most_common())
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
