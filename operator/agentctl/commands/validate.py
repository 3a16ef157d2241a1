"""`agentctl validate`."""

from collections.abc import Sequence

from agentctl.objects import Object
from agentctl.offline import input_files
from agentctl.offline.checks import CheckResult, check
from agentctl.ui import output
from agentctl.ui.output import Format, View


def run(paths: Sequence[str], namespace: str, view: View, *, ignore_other_files: bool = False) -> int:
    """Check every AgentDeployment of the input, print the diagnostics, and return the exit status.

    With `ignore_other_files`, the input may contain no AgentDeployment.
    """
    sources = input_files.read(paths, namespace, ignore_other_files=ignore_other_files)
    results = [check(document, sources) for document in sources.agents]
    valid = not any(result.errors for result in results)
    if view is View.TEXT:
        _print_diagnostics(results)
        if valid:
            output.write(f"{_count(len(results))} valid\n")
    else:
        output.write(output.data_text(_data(results, valid=valid), Format(view)))
    return 0 if valid else 1


def _print_diagnostics(results: Sequence[CheckResult]) -> None:
    for result in results:
        for warning in result.warnings:
            output.note(f"warning: {warning}")
        for error in result.errors:
            output.note(f"error: {error}")


def _count(number: int) -> str:
    return "1 AgentDeployment:" if number == 1 else f"{number} AgentDeployments:"


def _data(results: Sequence[CheckResult], *, valid: bool) -> Object:
    return {
        "valid": valid,
        "agents": len(results),
        "errors": [error.to_json() for result in results for error in result.errors],
        "warnings": [warning.to_json() for result in results for warning in result.warnings],
    }
