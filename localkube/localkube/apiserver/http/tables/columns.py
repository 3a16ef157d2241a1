"""Columns of tables, with the descriptions of the fields that they show."""

from dataclasses import dataclass
from functools import lru_cache

from kubeschema import schema
from localkube.meta.status import Object


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `about` is the description, or `=` and the `kind.path` of a field that has the description."""

    name: str
    about: str = ""
    type: str = "string"
    wide: bool = False

    def definition(self) -> Object:
        """`metav1.TableColumnDefinition`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": "name" if self.name == "Name" else "",
            "description": described(self.about[1:]) if self.about.startswith("=") else self.about,
            "priority": 1 if self.wide else 0,
        }


@lru_cache(maxsize=512)
def described(path: str) -> str:
    """The description of the field `group/version/Kind.path.to.field`; "" if there is none."""
    gvk, *fields = path.split(".")
    if "/" not in gvk:
        gvk = f"/v1/{gvk}"
    group, version, kind = gvk.split("/")
    # Dots in a group are written as colons, because dots separate the fields.
    node = schema.builtin(group.replace(":", "."), version, kind)
    text = ""
    for name in fields:
        if node is None:
            return ""
        node = node.items if node.type in ("list", "map") else node
        # The description is at the declaration of the field, not at its type.
        text = (node.raw.get("properties") or {}).get(name, {}).get("description", "")
        node = node.child(name)
    return text


NAME = Column("Name", "=Pod.metadata.name")
AGE = Column("Age", "=Pod.metadata.creationTimestamp")
CREATED = Column("Created At", "=Pod.metadata.creationTimestamp", type="date")
