"""A pod's directory, and the rewriting of paths that only exist inside a container."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class PodDirectory:
    """Where a pod's files are."""

    root: Path

    def volume(self, name: str) -> Path:
        """The content of a volume."""
        return self.root / "volumes" / name

    def rootfs(self, container: str) -> Path:
        """What stands for `/` of a container."""
        return self.root / "rootfs" / container

    def log(self, container: str, restart: int) -> Path:
        """The log of one run of a container."""
        return self.root / "logs" / container / f"{restart}.log"

    def pid_file(self, container: str) -> Path:
        """Which process runs, so that the next start can end what was left over."""
        return self.root / "run" / f"{container}.pid"


def inside(root: Path, path: str) -> Path:
    """A container's path below what stands for its `/`; ValueError if it would lead out."""
    parts = [part for part in Path(path).parts if part != "/"]
    if ".." in parts:
        raise ValueError(f"{path} must not contain '..'")
    return root.joinpath(*parts)


class PathRewriter:
    """Turns mount paths in arguments and values into the paths of this pod on this machine."""

    def __init__(self, rootfs: Path, mount_paths: Iterable[str]) -> None:
        self._rootfs = rootfs
        known = sorted({p.rstrip("/") for p in mount_paths if p.rstrip("/")}, key=len, reverse=True)
        # A mount path counts where a path begins and where it ends or goes on below: not within another word.
        alternatives = "|".join(re.escape(path) for path in known)
        self._pattern = re.compile(rf"(?<![\w./-])({alternatives})(?![\w.-])") if known else None

    def rewrite(self, text: str) -> str:
        """The text with every mount path in it rewritten."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: str(inside(self._rootfs, found[1])), text)


def mount_paths(container: Object) -> list[str]:
    """Where a container mounts its volumes."""
    return [mount["mountPath"] for mount in container.get("volumeMounts") or ()]
