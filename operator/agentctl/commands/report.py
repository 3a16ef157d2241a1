"""`agentctl report`."""

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from rich.console import Console, RenderableType

from agent_operator import __version__
from agent_operator.kube.shapes import text
from agentctl.cluster import evidence_reader, report_reader
from agentctl.cluster.kubectl import Kubectl
from agentctl.commands import doctor
from agentctl.diagnosis import bundle
from agentctl.diagnosis.bundle import File
from agentctl.diagnosis.examination import examine
from agentctl.errors import CommandError
from agentctl.ui import output

_WIDTH = 120


def run(kubectl: Kubectl, name: str, path: Path | None, *, connect: bool) -> None:
    """Write a support bundle, and print its path.

    Raises:
        CommandError: the agent cannot be read, or the file cannot be written.
    """
    reading = evidence_reader.read(kubectl, name, connect=connect)
    evidence = reading.evidence
    diagnosis = examine(evidence, reading.redactor.sentence)
    namespace = text(evidence.agent["metadata"].get("namespace"))
    versions = bundle.versions(
        __version__, report_reader.versions(kubectl), text(evidence.status.get("runtimeVersion"))
    )
    texts = {
        "README.txt": _readme(f"{namespace}/{evidence.name}", evidence.now),
        "doctor.txt": _as_text(doctor.draw(f"{namespace}/{evidence.name}", diagnosis)),
        "doctor.json": output.json_text(diagnosis.to_json(evidence.name, namespace)),
        "versions.json": output.json_text(versions),
    }
    if evidence.network is not None:
        texts["network.json"] = output.json_text(evidence.network)
    collections = report_reader.collections(kubectl, evidence)
    secrets = [{"kind": "Secret", **secret} for secret in reading.secrets]
    if secrets:
        collections["objects/secrets.yaml"] = secrets
    logs = report_reader.logs(kubectl, evidence)
    chosen = path or Path(f"{evidence.name}-{evidence.now:%Y%m%d-%H%M%S}.tar.gz")
    write(chosen, bundle.files(collections, logs, texts, reading.redactor, time.monotonic))
    output.write(f"{chosen}\n")
    output.note(
        "What looks like a credential is redacted, but no pattern finds all. The bundle has prompts, host names and "
        "logs: look at it before you share it."
    )


def write(path: Path, files: Iterable[File]) -> None:
    """Write a tar.gz that only its owner may read. Until it is complete, it has another name.

    Raises:
        CommandError: the file exists, or cannot be written.
    """
    _require_absent(path)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}: choose another file with -o") from None
    try:
        with os.fdopen(descriptor, "wb") as target:
            _write_archive(target, path, files)
        _require_absent(path)
        Path(name).rename(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}: choose another file with -o") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise CommandError(f"{path} exists: remove it, or choose another file with -o")


def _write_archive(target: IO[bytes], path: Path, files: Iterable[File]) -> None:
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        folder = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz") or "report"
        for file in files:
            content = file.content.encode(errors="replace")
            entry = tarfile.TarInfo(f"{folder}/{file.path}")
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))


def _as_text(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def _readme(agent: str, now: datetime) -> str:
    return (
        f"Support bundle of AgentDeployment {agent}, {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n\n"
        "doctor.txt    what is wrong, with evidence, cause and remedy; doctor.json for programs\n"
        "agent.yaml    the AgentDeployment\n"
        "objects/      its children, pods and what surrounds them\n"
        "events.yaml   Events of the namespace\n"
        "logs/         the ends of the logs of the pods\n"
        "operator/     the operator: Deployment, pods, Lease and logs\n\n"
        "Values of Secrets, and what looks like a credential, are replaced by (redacted).\n"
    )
