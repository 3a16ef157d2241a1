"""Images: patterns of image names → the local command that stands for their entrypoint."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from localkube.node.environment import expand
from localkube.node.errors import ImageUnknownError
from localkube.status import Object


class ImageMap:
    """The images that this node can run: `{"registry/name:*": ["/usr/bin/python3", "-m", "package"]}`."""

    def __init__(self, images: Mapping[str, Sequence[str]]) -> None:
        self._images = {pattern: list(argv) for pattern, argv in images.items()}

    def has(self, image: str) -> bool:
        """Tell whether an image can be pulled; where none is named, all can."""
        return not self._images or any(fnmatchcase(image, pattern) for pattern in self._images)

    def entrypoint(self, image: str) -> list[str]:
        """The command of an image, by the first pattern that fits; ImageUnknownError."""
        for pattern, argv in self._images.items():
            if fnmatchcase(image, pattern):
                return argv
        known = ", ".join(self._images) or "none"
        raise ImageUnknownError(
            f'"{image}" is not in the map of images of this local cluster, where pods are local processes;'
            f" known images: {known}"
        )

    def argv(self, container: Object, environment: Mapping[str, str]) -> list[str]:
        """The container's command: `command` replaces the entrypoint, `args` come after; `$(NAME)` is expanded."""
        entrypoint = self.entrypoint(container["image"])
        command = [expand(part, environment) for part in container.get("command") or ()]
        args = [expand(part, environment) for part in container.get("args") or ()]
        return [*(command or entrypoint), *args]
