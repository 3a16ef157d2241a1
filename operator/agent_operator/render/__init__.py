"""Manifests: one module and one template for each kind of child, and the diff with live objects."""

from agent_operator.inputs.agent_inputs import Inputs, Platform
from agent_operator.render.canonical import Manifest, data_hash
from agent_operator.render.children import Rendered, render
from agent_operator.render.revision import Revision

__all__ = ["Inputs", "Manifest", "Platform", "Rendered", "Revision", "data_hash", "render"]
