"""How an upgrade of the operator would change the running pods.

Renders agents with the code of the operator. The options of the running operator are unknown, but only two of them
affect pods: the repository of the image and whether pods set a user. Both are read from the revision that runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from agent_operator.api import constants, image_reference
from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.fleet.assigned_version import resolve_version
from agent_operator.fleet.members import followed_channel
from agent_operator.inputs import checks
from agent_operator.kube.objects import agent_key, pack, ref
from agent_operator.render import Inputs, Platform, Revision, render
from agent_operator.render.plan import owner_of
from agent_operator.render.pod import USER
from agent_operator.rollout import revisions
from agent_runtime.config import explain
from agentctl.cluster import history
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import children_namespace, get_agent, list_agents
from agentctl.errors import CommandError
from agentctl.objects import Object, nested_field
from agentctl.ui import revision_diff

_Key = tuple[str, str]
_Data = Mapping[_Key, Mapping[str, str]]
_KIND = "ControllerRevision"
_CHANNELS = f"{constants.CHANNEL_PLURAL}.{constants.GROUP}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """How an upgrade would change one agent.

    Attributes:
        namespace: of the AgentDeployment.
        name: of the AgentDeployment.
        before: the stored revision of the current spec; None if the operator has not stored one yet.
        after: the revision that this version renders; None if the agent cannot be rendered.
        note: why the agent cannot be rendered or compared; empty if it can be.
    """

    namespace: str
    name: str
    before: Revision | None = None
    after: Revision | None = None
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether an upgrade would replace the pods."""
        return self.before is not None and self.after is not None and self.before.name != self.after.name

    @property
    def changes(self) -> tuple[str, ...]:
        """The names of the parts that differ."""
        return revision_diff.changed_parts(self.before, self.after) if self.before and self.after else ()

    def diff(self) -> tuple[str, ...]:
        """Return a unified diff; empty if nothing differs."""
        if not (self.before and self.after and self.differs):
            return ()
        return tuple(revision_diff.diff_lines(self.before, self.after))

    def to_json(self) -> Object:
        """Return the upgrade as `upgrade plan -o json` prints it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "from": self.before.name if self.before else None,
            "to": self.after.name if self.after else None,
            "differs": self.differs,
            "changes": list(self.changes),
            "diff": "\n".join(self.diff()),
            "note": self.note,
        }


def plan(kubectl: Kubectl, name: str, image: str, *, everywhere: bool) -> tuple[Upgrade, ...]:
    """Compare one agent, all agents of a namespace, or all agents with what this version renders.

    Args:
        kubectl: the cluster.
        name: of the agent; empty for all.
        image: repository of the runtime image; empty for the current one.
        everywhere: in all namespaces.

    Raises:
        CommandError: the agent does not exist, or the API server does not respond.
    """
    scope = ("--all-namespaces",) if everywhere else ()
    agents = [get_agent(kubectl, name)] if name else list_agents(kubectl, *scope)
    stored = _read_revisions(kubectl, agents, everywhere=everywhere)
    data = _read_config_maps(kubectl, agents)
    channels = _read_channels(kubectl) if any(map(followed_channel, agents)) else {}
    upgrades = [compare(agent, stored.get(_key(agent), ()), data, channels, image) for agent in agents]
    return tuple(sorted(upgrades, key=lambda upgrade: (upgrade.namespace, upgrade.name)))


def _key(agent: Object) -> _Key:
    return (agent["metadata"]["namespace"], agent["metadata"]["name"])


def _read_revisions(kubectl: Kubectl, agents: Iterable[Object], *, everywhere: bool) -> Mapping[_Key, list[Object]]:
    """Read the ControllerRevisions of agents, by namespace and name of the agent."""
    by_agent: dict[_Key, list[Object]] = {}
    options = (history.RESOURCE, f"--selector={constants.LABEL_AGENT}")
    if everywhere:
        objects = kubectl.get(*options, "--all-namespaces")
    else:
        namespaces = sorted({children_namespace(agent) for agent in agents})
        objects = [obj for namespace in namespaces for obj in kubectl.in_namespace(namespace).get(*options)]
    for obj in objects:
        if key := agent_key(obj):
            by_agent.setdefault((key.namespace, key.name), []).append(obj)
    return by_agent


def _read_channels(kubectl: Kubectl) -> Mapping[str, Object]:
    """Read the channels by name; none if the user has no right to read them."""
    try:
        return {channel["metadata"]["name"]: channel for channel in kubectl.get(_CHANNELS)}
    except CommandError:
        return {}


def _read_config_maps(kubectl: Kubectl, agents: Iterable[Object]) -> _Data:
    """Read the data of the ConfigMaps that agents reference, by namespace and name."""
    names: dict[str, set[str]] = {}
    for agent in agents:
        for path in (("systemPrompt",), ("rollout", "canary", "checksFrom")):
            if name := nested_field(agent, "spec", *path, "configMapKeyRef", "name"):
                names.setdefault(agent["metadata"]["namespace"], set()).add(name)
    return {
        (namespace, config_map["metadata"]["name"]): config_map.get("data") or {}
        for namespace, listed in names.items()
        for config_map in kubectl.in_namespace(namespace).get(*(f"configmap/{name}" for name in sorted(listed)))
    }


def compare(
    raw: Object,
    controller_revisions: Iterable[Object],
    config_maps: _Data,
    channels: Mapping[str, Object],
    image: str = "",
) -> Upgrade:
    """Compare an agent with what this version renders.

    Args:
        raw: the AgentDeployment as the API server returns it.
        controller_revisions: those of the agent; others are ignored.
        config_maps: data of ConfigMaps by namespace and name.
        channels: AgentRuntimeChannels by name.
        image: repository of the runtime image; empty for the current one.
    """
    namespace, name = _key(raw)
    decision = resolve_version(raw, channels.get)
    if decision.pending:
        return Upgrade(namespace, name, note=decision.pending.message)
    try:
        agent = AgentDeployment.model_validate({key: value for key, value in raw.items() if key != "status"})
        inputs = _with_references(Inputs(agent, assigned=decision.assigned), config_maps)
        before = _stored_revision(inputs, controller_revisions)
        inputs = replace(inputs, platform=_platform(before, image))
        after = render(inputs).revision
    except ValidationError as error:
        return Upgrade(namespace, name, note=" ".join(explain(error).split()))
    except ProblemError as error:
        return Upgrade(namespace, name, note=str(error))
    note = "" if before else "the current spec has no revision yet"
    return Upgrade(namespace, name, before, after, note)


def _platform(before: Revision | None, image: str) -> Platform:
    """Return the options of the operator that affect pods, as the running revision shows them.

    Unsafe pod templates are allowed: whether the operator accepts one does not change how it is rendered.
    """
    platform = Platform(allow_unsafe_pod_templates=True)
    if not image:
        running = revision_diff.agent_image(before) if before else platform.runtime_image
        image = image_reference.parse(running).repository
    context = (before.template["spec"].get("securityContext") or {}) if before else {}
    set_user = before is None or USER in {context.get(field) for field in ("runAsUser", "runAsGroup", "fsGroup")}
    secrets = (before.template["spec"].get("imagePullSecrets") or ()) if before else ()
    names = tuple(secret["name"] for secret in secrets)
    return replace(platform, runtime_image=image, set_pod_user=set_user, runtime_image_pull_secrets=names)


def _with_references(inputs: Inputs, config_maps: _Data) -> Inputs:
    """Add the prompt and the checks that the agent reads from ConfigMaps."""
    namespace = inputs.own_namespace
    prompt = inputs.spec.system_prompt and inputs.spec.system_prompt.config_map_key_ref
    if prompt:
        inputs = replace(inputs, prompt_template=config_maps.get((namespace, prompt.name), {}).get(prompt.key))
    reference = checks.reference(inputs)
    if not reference:
        return inputs
    return replace(inputs, checks_text=config_maps.get((namespace, reference.name), {}).get(reference.key))


def _stored_revision(inputs: Inputs, controller_revisions: Iterable[Object]) -> Revision | None:
    """Return the revision that the operator has stored for the current spec."""
    objects = {ref(_KIND, obj): obj for obj in controller_revisions}
    live = {target: pack(_KIND, obj) for target, obj in objects.items()}
    stored = revisions.list_records(live, owner_of(inputs))
    inputs_hash = revisions.inputs_hash(revisions.spec_hash(inputs), inputs.assigned)
    name = constants.revision(inputs.name, revisions.target_revision("", inputs_hash, stored))
    found = next((obj for target, obj in objects.items() if target.name == name), None)
    return revisions.read_controller_revision(found, inputs.name) if found is not None else None
