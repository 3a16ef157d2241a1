"""A revision: the pod template and the config of pods, and the hash that names them.

A pod template references a ConfigMap that is named by its content. So the hash covers image, config, prompt and
everything else that may break a pod. It does not cover the data of Secrets: new data restarts the pods, but a rollback
cannot restore old data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.credentials import AGENT_NAME, REVISION
from agent_operator.render.canonical import Manifest, digest

Template = dict[str, Any]
_HASH = constants.ANNOTATION_SECRET_HASH


@dataclass(frozen=True, slots=True)
class Revision:
    """The pod template and the config of pods.

    Attributes:
        name: short hash of the pod template.
        template: the pod template, without the hash of its Secrets' data.
        config: data of the ConfigMap that it mounts: agent.toml and the prompt.
        config_map: name of that ConfigMap.
        egress: the rules of the NetworkPolicy that its config needs; None when there is no policy.
        model: name of the default model.
        runtime_version: tag or digest of the image.
    """

    name: str
    template: Manifest
    config: Mapping[str, str]
    config_map: str
    egress: list[Any] | None
    model: str
    runtime_version: str


def with_revision_label(template: Template) -> tuple[Template, str]:
    """Return a canonical pod template with its revision as a label and as a variable of the agent, and the revision."""
    meta = template["metadata"]
    revision = _digest(template)
    containers = [_with_variable(container, revision) for container in template["spec"]["containers"]]
    labels = dict(sorted((meta["labels"] | {constants.LABEL_REVISION: revision}).items()))
    spec = template["spec"] | {"containers": containers}
    return template | {"metadata": meta | {"labels": labels}, "spec": spec}, revision


def is_authentic(revision: Revision, agent: str) -> bool:
    """Return whether a stored revision has the content by whose hashes its objects are named.

    Raises:
        KeyError, TypeError, AttributeError: it is no pod template of an agent.
    """
    meta, spec = revision.template["metadata"], revision.template["spec"]
    labels = {key: value for key, value in meta["labels"].items() if key != constants.LABEL_REVISION}
    containers = [_without_variable(container) for container in spec["containers"]]
    template = revision.template | {"metadata": meta | {"labels": labels}, "spec": spec | {"containers": containers}}
    mounted = [volume.get("configMap", {}).get("name") for volume in spec["volumes"]]
    named_by_content = constants.config_map(agent, digest(dict(revision.config)))
    return (
        meta["labels"][constants.LABEL_REVISION] == revision.name == _digest(template)
        and revision.config_map == named_by_content
        and named_by_content in mounted
    )


def _digest(template: Template) -> str:
    """Return the hash that names a revision.

    It leaves out the UID of the owner, so that an agent that is deleted and created again gets the same revision.
    """
    meta = template["metadata"]
    labels = {key: value for key, value in meta["labels"].items() if key != constants.LABEL_OWNER_UID}
    return digest(without_secret_hash(template | {"metadata": meta | {"labels": labels}}))


def without_secret_hash(template: Template) -> Template:
    """Return a pod template without the annotation with the hash of its Secrets' data."""
    return with_secret_hash(template, None)


def with_secret_hash(template: Template, value: str | None) -> Template:
    """Return a pod template with this hash of its Secrets' data."""
    meta = template["metadata"]
    annotations = {key: text for key, text in (meta.get("annotations") or {}).items() if key != _HASH}
    if value is not None:
        annotations[_HASH] = value
    return template | {"metadata": meta | {"annotations": annotations}}


def _with_variable(container: dict[str, Any], revision: str) -> dict[str, Any]:
    if container["name"] != constants.CONTAINER:
        return container
    env = container.get("env", [])
    after = 1 + next((index for index, item in enumerate(env) if item["name"] == AGENT_NAME), len(env) - 1)
    return container | {"env": [*env[:after], {"name": REVISION, "value": revision}, *env[after:]]}


def _without_variable(container: dict[str, Any]) -> dict[str, Any]:
    if container["name"] != constants.CONTAINER:
        return container
    env = [variable for variable in container.get("env", []) if variable["name"] != REVISION]
    rest = {key: value for key, value in container.items() if key != "env"}
    return dict(sorted((rest | ({"env": env} if env else {})).items()))
