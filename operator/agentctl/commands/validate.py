"""`agentctl validate`."""

from collections.abc import Sequence

from agentctl.offline import input_files
from agentctl.offline.checks import Checked, check
from agentctl.ui import output
from agentctl.ui.output import Format, View


def run(paths: Sequence[str], namespace: str, view: View, *, ignore_other_files: bool = False) -> int:
    """Check every agent of the input, print what was found, and return the exit status.

    `ignore_other_files` accepts input that has no AgentDeployment in it.
    """
    sources = input_files.read(paths, namespace, ignore_other_files=ignore_other_files)
    checked = [check(document, sources) for document in sources.agents]
    valid = not any(result.errors for result in checked)
    if view is View.TEXT:
        _tell(checked)
        if valid:
            output.write(f"{_agents(len(checked))} valid\n")
    else:
        output.write(output.data(_as_data(checked, valid=valid), Format(view)))
    return 0 if valid else 1


def _tell(checked: Sequence[Checked]) -> None:
    for result in checked:
        for warning in result.warnings:
            output.note(f"warning: {warning}")
        for error in result.errors:
            output.note(f"error: {error}")


def _agents(number: int) -> str:
    return "1 AgentDeployment:" if number == 1 else f"{number} AgentDeployments:"


def _as_data(checked: Sequence[Checked], *, valid: bool) -> dict[str, object]:
    return {
        "valid": valid,
        "agents": len(checked),
        "errors": [error.to_json() for result in checked for error in result.errors],
        "warnings": [warning.to_json() for result in checked for warning in result.warnings],
    }
