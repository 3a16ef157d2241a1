"""What this version of the operator would make of the pods that run, and having it done.

The renderer and the revisions are the operator's own. What it is told by its options hardly matters to pods; the
repository of the image does, and is taken from what runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.fleet.members import followed_channel
from agent_operator.fleet.version_resolver import resolve_version
from agent_operator.inputs import checks
from agent_operator.kube.objects import agent_key, pack, ref
from agent_operator.render import Inputs, Platform, Revision, render
from agent_operator.render.pod import USER
from agent_operator.rollout import revisions
from agent_runtime.config import explain
from agentctl.cluster import history
from agentctl.cluster.kubectl import Kubectl
from agentctl.cluster.snapshot import Object, agents, childrens_namespace, find
from agentctl.errors import CommandError
from agentctl.offline.input_files import dig
from agentctl.ui import differences

_Key = tuple[str, str]
_Texts = Mapping[_Key, Mapping[str, str]]
_KIND = "ControllerRevision"
_CHANNELS = f"{constants.CHANNEL_PLURAL}.{constants.GROUP}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade would mean to an agent.

    Attributes:
        namespace: of the AgentDeployment.
        name: of the AgentDeployment.
        before: the revision that its spec has got; None when it has got none, so that the next pass brings the new one.
        after: what is rendered now; None when nothing can be.
        note: why nothing can be rendered, or compared.
    """

    namespace: str
    name: str
    before: Revision | None = None
    after: Revision | None = None
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether the pods would be made anew."""
        return self.before is not None and self.after is not None and self.before.name != self.after.name

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs, in a few words."""
        return differences.changes(self.before, self.after) if self.before and self.after else ()

    def diff(self) -> tuple[str, ...]:
        """What differs, line by line."""
        return tuple(differences.lines(self.before, self.after)) if self.before and self.after and self.differs else ()

    def to_json(self) -> dict[str, Any]:
        """Return it as `upgrade plan -o json` prints it."""
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
    """Compare agents with what is rendered now: one by its name, all of a namespace, or all there are.

    Args:
        kubectl: the cluster.
        name: of the agent; empty for all.
        image: repository of the runtime image; empty for the one that runs.
        everywhere: in all namespaces.

    Raises:
        CommandError: there is no such agent, or the cluster does not answer.
    """
    scope = ("--all-namespaces",) if everywhere else ()
    found = [find(kubectl, name)] if name else agents(kubectl, *scope)
    kept = _revisions(kubectl, found, everywhere=everywhere)
    texts = _texts(kubectl, found)
    channels = _channels(kubectl) if any(map(followed_channel, found)) else {}
    made = [compare(agent, kept.get(_key(agent), ()), texts, channels, image) for agent in found]
    return tuple(sorted(made, key=lambda it: (it.namespace, it.name)))


def _key(agent: Object) -> _Key:
    return (agent["metadata"]["namespace"], agent["metadata"]["name"])


def _revisions(kubectl: Kubectl, found: Iterable[Object], *, everywhere: bool) -> Mapping[_Key, list[Object]]:
    """Read ControllerRevisions, by agent."""
    by_agent: dict[_Key, list[Object]] = {}
    options = (history.RESOURCE, f"--selector={constants.LABEL_AGENT}")
    if everywhere:
        objects = kubectl.get(*options, "--all-namespaces")
    else:
        spaces = sorted({childrens_namespace(agent) for agent in found})
        objects = [it for space in spaces for it in kubectl.within(space).get(*options)]
    for obj in objects:
        if key := agent_key(obj):
            by_agent.setdefault((key.namespace, key.name), []).append(obj)
    return by_agent


def _channels(kubectl: Kubectl) -> Mapping[str, Object]:
    """Read the channels, for the agents that have got no version yet; who may not read them does without."""
    try:
        return {it["metadata"]["name"]: it for it in kubectl.get(_CHANNELS)}
    except CommandError:
        return {}


def _texts(kubectl: Kubectl, found: Iterable[Object]) -> _Texts:
    """Read the ConfigMaps that agents name, by namespace and name."""
    wanted: dict[str, set[str]] = {}
    for agent in found:
        for path in (("systemPrompt",), ("rollout", "canary", "checksFrom")):
            if named := dig(agent, "spec", *path, "configMapKeyRef", "name"):
                wanted.setdefault(agent["metadata"]["namespace"], set()).add(named)
    return {
        (space, item["metadata"]["name"]): item.get("data") or {}
        for space, listed in wanted.items()
        for item in kubectl.within(space).get(*(f"configmap/{name}" for name in sorted(listed)))
    }


def compare(
    raw: Object,
    kept: Iterable[Object],
    texts: _Texts,
    channels: Mapping[str, Object],
    image: str = "",
) -> Upgrade:
    """Compare an agent with what is rendered now.

    Args:
        raw: the AgentDeployment as the API server has it.
        kept: ControllerRevisions, its own and perhaps others'.
        texts: ConfigMaps' data by namespace and name.
        channels: AgentRuntimeChannels by name.
        image: repository of the runtime image; empty for the one that runs.
    """
    namespace, name = _key(raw)
    given = resolve_version(raw, channels.get)
    if given.pending:
        return Upgrade(namespace, name, note=given.pending.message)
    try:
        agent = AgentDeployment.model_validate({key: value for key, value in raw.items() if key != "status"})
        inputs = _filled(Inputs(agent, assigned=given.assigned), texts)
        before = _before(inputs, kept)
        inputs = replace(inputs, platform=_platform(before, image))
        after = render(inputs).revision
    except ValidationError as error:
        return Upgrade(namespace, name, note=" ".join(explain(error).split()))
    except ProblemError as error:
        return Upgrade(namespace, name, note=str(error))
    note = "" if before else "its spec has got no revision yet"
    return Upgrade(namespace, name, before, after, note)


def _platform(before: Revision | None, image: str) -> Platform:
    """Return what the operator goes by, as far as pods show it; what it allows is its own affair."""
    made = Platform(allow_unsafe_pod_templates=True)
    image = image or (_repository(differences.image(before)) if before else made.runtime_image)
    context = (before.template["spec"].get("securityContext") or {}) if before else {}
    set_user = before is None or USER in {context.get(field) for field in ("runAsUser", "runAsGroup", "fsGroup")}
    return replace(made, runtime_image=image, set_pod_user=set_user)


def _filled(inputs: Inputs, texts: _Texts) -> Inputs:
    """Add what the agent refers to."""
    space = inputs.own_namespace
    prompt = inputs.spec.system_prompt and inputs.spec.system_prompt.config_map_key_ref
    if prompt:
        inputs = replace(inputs, prompt_template=texts.get((space, prompt.name), {}).get(prompt.key))
    kept = checks.reference(inputs)
    return replace(inputs, checks_text=texts.get((space, kept.name), {}).get(kept.key)) if kept else inputs


def _before(inputs: Inputs, kept: Iterable[Object]) -> Revision | None:
    """Return the revision that the operator keeps to for what the spec says now."""
    objects = {ref(_KIND, obj): obj for obj in kept}
    live = {target: pack(_KIND, obj) for target, obj in objects.items()}
    stored = revisions.list_records(live, inputs.name, inputs.agent.metadata.uid)
    made_from = revisions.inputs_hash(revisions.spec_hash(inputs), inputs.assigned)
    wanted = constants.revision(inputs.name, revisions.target_revision("", made_from, stored))
    return next(
        (revisions.parse_controller_revision(obj) for target, obj in objects.items() if target.name == wanted), None
    )


def _repository(image: str) -> str:
    """Return an image without tag and digest."""
    path, slash, last = image.partition("@")[0].rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"
