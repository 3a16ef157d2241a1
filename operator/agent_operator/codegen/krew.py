"""Build the kubectl plugin for krew: `python -m agent_operator.codegen.krew REPOSITORY DIST URL`.

Writes the archive with the launcher and the wheels in DIST, and the manifest of the plugin with its hash.
"""

import gzip
import hashlib
import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from agent_operator import __version__

NAME = "agentdeploy"
PROGRAM = f"kubectl-{NAME}"
# The distributions that agentctl needs; the lock has all others.
WHEELS = ("agent_operator", "agent_runtime", "kubeschema")


def main() -> None:
    """Write both files to the folder that the command line names."""
    repository, dist, url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    archive = archive_of(contents(repository, dist))
    (dist / f"{PROGRAM}-{__version__}.tar.gz").write_bytes(archive)
    template = (repository / "deploy" / "krew" / f"{NAME}.yaml").read_text(encoding="utf-8")
    (dist / f"{NAME}.yaml").write_text(manifest(template, url, archive), encoding="utf-8")


def contents(repository: Path, dist: Path) -> Mapping[str, bytes]:
    """Return the files of the archive by name.

    Raises:
        SystemExit: DIST does not have exactly one wheel of each distribution.
    """
    found = {
        PROGRAM: (repository / "deploy" / "krew" / PROGRAM).read_bytes(),
        "LICENSE": (repository / "LICENSE").read_bytes(),
        "VERSION": f"{__version__}\n".encode(),
        "requirements.txt": (repository / "locks" / "operator.txt").read_bytes(),
    }
    for name in WHEELS:
        wheels = sorted(dist.glob(f"{name}-*.whl"))
        if len(wheels) != 1:
            sys.exit(f"error: {dist} has {len(wheels)} wheels of {name} instead of one: run make wheels")
        found[f"wheels/{wheels[0].name}"] = wheels[0].read_bytes()
    return found


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz that is the same for the same files."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if name == PROGRAM else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def manifest(template: str, url: str, archive: bytes) -> str:
    """Return the manifest of the plugin. `url`: of the repository on GitHub."""
    lines = template.splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    values = {"URL": url.rstrip("/"), "VERSION": __version__, "SHA256": hashlib.sha256(archive).hexdigest()}
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


if __name__ == "__main__":
    main()
