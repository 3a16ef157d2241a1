"""Content negotiation."""

from dataclasses import dataclass
from functools import lru_cache

from localkube.meta import status

_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_AS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True)
class Representation:
    """The kind of the answer, which is JSON: "" for the object itself, Table or PartialObjectMetadata."""

    shown_as: str = ""

    @property
    def table(self) -> bool:
        """Whether the answer is a Table."""
        return self.shown_as == "Table"


@lru_cache(maxsize=256)
def representation(accept: str) -> Representation:
    """The first supported representation of an Accept header. Raises ApiError 406."""
    for clause in accept.split(",") if accept else ("*/*",):
        media, *parameters = (p.strip() for p in clause.split(";"))
        found = dict(p.partition("=")[::2] for p in parameters)
        shown_as = found.get("as", "")
        if shown_as and (shown_as not in _AS or found.get("g") != "meta.k8s.io" or found.get("v") != "v1"):
            continue
        if media in ("application/json", "*/*", "application/*"):
            return Representation(shown_as=shown_as.removesuffix("List"))
    raise status.not_acceptable(_TYPES)


@lru_cache(maxsize=256)
def discovery_version(accept: str) -> str:
    """The first requested version of aggregated discovery, "" for the legacy lists. Raises ApiError 406."""
    for clause in accept.split(",") if accept else ("*/*",):
        media, *parameters = (p.strip() for p in clause.split(";"))
        found = dict(p.partition("=")[::2] for p in parameters)
        if media not in ("application/json", "*/*", "application/*"):
            continue
        if found.get("as") == "APIGroupDiscoveryList":
            if found.get("g") == "apidiscovery.k8s.io" and found.get("v") in ("v2", "v2beta1"):
                return found["v"]
            continue
        return ""
    raise status.not_acceptable(_TYPES)
