"""The manifests of an agent of which one revision runs, or a second beside it. Pure.

What is rendered is always the current spec: Service, Ingress and the rest. Of older revisions come the pod template
and the ConfigMap that belongs to it, and what their config needs the NetworkPolicy to leave open.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_operator.api import constants
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Ref, ref
from agent_operator.render import Rendered, Revision
from agent_operator.render.canonical import Manifest, canonical, with_manifest_hash
from agent_operator.render.config import config_map
from agent_operator.render.deployment import Role, deployment
from agent_operator.rollout.revisions import KEPT, RevisionRecord, manifest, records_to_keep
from agent_operator.rollout.state import CanaryPhase, RolloutInputs

_ALL = 100


@dataclass(frozen=True, slots=True)
class RolloutManifests:
    """What is to be there.

    Attributes:
        rendered: the current rendering, with the manifests that are to be applied, in order.
        retained: objects that stay as they are.
    """

    rendered: Rendered
    retained: frozenset[Ref]


def compose(
    inputs: Inputs,
    rendered: Rendered,
    seen: RolloutInputs,
    state: RolloutStatus,
    contents: Mapping[str, Revision],
    *,
    checks: Sequence[Manifest] = (),
) -> RolloutManifests:
    """Put together what is to be there.

    Args:
        inputs: the agent.
        rendered: the current spec, rendered.
        seen: what was decided on.
        state: the decision.
        contents: the revisions that are needed, by name; one that is missing leaves its Deployment as it is.
        checks: the Job that checks the canary, and what it needs.
    """
    replicas = inputs.fixed_replicas
    made = {it["kind"]: it for it in rendered.manifests}
    held = _kept(rendered, seen, state)
    stable = contents.get(state.stable or "")
    canary = state.canary if state.canary and state.canary.revision in contents else None
    if stable is None:
        held |= {ref(kind, made.pop(kind)) for kind in ("Deployment", "ConfigMap")}
    else:
        made["ConfigMap"] = config_map(inputs, stable)
        made["Deployment"] = deployment(inputs, stable, _stable_replicas(seen, state, replicas), Role.STABLE)
    opened = [revision for name, revision in contents.items() if name in _running(state)]
    if seen.rollout.strategy == "Canary":
        made |= _shared(made)
    made |= _opened(made, opened)
    more = _records(rendered, seen, state, contents)
    if canary is not None:
        most = made["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] if "HorizontalPodAutoscaler" in made else None
        size = canary_size(canary, seen, replicas, most=most)
        revision = contents[canary.revision]
        more += [
            config_map(inputs, revision),
            _canary_service(made["Service"]),
            deployment(inputs, revision, size, Role.CANARY),
        ]
        more += checks if canary.phase != CanaryPhase.STARTING or canary.checks else ()
        made |= _beside(made, canary, size, promoting=canary.phase == CanaryPhase.PROMOTING)
    elif state.canary is not None:
        held |= _canary_refs(rendered)
    told = replace(rendered, manifests=tuple(_ordered(rendered, made, more)))
    if stable is not None:
        # What the status tells is of the pods, not of what this operator would make of the spec today.
        told = replace(told, model=stable.model, runtime_version=stable.runtime_version)
    return RolloutManifests(told, frozenset(held))


def canary_size(canary: CanaryStatus, seen: RolloutInputs, replicas: int | None, *, most: int | None = None) -> int:
    """Return how many pods the canary gets. `most`: of all pods, where there is an autoscaler."""
    share = canary.weight / _ALL
    # An autoscaler looks after the stable pods alone: what they have is the rest of the whole.
    wanted = seen.stable.wanted * share / (1 - share) if replicas is None else replicas * share
    size = max(1, int(wanted + 0.5))
    # What it took from pods that the autoscaler has just added would have them go, and itself shrink: to and fro.
    return size if most is None else min(size, max(1, most - seen.stable.wanted))


def _stable_replicas(seen: RolloutInputs, state: RolloutStatus, replicas: int | None) -> int | None:
    """Return what the stable Deployment gets: it makes room for canary pods as they become available."""
    canary = state.canary
    if replicas is None or canary is None or canary.phase == CanaryPhase.PROMOTING:
        return replicas
    room = min(canary_size(canary, seen, replicas), seen.canary.available)
    return min(replicas, max(1, replicas - room))


def _canary_service(like: Manifest) -> Manifest:
    """Return a Service of the canary alone: for the checks, and for a Gateway. Nothing scrapes it."""
    meta = like["metadata"]
    name = constants.canary(meta["name"])
    labels = meta["labels"] | {constants.LABEL_COMPONENT: "canary"}
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in like["spec"]["ports"]]
    spec = {"ports": ports, "selector": {constants.LABEL_APP: name}, "type": "ClusterIP"}
    return with_manifest_hash(
        like | {"metadata": meta | {"name": name, "labels": labels, "annotations": {}}, "spec": spec}
    )


def _shared(made: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """Have what selects the stable pods select the canary's too."""
    both = {
        constants.LABEL_AGENT: made["Service"]["metadata"]["labels"][constants.LABEL_AGENT],
        constants.LABEL_COMPONENT: constants.COMPONENT_AGENT,
    }
    found = {"PodDisruptionBudget": _with_spec(made["PodDisruptionBudget"], selector={"matchLabels": both})}
    if "HTTPRoute" not in made:
        # Where a Gateway weighs the requests, the Service must lead to the stable pods alone.
        found["Service"] = _with_spec(made["Service"], selector=both)
    return found


