"""Options and results of writes."""

from dataclasses import dataclass
from typing import NamedTuple

from localkube.apiserver.storage.store import Record
from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of a write. `version` is the API version of the object, "" for the stored one; `patch`: it is a PATCH."""

    manager: str = "unknown"
    version: str = ""
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Warn"  # Strict | Warn | Ignore
    force: bool = False
    patch: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Options of a delete. `propagation` is Background, Foreground, Orphan, or "" for the default of the resource."""

    uid: str = ""
    resource_version: str = ""
    grace: int | None = None
    propagation: str = ""
    dry_run: bool = False


class Outcome(NamedTuple):
    """The result of a write. `record` is None after a dry run or a removal."""

    object: Object
    record: Record | None = None
    created: bool = False
    removed: bool = False
    warnings: tuple[str, ...] = ()
