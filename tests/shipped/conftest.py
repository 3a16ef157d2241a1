"""Build and install the distributions once per test file; pytest's --dist loadfile keeps a file together."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shipped.installs import ENVIRONMENTS, PROJECTS, ROOT, Built, Shipped, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Every distribution, built."""
    result = Built(tmp_path_factory.mktemp("dist"))
    for source in PROJECTS.values():
        build(ROOT / source, result.folder)
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
