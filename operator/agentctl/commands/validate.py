"""`agentctl validate`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from agentctl.formats import Format, View
from agentctl.objects import Object
from agentctl.offline import apply_size, channels, input_files, shared_routes
from agentctl.offline.checks import CheckResult, check
from agentctl.offline.diagnostics import Diagnostic
from agentctl.offline.input_files import Sources
from agentctl.ui import output


def run(paths: Sequence[str], namespace: str, view: View, *, ignore_other_files: bool = False) -> int:
    """Check every AgentDeployment and AgentRuntimeChannel of the input, and return the exit status.

    With `ignore_other_files`, the input may contain neither.
    """
    sources = input_files.read(paths, namespace, ignore_other_files=ignore_other_files)
    results = _check(sources)
    valid = not any(result.errors for result in results)
    if view is View.TEXT:
        _print_diagnostics(results)
        if valid:
            output.write(f"{_counts(sources)}: valid\n")
    else:
        output.write(output.data_text(_data(sources, results, valid=valid), Format(view)))
    return 0 if valid else 1


def _check(sources: Sources) -> list[CheckResult]:
    return [
        *(CheckResult((Diagnostic.of_unreadable(document),)) for document in sources.unreadable),
        *(check(document, sources) for document in sources.agents),
        CheckResult((), (*shared_routes.check(sources.agents), *apply_size.check((*sources.agents, *sources.others)))),
        *(channels.check(document, datetime.now(UTC)) for document in sources.channels),
    ]


def _print_diagnostics(results: Sequence[CheckResult]) -> None:
    for result in results:
        for warning in result.warnings:
            output.note(f"warning: {warning}")
        for error in result.errors:
            output.note(f"error: {error}")


def _counts(sources: Sources) -> str:
    agents, others = _count(len(sources.agents), "AgentDeployment"), len(sources.channels)
    if not others:
        return agents
    counted = _count(others, "AgentRuntimeChannel")
    return f"{agents}, {counted}" if sources.agents else counted


def _count(number: int, kind: str) -> str:
    return f"1 {kind}" if number == 1 else f"{number} {kind}s"


def _data(sources: Sources, results: Sequence[CheckResult], *, valid: bool) -> Object:
    return {
        "valid": valid,
        "agents": len(sources.agents),
        "channels": len(sources.channels),
        "errors": [error.to_json() for result in results for error in result.errors],
        "warnings": [warning.to_json() for result in results for warning in result.warnings],
    }
