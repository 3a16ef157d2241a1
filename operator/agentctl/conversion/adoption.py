"""The annotation by which an AgentDeployment adopts the objects that it replaces."""

from dataclasses import replace

from agent_operator.api import constants
from agentctl.conversion.convert import Conversion


def adopting(conversion: Conversion) -> Conversion:
    """Return a conversion whose AgentDeployment adopts the objects with the names of its children."""
    entries = ",".join(finding.object for finding in conversion.objects if finding.same_name)
    if not entries:
        return conversion
    metadata = conversion.agent["metadata"] | {"annotations": {constants.ANNOTATION_ADOPT: entries}}
    return replace(conversion, agent=conversion.agent | {"metadata": metadata})
