"""Composes the manifests of an agent that runs one revision, or a stable revision and a canary. Pure.

Service, Ingress and most other children always follow the current spec. A revision contributes the pod template, the
ConfigMap that the template mounts, and the egress rules that its config needs in the NetworkPolicy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_operator.api import constants
from agent_operator.api.v1alpha1.rollout import CanaryStatus, RolloutStatus
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.kube.objects import Ref, ref
from agent_operator.render import Rendered, Revision, fqdn
from agent_operator.render.canonical import Manifest, with_manifest_hash, with_spec
from agent_operator.render.deployment import Role, deployment, with_restart
from agent_operator.render.supporting_objects import config_map, slot
from agent_operator.render.templates import common_annotations
from agent_operator.rollout.egress import with_hosts
from agent_operator.rollout.revisions import DEFAULT_HISTORY_LIMIT, controller_revision, records_to_keep
from agent_operator.rollout.rollout_inputs import CanaryPhase, RolloutInputs

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class RolloutManifests:
    """The desired children of an agent.

    Attributes:
        rendered: the rendering of the current spec, with the manifests to apply, in order.
        retained: objects to leave as they are.
    """

    rendered: Rendered
    retained: frozenset[Ref]


def compose(
    inputs: Inputs,
    rendered: Rendered,
    observed: RolloutInputs,
    status: RolloutStatus,
    contents: Mapping[str, Revision],
    *,
    checks: Sequence[Manifest] = (),
) -> RolloutManifests:
    """Return the manifests of the agent, with a Deployment and ConfigMap for each revision that runs.

    Args:
        inputs: what the agent is rendered from.
        rendered: the manifests of the current spec.
        observed: the inputs of the rollout decision.
        status: status.rollout after the decision.
        contents: the required revisions, by name. The Deployment of a missing revision stays unchanged.
        checks: the Job that checks the canary, and its ConfigMap.
    """
    desired = {slot(it) if it["kind"] == "ConfigMap" else it["kind"]: it for it in rendered.manifests}
    retained = _history(rendered, observed, status)
    stable = contents.get(status.stable or "")
    if stable is None:
        retained |= {ref(kind, desired.pop(kind)) for kind in ("Deployment", "ConfigMap")}
    else:
        replicas = _stable_replicas(inputs, observed, status, splits_by_route="HTTPRoute" in desired)
        # Usually all pods run the current spec, so the rendered Deployment stays unchanged.
        if stable is not rendered.revision or replicas != inputs.fixed_replicas:
            desired["ConfigMap"] = config_map(inputs, stable)
            desired["Deployment"] = deployment(inputs, stable, replicas, Role.STABLE)
    keeps_canary = status.canary is None and observed.keeps_ended_canary and "HTTPRoute" not in desired
    if observed.rollout.strategy == "Canary" or keeps_canary:
        desired |= selecting_both(desired)
    running = [revision for name, revision in contents.items() if name in _running(status)]
    egress = None
    if fqdn.KIND not in desired:
        desired |= _with_egress(desired, running)
    elif others := [revision for revision in running if revision is not rendered.revision]:
        egress = with_hosts(inputs, rendered, desired, others)
        desired |= egress.policies
    added = _new_record(rendered, observed, status, contents)
    if status.canary is not None and status.canary.revision in contents:
        size = canary_size(inputs, observed, status.canary, max_replicas=_max_replicas(desired))
        added += _canary_manifests(inputs, contents[status.canary.revision], size, desired["Service"])
        added += checks if status.canary.phase != CanaryPhase.STARTING or status.canary.checks else ()
        desired |= _sharing_with_canary(desired, status.canary, size)
    elif status.canary is not None or keeps_canary:
        retained |= _canary_refs(rendered)
    result = _result(rendered, stable, _in_order(rendered, desired, added), status.restarted_at)
    return RolloutManifests(replace(result, egress=egress.mode) if egress else result, frozenset(retained))


def _result(rendered: Rendered, stable: Revision | None, manifests: Iterable[Manifest], time: str | None) -> Rendered:
    if time:
        manifests = [with_restart(manifest, time) for manifest in manifests]
    result = replace(rendered, manifests=tuple(manifests))
    if stable is None:
        return result
    # The status describes the pods that run, not what this operator would render from the spec.
    return replace(result, model=stable.model, runtime_version=stable.runtime_version)


def canary_size(
    inputs: Inputs, observed: RolloutInputs, canary: CanaryStatus, *, max_replicas: int | None = None
) -> int:
    """Return the number of canary pods. `max_replicas`: of all pods, with an autoscaler."""
    share, replicas = canary.weight / _PERCENT, inputs.fixed_replicas
    # An autoscaler scales only the stable pods, so their number is the remaining share of all pods.
    exact = observed.stable.wanted * share / (1 - share) if replicas is None else replicas * share
    size = max(1, int(exact + 0.5))
    # Without this limit, a canary could displace pods that the autoscaler just added, and then shrink with them.
    return size if max_replicas is None else min(size, max(1, max_replicas - observed.stable.wanted))


def _max_replicas(desired: Mapping[str, Manifest]) -> int | None:
    scaler = desired.get("HorizontalPodAutoscaler")
    return scaler["spec"]["maxReplicas"] if scaler else None


def _stable_replicas(
    inputs: Inputs, observed: RolloutInputs, status: RolloutStatus, *, splits_by_route: bool
) -> int | None:
    """Return the replicas of the stable Deployment: it shrinks as canary pods become available.

    It does not shrink if an HTTPRoute splits the requests: after an abort the stable pods receive all of them at once.
    """
    replicas, canary = inputs.fixed_replicas, status.canary
    if replicas is None or canary is None or canary.phase == CanaryPhase.PROMOTING or splits_by_route:
        return replicas
    replaced = min(canary_size(inputs, observed, canary), observed.canary.available)
    return min(replicas, max(1, replicas - replaced))


def _canary_manifests(inputs: Inputs, revision: Revision, size: int, service: Manifest) -> list[Manifest]:
    return [
        config_map(inputs, revision),
        _canary_service(service, common_annotations(inputs)),
        deployment(inputs, revision, size, Role.CANARY),
    ]


def _canary_service(base: Manifest, annotations: Mapping[str, str]) -> Manifest:
    """Return a Service of the canary, for checks and a Gateway. It has none of the annotations of spec.service."""
    meta = base["metadata"]
    name = constants.canary(meta["name"])
    labels = meta["labels"] | {constants.LABEL_COMPONENT: "canary"}
    ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in base["spec"]["ports"]]
    families = {key: base["spec"][key] for key in ("ipFamilies", "ipFamilyPolicy") if key in base["spec"]}
    spec = {"ports": ports, "selector": {constants.LABEL_APP: name}, "type": "ClusterIP"} | families
    return with_manifest_hash(
        base | {"metadata": meta | {"name": name, "labels": labels, "annotations": dict(annotations)}, "spec": spec}
    )


def selecting_both(desired: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """Return the disruption budget and the Service with selectors that match stable and canary pods."""
    labels = {
        constants.LABEL_AGENT: desired["Service"]["metadata"]["labels"][constants.LABEL_AGENT],
        constants.LABEL_COMPONENT: constants.COMPONENT_AGENT,
    }
    found = {"PodDisruptionBudget": with_spec(desired["PodDisruptionBudget"], selector={"matchLabels": labels})}
    if "HTTPRoute" not in desired:
        # An HTTPRoute splits the requests by weight, so there the Service must select the stable pods alone.
        found["Service"] = with_spec(desired["Service"], selector=labels)
    return found


def _with_egress(desired: Mapping[str, Manifest], revisions: Iterable[Revision]) -> dict[str, Manifest]:
    """Return the NetworkPolicy with the egress rules of all running revisions."""
    policy = desired.get("NetworkPolicy")
    if policy is None:
        return {}
    egress = list(policy["spec"].get("egress", []))
    egress += [rule for revision in revisions for rule in revision.egress or () if rule not in egress]
    return {"NetworkPolicy": with_spec(policy, egress=egress)} if egress else {}


def _sharing_with_canary(desired: Mapping[str, Manifest], canary: CanaryStatus, size: int) -> dict[str, Manifest]:
    """Return the autoscaler with room for the canary pods, and the HTTPRoute with the canary's weight."""
    found = {}
    scaler, route = desired.get("HorizontalPodAutoscaler"), desired.get("HTTPRoute")
    if scaler is not None and route is None and canary.phase != CanaryPhase.PROMOTING:
        least = max(1, scaler["spec"]["minReplicas"] - size)
        most = max(least, scaler["spec"]["maxReplicas"] - size)
        found["HorizontalPodAutoscaler"] = with_spec(scaler, minReplicas=least, maxReplicas=most)
    if route is not None:
        rules = [_weighted(rule, canary.weight) for rule in route["spec"]["rules"]]
        found["HTTPRoute"] = with_spec(route, rules=rules)
    return found


