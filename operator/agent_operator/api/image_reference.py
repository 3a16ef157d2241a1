"""Image references: REPOSITORY, with a tag, a digest, or both."""

import re
from dataclasses import dataclass

# A colon before a slash belongs to the port of the registry.
PATTERN = (
    r"^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
_TAG = re.compile(r":([^:/]*)$")
_SHORT_DIGEST = 12


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The parts of an image reference. Tag and digest are empty if it has none."""

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """Return the reference. A container runtime pulls by the digest and ignores a tag before it."""
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def version(self) -> str:
        """The tag, or the start of the digest; `latest` without either, like Kubernetes."""
        algorithm, _, digits = self.digest.partition(":")
        return self.tag or (f"{algorithm}:{digits[:_SHORT_DIGEST]}" if digits else "latest")


def parse(image: str) -> ImageReference:
    """Return the parts of an image reference. Never fails: the kubelet reports a malformed one."""
    name, _, digest = image.partition("@")
    tag = _TAG.search(name)
    return ImageReference(name[: tag.start()] if tag else name, tag[1] if tag else "", digest)
