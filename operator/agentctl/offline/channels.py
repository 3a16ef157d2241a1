"""All offline checks of one AgentRuntimeChannel."""

from datetime import datetime

from pydantic import ValidationError

from agent_operator.api import constants
from agent_operator.api.v1alpha1.channel import AgentRuntimeChannel
from agent_operator.fleet.maintenance_window import InvalidWindow, opens_in
from agent_runtime.config import explain
from agentctl.offline import schema
from agentctl.offline.checks import CheckResult
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.documents import Document

# The end of the path that pydantic gives an invalid key.
_KEY = ".[key]"


def check(document: Document, now: datetime) -> CheckResult:
    """Check one AgentRuntimeChannel: its schema, its selectors, and whether its window ever opens after `now`."""
    if document.api_version != constants.API_VERSION:
        return CheckResult((Diagnostic.of(document, "apiVersion", f"must be {constants.API_VERSION}: correct it"),))
    errors = schema.check(document)
    try:
        channel = AgentRuntimeChannel.model_validate(
            {key: value for key, value in document.body.items() if key != "status"}
        )
    except ValidationError as error:
        # The schema reports the same problems as the API server does; the model adds only what the schema accepted.
        lines = [] if errors else explain(error).splitlines()
        return CheckResult((*errors, *(_diagnostic(document, line) for line in lines)))
    if channel.spec.window is not None and not errors:
        try:
            opens_in(channel.spec.window, now)
        except InvalidWindow as problem:
            errors = (_diagnostic(document, str(problem)),)
    return CheckResult(errors)


def _diagnostic(document: Document, line: str) -> Diagnostic:
    path, _, message = line.partition(": ")
    if path.endswith(_KEY):
        path, message = path.removesuffix(_KEY), "not a valid label key such as team or example.com/team: correct it"
    return Diagnostic.of(document, path, message)
