"""What a request asks for beside its object."""

from dataclasses import dataclass
from typing import NamedTuple

from localkube.apiserver.storage.store import Record
from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write. `version` is the API version the object is written in, "" for the stored one; `patch`: by PATCH."""

    manager: str = "unknown"
    version: str = ""
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Warn"  # Strict | Warn | Ignore
    force: bool = False
    patch: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. `propagation` is Background, Foreground, Orphan, or "" for the resource's own default."""

    uid: str = ""
    resource_version: str = ""
    grace: int | None = None
    propagation: str = ""
    dry_run: bool = False


class Outcome(NamedTuple):
    """What a write came to. `record` is None after a dry run or a removal."""

    object: Object
    record: Record | None = None
    created: bool = False
    removed: bool = False
    warnings: tuple[str, ...] = ()