def _weighted(rule: Mapping[str, Any], weight: int) -> dict[str, Any]:
    (backend,) = rule["backendRefs"]
    canary = backend | {"name": constants.canary(backend["name"]), "weight": weight}
    return {**rule, "backendRefs": [backend | {"weight": _PERCENT - weight}, canary]}


def _new_record(
    rendered: Rendered, observed: RolloutInputs, status: RolloutStatus, contents: Mapping[str, Revision]
) -> list[Manifest]:
    """Return the ControllerRevision of the target, unless the newest record in the cluster is the right one."""
    latest = observed.records[0] if observed.records else None
    revision = contents.get(status.target or "")
    if revision is None or (latest and latest.name == revision.name and latest.inputs_hash == observed.inputs_hash):
        return []
    number = latest.number + 1 if latest else 1
    return [controller_revision(revision, number, observed.inputs_hash, _find(rendered, "ConfigMap"))]


def required_revisions(observed: RolloutInputs, status: RolloutStatus) -> frozenset[str]:
    """Return the revisions whose content `compose` needs: the running revisions, and a target without a record."""
    latest = observed.records[0].name if observed.records else ""
    return _running(status) | ({observed.target} if observed.target != latest else frozenset())


def _running(status: RolloutStatus) -> frozenset[str]:
    return frozenset(filter(None, (status.stable, status.canary.revision if status.canary else None)))


