"""The map from patterns of image names to local commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from localkube.meta.status import Object
from localkube.node.environment import expand
from localkube.node.errors import ImageUnknownError


@dataclass(frozen=True, slots=True)
class Image:
    """The part of an image's config that a process needs.

    Attributes:
        entrypoint: the local command, with paths of the host.
        cmd: default arguments, with paths in the container.
        working_dir: working directory of the process, a path in the container.
    """

    entrypoint: Sequence[str]
    cmd: Sequence[str] = ()
    working_dir: str = "/"


class ImageMap:
    """The images that the node can run: `{"registry/name:*": ["/usr/bin/python3", "-m", "package"]}`, or an Image."""

    def __init__(self, images: Mapping[str, Image | Sequence[str]]) -> None:
        self._images = {
            pattern: image if isinstance(image, Image) else Image(image) for pattern, image in images.items()
        }

    def has(self, image: str) -> bool:
        """Return whether an image is known. An empty map knows every image."""
        return not self._images or any(fnmatchcase(image, pattern) for pattern in self._images)

    def get(self, image: str) -> Image:
        """Return the image of the first pattern that matches. Raises ImageUnknownError on failure."""
        for pattern, found in self._images.items():
            if fnmatchcase(image, pattern):
                return found
        known = ", ".join(self._images) or "none"
        raise ImageUnknownError(
            f'"{image}" is not in the map of images of the local cluster, which runs pods as local processes;'
            f" known images: {known}"
        )


def argv(image: Image, container: Object, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the command of a container in two parts: the entrypoint with host paths, the rest with container paths.

    `command` replaces entrypoint and cmd, `args` replaces cmd; `$(NAME)` is expanded in both.
    """
    command, args = container.get("command") or (), container.get("args") or ()
    given = [expand(part, environment) for part in (*command, *args)]
    if command:
        return [], given
    return list(image.entrypoint), given if args else list(image.cmd)
