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
    # Leave out the UID of the owner, so that an agent that is deleted and created again gets the same revision.
    labels = {key: value for key, value in meta["labels"].items() if key != constants.LABEL_OWNER_UID}
    revision = digest(without_secret_hash(template | {"metadata": meta | {"labels": labels}}))
    containers = [_with_variable(container, revision) for container in template["spec"]["containers"]]
    labels = dict(sorted((meta["labels"] | {constants.LABEL_REVISION: revision}).items()))
    spec = template["spec"] | {"containers": containers}
    return template | {"metadata": meta | {"labels": labels}, "spec": spec}, revision


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
