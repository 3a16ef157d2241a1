"""The report of `agentctl import` on standard error: objects, fields, and what to do next."""

from collections.abc import Iterable, Iterator, Sequence

from agentctl.conversion.convert import Conversion
from agentctl.conversion.findings import Finding, ObjectOutcome, Outcome
from agentctl.conversion.object_outcomes import created
from agentctl.ui import output
from agentctl.ui.console import SafeConsole, console, table

MIGRATION = "docs/how-to/migrate.md"
_TITLES = {
    Outcome.LOST: "lost: an AgentDeployment cannot express it",
    Outcome.CHANGED: "changed by the operator",
    Outcome.ADDED: "added by the operator",
}


def write(conversions: Sequence[Conversion], left_out: Iterable[str]) -> None:
    """Write the report of all agents, and the objects that belong to none."""
    stderr = console(stderr=True)
    for conversion in conversions:
        _write_one(stderr, conversion)
    for title in left_out:
        output.note(f"left out: {title}: it is no part of an agent")


def _write_one(stderr: SafeConsole, conversion: Conversion) -> None:
    workload = conversion.workload
    agent = f"AgentDeployment {workload.namespace}/{workload.name}"
    output.note(f"\n{agent} from {workload.deployment.title}")
    _write_objects(stderr, conversion)
    for outcome, title in _TITLES.items():
        _write_findings(title, [item for item in conversion.findings if item.outcome is outcome])
    comparison = conversion.comparison
    lost = sum(item.outcome is Outcome.LOST for item in conversion.findings)
    result = f"{lost} of the findings lose behavior" if lost else "nothing is lost"
    output.note(f"\n{agent}: {comparison.kept} of {comparison.fields} fields are kept, {result}")
    for warning in conversion.warnings:
        output.note(f"warning: {warning.field}: {warning.message}")
    for line in _next_steps(conversion):
        output.note(line)


def _write_objects(stderr: SafeConsole, conversion: Conversion) -> None:
    rows = table("OBJECT", "OUTCOME", "NOW")
    for item in conversion.objects:
        rows.add_row(item.object, item.outcome.value, item.detail)
    for title in created(conversion.objects, conversion.manifests):
        rows.add_row("", "created", title)
    stderr.print(rows)


def _write_findings(title: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    output.note(f"\n{title}:")
    for item in findings:
        place = f" ({item.place})" if item.place else ""
        parts = (item.object, item.field, f"{item.reason}{place}")
        output.note(f"  {': '.join(part for part in parts if part)}")


def _next_steps(conversion: Conversion) -> Iterator[str]:
    """Yield what to do about objects whose name the operator needs."""
    same = [item.object for item in conversion.objects if item.same_name]
    name = conversion.workload.name
    if same and conversion.agent["metadata"].get("annotations"):
        yield f"next: apply the AgentDeployment, which adopts {', '.join(same)}: see {MIGRATION}"
    elif same:
        yield (
            f"next: {', '.join(same)} have the names of the operator's objects, so the operator reports Conflict while "
            f"they exist: convert with --adopt to adopt them, or with --name {name}-v2 to run both side by side, see "
            f"{MIGRATION}"
        )
    elif any(item.outcome is ObjectOutcome.REPLACED for item in conversion.objects):
        yield f"next: apply the AgentDeployment, switch the traffic, then delete the replaced objects: see {MIGRATION}"