def _history(rendered: Rendered, observed: RolloutInputs, status: RolloutStatus) -> set[Ref]:
    """Return the ControllerRevisions to keep, and their ConfigMaps."""
    in_use = {*_running(status), observed.target, *filter(None, (observed.last_good,))}
    kept = records_to_keep(observed.records, in_use, observed.rollout.revision_history_limit or DEFAULT_HISTORY_LIMIT)
    meta = _find(rendered, "ConfigMap")["metadata"]
    namespace, agent = meta["namespace"], meta["labels"][constants.LABEL_AGENT]
    records = {Ref("ControllerRevision", namespace, constants.revision(agent, record.name)) for record in kept}
    return records | {Ref("ConfigMap", namespace, record.config_map) for record in kept}


def _canary_refs(rendered: Rendered) -> set[Ref]:
    meta = _find(rendered, "Deployment")["metadata"]
    return {Ref(kind, meta["namespace"], constants.canary(meta["name"])) for kind in ("Deployment", "Service")}


def _find(rendered: Rendered, kind: str) -> Manifest:
    return next(manifest for manifest in rendered.manifests if manifest["kind"] == kind)


def _in_order(rendered: Rendered, desired: Mapping[str, Manifest], added: Iterable[Manifest]) -> Iterable[Manifest]:
    """Yield the desired manifests in the order of rendering, and the added ones before the stable Deployment."""
    config_map = desired.get("ConfigMap")
    # The canary may share the ConfigMap of the stable revision.
    shared = ref("ConfigMap", config_map) if config_map else None
    new = {ref(manifest["kind"], manifest): manifest for manifest in added}
    for manifest in rendered.manifests:
        if manifest["kind"] == "Deployment":
            yield from (it for target, it in new.items() if target != shared)
        kind = slot(manifest) if manifest["kind"] == "ConfigMap" else manifest["kind"]
        if kind in desired:
            yield desired[kind]
