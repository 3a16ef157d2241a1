"""Builds and installs what is shipped, once a test run."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shipped.installs import ENVIRONMENTS, PROJECTS, ROOT, Shipped, build


@pytest.fixture(scope="session")
def shipped() -> Iterator[Shipped]:
    """Every distribution built, and every environment installed, where any user may read it."""
    with tempfile.TemporaryDirectory(prefix="shipped-", ignore_cleanup_errors=True) as folder:
        made = Shipped(Path(folder))
        made.folder.chmod(0o755)
        for source in PROJECTS.values():
            build(ROOT / source, made.folder / "dist")
        umask = os.umask(0o022)
        try:
            for environment in ENVIRONMENTS:
                made.install(environment)
        finally:
            os.umask(umask)
        yield made
