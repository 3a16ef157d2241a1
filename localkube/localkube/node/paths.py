"""The directory of a pod, and the mapping from container paths to host paths."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class PodDirectory:
    """The directory of a pod."""

    root: Path

    def volume(self, name: str) -> Path:
        """The directory of a volume."""
        return self.root / "volumes" / name

    def rootfs(self, container: str) -> Path:
        """The root directory of a container."""
        return self.root / "rootfs" / container

    def log(self, container: str, restart: int) -> Path:
        """The log of one run of a container."""
        return self.root / "logs" / container / f"{restart}.log"

    def pid_file(self, container: str) -> Path:
        """The file with the pid of a container, so that the next start can end a leftover process."""
        return self.root / "run" / f"{container}.pid"


def inside(root: Path, path: str) -> Path:
    """Map a container path below the root directory of the container. Raises ValueError if it leads out of it."""
    parts = [part for part in Path(path).parts if part != "/"]
    if ".." in parts:
        raise ValueError(f"{path} must not contain '..'")
    return root.joinpath(*parts)


class PathRewriter:
    """Replaces mount paths in arguments and variables with host paths."""

    def __init__(self, rootfs: Path, mount_paths: Iterable[str]) -> None:
        self.rootfs = rootfs
        known = sorted({p.rstrip("/") for p in mount_paths if p.rstrip("/")}, key=len, reverse=True)
        # Replace a mount path only if it is a whole path or its beginning, not a part of another word.
        alternatives = "|".join(re.escape(path) for path in known)
        self._pattern = re.compile(rf"(?<![\w./-])({alternatives})(?![\w.-])") if known else None

    def rewrite(self, text: str) -> str:
        """Replace every mount path in a text."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: str(inside(self.rootfs, found[1])), text)


def mount_paths(container: Object) -> list[str]:
    """The mount paths of a container's volumes."""
    return [mount["mountPath"] for mount in container.get("volumeMounts") or ()]
