"""Images: patterns of image names → what stands for the image on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from localkube.meta.status import Object
from localkube.node.environment import expand
from localkube.node.errors import ImageUnknownError


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's config says, as far as a process needs it.

    Attributes:
        entrypoint: the local command. Its paths are those of this machine.
        cmd: arguments where the container names none. Their paths are those inside the container.
        working_dir: directory inside the container that a process starts in.
    """

    entrypoint: Sequence[str]
    cmd: Sequence[str] = ()
    working_dir: str = "/"


class ImageMap:
    """The images that this node can run: `{"registry/name:*": ["/usr/bin/python3", "-m", "package"]}`, or an Image."""

    def __init__(self, images: Mapping[str, Image | Sequence[str]]) -> None:
        self._images = {
            pattern: image if isinstance(image, Image) else Image(image) for pattern, image in images.items()
        }

    def has(self, image: str) -> bool:
        """Tell whether an image can be pulled; where none is named, all can."""
        return not self._images or any(fnmatchcase(image, pattern) for pattern in self._images)

    def get(self, image: str) -> Image:
        """Return what stands for an image, by the first pattern that fits; ImageUnknownError."""
        for pattern, found in self._images.items():
            if fnmatchcase(image, pattern):
                return found
        known = ", ".join(self._images) or "none"
        raise ImageUnknownError(
            f'"{image}" is not in the map of images of this local cluster, where pods are local processes;'
            f" known images: {known}"
        )


def argv(image: Image, container: Object, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return a container's command in two parts: the image's entrypoint, and what is meant inside the container.

    `command` replaces entrypoint and cmd, `args` replace cmd; `$(NAME)` is expanded in both.
    """
    command, args = container.get("command") or (), container.get("args") or ()
    given = [expand(part, environment) for part in (*command, *args)]
    if command:
        return [], given
    return list(image.entrypoint), given if args else list(image.cmd)