def _opened(made: Mapping[str, Manifest], revisions: Iterable[Revision]) -> dict[str, Manifest]:
    """Leave open what any revision that runs needs."""
    policy = made.get("NetworkPolicy")
    if policy is None:
        return {}
    egress = list(policy["spec"].get("egress", []))
    egress += [rule for revision in revisions for rule in revision.egress or () if rule not in egress]
    return {"NetworkPolicy": _with_spec(policy, egress=egress)} if egress else {}


def _beside(made: Mapping[str, Manifest], canary: CanaryStatus, size: int, *, promoting: bool) -> dict[str, Manifest]:
    """Make room for the canary's pods in the autoscaler, and send it its share of a Gateway's requests."""
    found = {}
    scaler, route = made.get("HorizontalPodAutoscaler"), made.get("HTTPRoute")
    if scaler is not None and not promoting:
        fewest, most = (scaler["spec"][field] for field in ("minReplicas", "maxReplicas"))
        least = max(1, fewest - size)
        found["HorizontalPodAutoscaler"] = _with_spec(scaler, minReplicas=least, maxReplicas=max(least, most - size))
    if route is not None:
        found["HTTPRoute"] = _with_spec(route, rules=[_weighed(rule, canary.weight) for rule in route["spec"]["rules"]])
    return found


def _weighed(rule: Mapping[str, Any], weight: int) -> dict[str, Any]:
    (backend,) = rule["backendRefs"]
    other = backend | {"name": constants.canary(backend["name"]), "weight": weight}
    return {**rule, "backendRefs": [backend | {"weight": _ALL - weight}, other]}


def _with_spec(manifest_: Manifest, **fields: Any) -> Manifest:
    return with_manifest_hash(manifest_ | {"spec": canonical(manifest_["spec"] | fields)})


def _records(
    rendered: Rendered, seen: RolloutInputs, state: RolloutStatus, contents: Mapping[str, Revision]
) -> list[Manifest]:
    """Return the ControllerRevision of the target, unless the cluster has it as it should be."""
    latest = seen.records[0] if seen.records else None
    revision = contents.get(state.target or "")
    if revision is None or (latest and latest.name == revision.name and latest.inputs_hash == seen.inputs_hash):
        return []
    number = latest.number + 1 if latest else 1
    like = next(it for it in rendered.manifests if it["kind"] == "ConfigMap")
    return [manifest(revision, number, seen.inputs_hash, like)]


def required_revisions(seen: RolloutInputs, state: RolloutStatus) -> frozenset[str]:
    """Return the revisions whose content is needed."""
    latest = seen.records[0].name if seen.records else ""
    return _running(state) | ({seen.target} if seen.target != latest else frozenset())


def _running(state: RolloutStatus) -> frozenset[str]:
    return frozenset(filter(None, (state.stable, state.canary.revision if state.canary else None)))


def _kept(rendered: Rendered, seen: RolloutInputs, state: RolloutStatus) -> set[Ref]:
    """Return the history that stays: revisions, each with its ConfigMap."""
    in_use = {*_running(state), seen.target, *filter(None, (seen.last_good,))}
    kept: tuple[RevisionRecord, ...] = records_to_keep(
        seen.records, in_use, seen.rollout.revision_history_limit or KEPT
    )
    like = next(it for it in rendered.manifests if it["kind"] == "ConfigMap")["metadata"]
    space, agent = like["namespace"], like["labels"][constants.LABEL_AGENT]
    records = {Ref("ControllerRevision", space, constants.revision(agent, it.name)) for it in kept}
    return records | {Ref("ConfigMap", space, it.config_map) for it in kept}


def _canary_refs(rendered: Rendered) -> set[Ref]:
    meta = next(it for it in rendered.manifests if it["kind"] == "Deployment")["metadata"]
    return {Ref(kind, meta["namespace"], constants.canary(meta["name"])) for kind in ("Deployment", "Service")}


def _ordered(rendered: Rendered, made: Mapping[str, Manifest], more: Iterable[Manifest]) -> Iterable[Manifest]:
    """Keep the order of rendering; what was added comes before the stable Deployment."""
    added = {ref(it["kind"], it): it for it in more}
    for it in rendered.manifests:
        if it["kind"] == "Deployment":
            yield from (new for key, new in added.items() if key != _ref_of(made.get("ConfigMap")))
        if it["kind"] in made:
            yield made[it["kind"]]


def _ref_of(found: Manifest | None) -> Ref | None:
    return ref(found["kind"], found) if found else None
