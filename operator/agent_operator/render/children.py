"""Renders the manifests of an agent's children. Pure: the same input gives the same bytes."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic_core import to_json

from agent_operator import validation
from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import credentials, exposure, fqdn, monitoring, pod, supporting_objects
from agent_operator.render.canonical import Manifest, with_spec
from agent_operator.render.deployment import Role, deployment
from agent_operator.render.network import egress_mode, network_policy
from agent_operator.render.revision import Revision, with_revision_label, without_secret_hash
from agent_operator.render.supporting_objects import config_map, config_map_name
from agent_operator.render.templates import manifest

# Number of cached agents. The manifests of one agent take about 30 KiB, so the cache does not contain all agents.
_SIZE = 64
# A larger agent is rendered in each pass, so that a few agents with large prompts do not use much memory.
_MAX_CACHED_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Rendered:
    """The rendering of an agent, all of whose pods run the revision that its spec requests.

    Attributes:
        manifests: the children in the order in which they are applied.
        revision: the pod template and config of this rendering.
        url: URL of the agent.
        selector: label selector of the pods, as text.
        runtime_version: tag or digest of the image.
        model: name of the default model.
        egress: status.egress.
        secrets: Secret that the pods read -> salted hash of its data; None when the data is not known.
    """

    manifests: tuple[Manifest, ...]
    revision: Revision
    url: str
    selector: str
    runtime_version: str
    model: str
    egress: str
    secrets: Mapping[str, str | None]


def render(inputs: Inputs) -> Rendered:
    """Validate an agent and render its children.

    Raises:
        ProblemError: the spec cannot be rendered. The error contains all problems.
    """
    if problems := validation.check(inputs):
        raise ProblemError(*problems)
    view = network_policy(inputs)
    policy = None if view is None else manifest("networkpolicy", inputs, view)
    revision = _revision(inputs, policy)
    policies, egress = _policies(inputs, policy, revision), egress_mode(view)
    return Rendered(
        manifests=tuple(_children(inputs, revision, policies)),
        revision=revision,
        url=exposure.url(inputs),
        selector=f"{constants.LABEL_APP}={inputs.name}",
        runtime_version=revision.runtime_version,
        model=revision.model,
        egress=fqdn.MODE if len(policies) > 1 else egress,
        secrets={title: digest for title, digest in credentials.hashes(inputs).items() if "/" not in title},
    )


def _revision(inputs: Inputs, policy: Manifest | None) -> Revision:
    config_map = config_map_name(inputs)
    template, name = with_revision_label(pod.template(inputs, config_map))
    # The rules that the user adds to the policy come last. They are not part of a revision.
    added = len((inputs.spec.network_policy and inputs.spec.network_policy.extra_egress) or ())
    rules = policy["spec"].get("egress", []) if policy else None
    return Revision(
        name=name,
        template=without_secret_hash(template),
        config=dict(inputs.files),
        config_map=config_map,
        egress=rules[: len(rules) - added] if rules else rules,
        model=inputs.section.default_model or "",
        runtime_version=inputs.runtime_version,
    )


def _policies(inputs: Inputs, policy: Manifest | None, revision: Revision) -> tuple[Manifest, ...]:
    """Return the NetworkPolicy, and before it the policy with the hosts that it then does not allow."""
    if policy is None:
        return ()
    hosts = fqdn.hosts(revision, inputs) if inputs.platform.fqdn_policies else None
    if not hosts:
        return (policy,)
    own = revision.egress or []
    added = policy["spec"].get("egress", [])[len(own) :]
    by_host = manifest("ciliumnetworkpolicy", inputs, fqdn.policy(inputs, hosts))
    return by_host, with_spec(policy, egress=[*fqdn.without_outside(own), *added])


def _children(inputs: Inputs, revision: Revision, policies: Iterable[Manifest]) -> Iterator[Manifest]:
    """Yield the children in the order in which they are applied: objects that pods need come before the Deployment.

    A view that is None yields no child.
    """
    before = {
        "namespace": supporting_objects.namespace(inputs),
        "serviceaccount": supporting_objects.service_account(inputs),
        "secretstore": credentials.secret_store(inputs),
        "externalsecret": credentials.external_secret(inputs),
        "secret": credentials.secret(inputs),
    }
    yield from (manifest(template, inputs, view) for template, view in before.items() if view is not None)
    yield config_map(inputs, revision)
    yield from policies
    yield manifest("service", inputs, exposure.service(inputs))
    yield manifest("pdb", inputs, supporting_objects.disruption_budget(inputs))
    yield deployment(inputs, revision, inputs.fixed_replicas, Role.STABLE)
    after = {
        "hpa": supporting_objects.autoscaler(inputs),
        "ingress": exposure.ingress(inputs),
        "httproute": exposure.http_route(inputs),
    }
    yield from (manifest(template, inputs, view) for template, view in after.items() if view is not None)
    yield from monitoring.manifests(inputs)


class Renderer:
    """Renders agents and caches the results. While pods start, an agent is reconciled several times in a row.

    Callers must not change a result.
    """

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._latest: OrderedDict[str, tuple[Any, Rendered]] = OrderedDict()

    def render(self, inputs: Inputs) -> Rendered:
        """Render an agent, or return the cached result for the same inputs.

        Raises:
            ProblemError: the spec cannot be rendered.
        """
        # Compare the fields: an Inputs object also caches what it derives from them.
        uid, values = inputs.agent.metadata.uid, tuple([getattr(inputs, field.name) for field in fields(inputs)])
        cached = self._latest.pop(uid, None)
        if cached is None or cached[0] != values:
            cached = (values, render(inputs))
            if len(to_json(cached[1].manifests)) > _MAX_CACHED_BYTES:
                return cached[1]
        self._latest[uid] = cached
        if len(self._latest) > self._size:
            self._latest.popitem(last=False)
        return cached[1]
