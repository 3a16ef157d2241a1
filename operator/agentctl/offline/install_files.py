"""The kustomize overlays and CRDs that install the operator: in the wheel, or in a clone of the repository."""

from pathlib import Path

import agentctl
from agentctl.errors import CommandError


def folder() -> Path:
    """Return the folder that contains `kustomize` and `crds`.

    Raises:
        CommandError: this installation has none.
    """
    package = Path(agentctl.__file__).resolve().parent
    installed = package / "manifests"
    if installed.is_dir():
        return installed
    clone = package.parents[1]
    if (clone / "deploy" / "kustomize").is_dir():
        return clone
    raise CommandError("this installation of agentctl has no manifests: install it again from the wheel")


def kustomize() -> Path:
    """Return the folder of the overlays. Raises CommandError."""
    found = folder()
    return found / "kustomize" if (found / "kustomize").is_dir() else found / "deploy" / "kustomize"


def crds() -> Path:
    """Return the folder of the CRDs. Raises CommandError."""
    return folder() / "crds"
