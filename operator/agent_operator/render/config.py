"""The ConfigMap with agent.toml and the prompt. It is named by its content: what old pods read never changes."""

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import Manifest, digest
from agent_operator.render.context import manifest
from agent_operator.render.revision import Revision


def config_map_name(inputs: Inputs) -> str:
    """Return the name of the ConfigMap for what the spec says now."""
    return constants.config_map(inputs.name, digest(dict(inputs.files)))


def config_map(inputs: Inputs, revision: Revision) -> Manifest:
    """Return the ConfigMap of a revision."""
    return manifest("configmap", inputs, {"name": revision.config_map, "data": dict(revision.config)})
