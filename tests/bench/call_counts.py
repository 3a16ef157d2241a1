"""How much code a reconcile pass runs: Python calls and modules of agent_operator, over a minimal echo agent.

    python tests/bench/call_counts.py [--by-module]

The reconciler is the real one. The API server is a dictionary, so that the counts are the same in each run. Counted are
the functions, comprehensions and generators of agent_operator that the interpreter enters, from `Reconciler.reconcile`
to its return: in the first pass of the process, which creates all children, and in a second one, which changes nothing.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, cast

import agent_operator
from agent_operator.fleet.version_resolver import VersionDecision
from agent_operator.inputs.agent_inputs import Platform
from agent_operator.kube.cache import Store
from agent_operator.kube.client import Cluster
from agent_operator.kube.event_recorder import EventRecorder
from agent_operator.kube.objects import Key
from agent_operator.kube.resources import BY_NAME
from agent_operator.kube.transport import ApiError, Transport
from agent_operator.reconcile.dry_run import DryRun
from agent_operator.reconcile.factory import make_reconciler
from agent_operator.reconcile.reconciler import Reconciler
from agent_operator.rollout.analysis.client import Scraper
from agent_operator.rollout.planner import RolloutPlanner
from localkube.apiserver.fields.defaults import default

Object = dict[str, Any]
PACKAGE = str(Path(agent_operator.__file__).parent)
NAMESPACE, NAME = "demo", "echo"
NOW = "2026-01-01T00:00:00Z"
AGENT: Object = {
    "apiVersion": "agent-operator.dev/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "0", "generation": 1, "resourceVersion": "1"},
    "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}},
}


class MemoryApi:
    """The part of Transport that a pass uses, over a dictionary of paths and objects."""

    def __init__(self, agent: Object) -> None:
        self._agent_path = "/apis/agent-operator.dev/v1alpha1/namespaces/{namespace}/agentdeployments/{name}".format(
            **agent["metadata"]
        )
        self.objects: dict[str, Object] = {self._agent_path: agent}
        self._versions = count(2)

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Object:
        """Answer as the API server does: with defaults, but without validation."""
        if method == "GET":
            if path not in self.objects:
                raise ApiError(404, "NotFound", path)
            return self.objects[path]
        version = str(next(self._versions))
        if path == f"{self._agent_path}/status":
            agent = self.agent
            status = {key: value for key, value in body["status"].items() if value is not None}
            agent = agent | {"status": agent.get("status", {}) | status}
            self.objects[self._agent_path] = agent | {"metadata": agent["metadata"] | {"resourceVersion": version}}
            return self.agent
        if path in self.objects and body["metadata"].get("resourceVersion"):
            raise ApiError(409, "AlreadyExists", path)
        meta = {"uid": version, "generation": 1} | body["metadata"] | {"resourceVersion": version}
        self.objects[path] = default(_gvk(body), body | {"metadata": meta})
        return self.objects[path]

    @property
    def agent(self) -> Object:
        """The AgentDeployment."""
        return self.objects[self._agent_path]

    @property
    def children(self) -> list[Object]:
        """What the operator has created, except Events."""
        return [obj for obj in self.objects.values() if obj["kind"] in BY_NAME]


def _gvk(obj: Object) -> tuple[str, str, str]:
    group, _, version = obj["apiVersion"].rpartition("/")
    return group, version, obj["kind"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls by file of agent_operator."""

    by_module: Counter[str]

    @property
    def calls(self) -> int:
        """All calls."""
        return self.by_module.total()

    @property
    def modules(self) -> int:
        """Python modules that any call entered; templates are none."""
        return sum(name.endswith(".py") for name in self.by_module)


async def measure() -> tuple[Counts, Counts]:
    """Count the first and the second pass over the same agent."""
    loop = asyncio.get_running_loop()
    api, store = MemoryApi(AGENT), Store(loop.time)
    reconciler = wire(api, store, loop)
    return await _pass(reconciler, store, api), await _pass(reconciler, store, api)


def wire(api: MemoryApi, store: Store, loop: asyncio.AbstractEventLoop, dry_run: DryRun | None = None) -> Reconciler:
    """Wire a reconciler as the manager does."""
    cluster = Cluster(cast(Transport, api))
    return make_reconciler(
        store=store,
        cluster=cluster,
        recorder=EventRecorder(cluster, "bench"),
        rollout_planner=RolloutPlanner(cluster, Scraper(), loop.time),
        resolve_version=lambda _agent: VersionDecision(),
        served=lambda kind: BY_NAME[kind].versions[0],
        platform=Platform(),
        namespaces=(),
        references_lifetime=45,
        clock=loop.time,
        now=lambda: NOW,
        dry_run=dry_run,
    )


async def _pass(reconciler: Reconciler, store: Store, api: MemoryApi) -> Counts:
    """Show the store what the API server has, and count one pass."""
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
    found = {}
    for name, counts in zip(("first", "second"), asyncio.run(measure()), strict=True):
        found[name] = {"calls": counts.calls, "modules": counts.modules}
        if by_module:
            found[name]["by_module"] = dict(counts.by_module.most_common())
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
