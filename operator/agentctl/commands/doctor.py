"""`agentctl doctor`."""

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agentctl.cluster import evidence_reader
from agentctl.cluster.kubectl import Kubectl
from agentctl.diagnosis.examination import FORBIDDEN, NOT_CHECKED, examine
from agentctl.diagnosis.findings import Diagnosis, Finding, Severity
from agentctl.errors import CommandError
from agentctl.formats import Format, View
from agentctl.ui import output
from agentctl.ui.console import stdout_console, table

HEALTHY, PROBLEMS, NOT_LOOKED = 0, 1, 2
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


class CannotLookError(CommandError):
    """The agent cannot be read. Exit status 2."""

    exit_code = NOT_LOOKED


def run(kubectl: Kubectl, name: str, view: View, *, connect: bool) -> int:
    """Print what is wrong with an agent, and return the exit status.

    Raises:
        CannotLookError: the agent cannot be read.
    """
    try:
        reading = evidence_reader.read(kubectl, name, connect=connect)
    except CommandError as error:
        raise CannotLookError(str(error)) from error
    evidence = reading.evidence
    diagnosis = examine(evidence, reading.redactor.sentence)
    if view is View.TEXT:
        stdout_console().print(draw(f"{evidence.agent['metadata']['namespace']}/{evidence.name}", diagnosis))
    else:
        content = diagnosis.to_json(evidence.name, evidence.agent["metadata"]["namespace"])
        output.write(output.data_text(content, Format(view)))
    return PROBLEMS if diagnosis.problems else HEALTHY


def draw(agent: str, diagnosis: Diagnosis) -> Group:
    """Return the diagnosis as text: the problems, then what needs no action in one line each."""
    problems = [finding for finding in diagnosis.findings if finding.is_problem]
    others = [finding for finding in diagnosis.findings if not finding.is_problem]
    parts: list[Text | Table] = [Text(f"AgentDeployment {agent}: {_count(diagnosis)}", "bold")]
    for finding in problems:
        parts += [Text(), *_lines(finding)]
    if others:
        parts += [Text(), Text("No action needed, or not checked:"), _notes(others)]
    if diagnosis.left_out:
        parts += [Text(), Text(f"and {diagnosis.left_out} more findings")]
    complete = [str(area) for area, is_complete in diagnosis.checked.items() if is_complete]
    return Group(*parts, Text(), Text(f"Checked: {', '.join(complete)}"))


def _count(diagnosis: Diagnosis) -> str:
    if not diagnosis.problems:
        return "no problems found"
    return "1 problem" if diagnosis.problems == 1 else f"{diagnosis.problems} problems"


def _lines(finding: Finding) -> Iterable[Text | Table]:
    colour = _COLOURS[finding.severity]
    yield Text.assemble((f"{finding.severity}: {finding.reason}", colour), f"  {finding.subject}")
    rows = table()
    for label, value in (("evidence", finding.evidence), ("cause", finding.cause), ("remedy", finding.remedy)):
        rows.add_row(f"  {label}", Text(value))
    yield rows


def _notes(findings: Iterable[Finding]) -> Table:
    rows = table()
    for finding in findings:
        what = finding.evidence if finding.reason in (FORBIDDEN, NOT_CHECKED) else finding.cause
        remedy = "" if finding.remedy in what else f": {finding.remedy}"
        rows.add_row(f"  {finding.reason}", finding.subject, Text(f"{what}{remedy}"))
    return rows
