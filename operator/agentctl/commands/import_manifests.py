"""`agentctl import`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentctl.cluster import manifests as cluster_manifests
from agentctl.cluster.kubectl import Kubectl
from agentctl.commands import import_report
from agentctl.conversion import manifests
from agentctl.conversion.adoption import adopting
from agentctl.conversion.convert import Conversion, convert
from agentctl.conversion.findings import loses_behavior
from agentctl.conversion.manifests import InvalidManifestsError, Manifest
from agentctl.conversion.workload import workloads
from agentctl.errors import CommandError
from agentctl.formats import Format
from agentctl.offline import documents
from agentctl.ui import output


@dataclass(frozen=True, slots=True)
class Options:
    """What to convert, and where to write it.

    Attributes:
        paths: files, directories or `-`; empty for a cluster.
        names: names of Deployments; empty for all that run agents.
        new_name: name of the AgentDeployment; empty for that of the Deployment.
        form: format of the AgentDeployments.
        output_file: file to write; None for standard output.
        adopt: whether the AgentDeployments adopt the objects that they replace.
    """

    paths: Sequence[str]
    names: Sequence[str]
    new_name: str
    form: Format
    output_file: Path | None
    adopt: bool = False


def run(kubectl: Kubectl, options: Options) -> int:
    """Convert manifests, write the AgentDeployments, report on standard error, and return the exit status.

    Raises:
        CommandError: the input cannot be read, or nothing can be converted; nothing is written.
    """
    try:
        found, notes = _read(kubectl, options)
        agents = workloads(found, options.names, options.new_name)
        conversions = [convert(workload) for workload in agents]
        if options.adopt:
            conversions = [adopting(conversion) for conversion in conversions]
    except InvalidManifestsError as error:
        for diagnostic in error.diagnostics:
            output.note(f"error: {diagnostic}")
        return 1
    for note in notes:
        output.note(f"note: {note}")
    _write(conversions, options)
    import_report.write(conversions, _left_out(found, conversions, is_cluster=not options.paths))
    return int(any(loses_behavior(conversion.findings) for conversion in conversions))


def _read(kubectl: Kubectl, options: Options) -> tuple[tuple[Manifest, ...], tuple[str, ...]]:
    if options.paths:
        return manifests.parse(documents.read(options.paths), kubectl.namespace or "default")
    namespace, objects, notes = cluster_manifests.read(kubectl, options.names)
    found, more = manifests.parse(objects, namespace)
    return found, (*notes, *more)


def _write(conversions: Sequence[Conversion], options: Options) -> None:
    text = output.objects_text([conversion.agent for conversion in conversions], options.form)
    if options.output_file is None:
        output.write(text)
        return
    try:
        options.output_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{options.output_file}: {error.strerror}: choose another file") from error


def _left_out(found: Sequence[Manifest], conversions: Sequence[Conversion], *, is_cluster: bool) -> list[str]:
    """Return the objects that belong to no agent. A namespace of a cluster may contain many; only Deployments count."""
    used = {finding.object for conversion in conversions for finding in conversion.objects}
    return [item.title for item in found if item.title not in used and (not is_cluster or item.kind == "Deployment")]
