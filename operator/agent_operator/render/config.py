"""agent.toml and the prompt, under a name that follows from them."""

from agent_operator.api import constants
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render.canonical import digest
from agent_operator.render.context import View


def config_map(inputs: Inputs) -> View:
    """Return the view of the ConfigMap. Its name follows its content: what old pods read never changes."""
    data = dict(inputs.files)
    return {"name": constants.config_map(inputs.name, digest(data)), "data": data}
