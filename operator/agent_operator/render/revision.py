"""What makes one pod differ from another: the pod template, and the hash that names it.

A template names its ConfigMap by content, so image, config and prompt are in it; and so is whatever else may break a
pod. The Secrets' hash is not: new data rolls the pods, but is nothing that one could return from.
"""

from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.credentials import AGENT_NAME, REVISION
from agent_operator.render.canonical import canonical, digest

Template = dict[str, Any]


def stamped(template: Template) -> tuple[Template, str]:
    """Return a pod template that knows its revision, and the revision."""
    meta = template["metadata"]
    # Whose it is makes no difference: an agent that is created anew gets the same revision.
    labels = {key: value for key, value in meta["labels"].items() if key != constants.LABEL_OWNER_UID}
    revision = digest(without_secret_hash(template | {"metadata": meta | {"labels": labels}}))
    made = template | {
        "metadata": meta | {"labels": dict(sorted((meta["labels"] | {constants.LABEL_REVISION: revision}).items()))},
        "spec": template["spec"] | {"containers": [_told(it, revision) for it in template["spec"]["containers"]]},
    }
    result: Template = canonical(made)
    return result, revision


def without_secret_hash(template: Template) -> Template:
    """Return a pod template as it is whatever the data of its Secrets."""
    return with_secret_hash(template, None)


def with_secret_hash(template: Template, value: str | None) -> Template:
    """Return a pod template for this data of its Secrets."""
    meta = template["metadata"]
    annotations = {key: text for key, text in (meta.get("annotations") or {}).items() if key != _HASH}
    if value is not None:
        annotations = dict(sorted((annotations | {_HASH: value}).items()))
    return template | {"metadata": meta | {"annotations": annotations}}


def secret_hash(template: Template) -> str | None:
    """Return what with_secret_hash has set."""
    value: str | None = (template["metadata"].get("annotations") or {}).get(_HASH)
    return value


def _told(container: dict[str, Any], revision: str) -> dict[str, Any]:
    if container["name"] != constants.CONTAINER:
        return container
    env = container.get("env", [])
    after = 1 + next((index for index, it in enumerate(env) if it["name"] == AGENT_NAME), len(env) - 1)
    return container | {"env": [*env[:after], {"name": REVISION, "value": revision}, *env[after:]]}


_HASH = constants.ANNOTATION_SECRET_HASH
