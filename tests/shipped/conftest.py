"""Build the distributions once per run, and install them once per test file, which --dist loadfile keeps together."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shipped.installs import ENVIRONMENTS, PROJECTS, ROOT, Built, Shipped, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Every distribution, built by the first of xdist's workers that needs them."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    result = Built(shared / "dist")
    with (shared / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.folder.exists():
            draft = tmp_path_factory.mktemp("dist")
            for source in PROJECTS.values():
                build(ROOT / source, draft)
            draft.rename(result.folder)
    return result


@pytest.fixture(scope="session")
def shipped(built: Built) -> Iterator[Shipped]:
    """Every environment, installed where any user may read it."""
    with tempfile.TemporaryDirectory(prefix="shipped-", ignore_cleanup_errors=True) as folder:
        result = Shipped(Path(folder), built)
        result.folder.chmod(0o755)
        umask = os.umask(0o022)
        try:
            for environment in ENVIRONMENTS:
                result.install(environment)
        finally:
            os.umask(umask)
        yield result
