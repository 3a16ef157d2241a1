"""Packages from npm that tests run."""

import os
import shutil
import subprocess
from pathlib import Path

DEBIANS_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def install(manifest: Path, folder: Path) -> Path:
    """Install the packages of a package.json into `folder` if they are missing, and return `folder`."""
    wanted = manifest.read_bytes()
    if not (folder / "package.json").exists() or (folder / "package.json").read_bytes() != wanted:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        (folder / "wanted").mkdir(exist_ok=True)
        npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev"]
        # npm waits five minutes for a registry that does not respond: retry sooner.
        npm += ["--fetch-timeout=20000", "--fetch-retries=8", "--fetch-retry-mintimeout=1000"]
        shutil.copy(manifest, folder / "wanted" / "package.json")
        # node has its own certificates, and needs a variable to trust those of the system, too.
        trusted = {"NODE_EXTRA_CA_CERTS": os.environ.get("SSL_CERT_FILE", DEBIANS_CERTIFICATES)}
        command: list[str | Path] = [*npm, "--prefix", folder / "wanted"]
        subprocess.run(command, check=True, capture_output=True, timeout=240, env=trusted | os.environ)
        (folder / "wanted" / "node_modules").rename(folder / "node_modules")
        shutil.copy(manifest, folder / "package.json")
    return folder
