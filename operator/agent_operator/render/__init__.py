"""From one agent to its children's manifests: pure, the same bytes every time."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_operator import validation
from agent_operator.api import constants
from agent_operator.api.errors import InvalidSpec
from agent_operator.inputs import references
from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.render import pod_template
from agent_operator.render.canonical import Manifest, data_hash, marked
from agent_operator.render.children import CHILDREN, Child
from agent_operator.render.context import View, complete, metadata
from agent_operator.render.credentials import hashes, secret_hash
from agent_operator.render.exposure import url
from agent_operator.render.revision import stamped, with_secret_hash
from agent_operator.render.templates import build

__all__ = ["Inputs", "Manifest", "Platform", "Rendered", "data_hash", "render"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an agent becomes.

    Attributes:
        manifests: the children in the order in which to apply them.
        revision: short hash of the pod template, and so of image, agent.toml and prompt.
        url: where the agent answers.
        selector: label selector of the pods, as text.
        runtime_version: tag or digest of the image.
        model: name of the default model.
        secrets: Secret that the pods read -> salted hash of its data; None when that is not known.
    """

    manifests: tuple[Manifest, ...]
    revision: str
    url: str
    selector: str
    runtime_version: str
    model: str
    secrets: Mapping[str, str | None]


def render(inputs: Inputs) -> Rendered:
    """Render every child of an agent.

    Raises:
        InvalidSpec: the spec has faults; it names them all.
    """
    if failures := validation.check(inputs):
        raise InvalidSpec(*failures)
    views = [(child, child.view(inputs)) for child in CHILDREN]
    manifests = tuple(_manifest(inputs, child, view) for child, view in views if view is not None)
    return Rendered(
        manifests=manifests,
        revision=_revision(manifests),
        url=url(inputs),
        selector=f"{constants.LABEL_APP}={inputs.name}",
        runtime_version=inputs.runtime_version,
        model=inputs.section.default_model or "",
        secrets={title: digest for title, digest in hashes(inputs).items() if "/" not in title},
    )


def _manifest(inputs: Inputs, child: Child, view: View) -> Manifest:
    manifest = build(child.template, complete(inputs, view), metadata(inputs, view))
    if child.template == "deployment":
        manifest["spec"]["template"], _ = stamped(_pods(inputs, manifest["spec"]["template"]))
    return marked(manifest)


def _pods(inputs: Inputs, base: Manifest) -> Manifest:
    """Return the pod template with the last words of the spec, and the hash of what it reads then."""
    merged = pod_template.merged(inputs, base)
    return with_secret_hash(merged, references.fitting(secret_hash(inputs), merged))


def _revision(manifests: tuple[Manifest, ...]) -> str:
    deployment = next(manifest for manifest in manifests if manifest["kind"] == "Deployment")
    revision: str = deployment["spec"]["template"]["metadata"]["labels"][constants.LABEL_REVISION]
    return revision
