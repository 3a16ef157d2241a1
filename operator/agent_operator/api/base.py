"""What every API model shares: shape, scalar types and the marks that the CRD generator reads."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

DnsLabel = Annotated[str, StringConstraints(pattern=LABEL_PATTERN, max_length=63)]
DnsSubdomain = Annotated[str, StringConstraints(pattern=SUBDOMAIN_PATTERN, max_length=253)]
Hostname = DnsSubdomain
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Kubernetes' own pattern for a resource.Quantity; the mark makes the CRD take 2 as well as "2".
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
Quantity = Annotated[
    Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN, max_length=64)] | int,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN}),
]
PERCENT_PATTERN = r"^[0-9]+%?$"
IntOrPercent = Annotated[
    Annotated[str, StringConstraints(pattern=PERCENT_PATTERN, max_length=8)] | Annotated[int, Field(ge=0)],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": PERCENT_PATTERN}),
]
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]+(h|m|s|ms))+$", max_length=32)]


class ApiModel(BaseModel):
    """Immutable, closed, camelCase in YAML and snake_case in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class StatusModel(BaseModel):
    """As ApiModel, but open: a newer operator may have written fields that this one does not know."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def list_map(*keys: str) -> dict[str, Any]:
    """Mark a list whose items are told apart by these keys, so that several owners can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def list_set() -> dict[str, Any]:
    """Mark a list of distinct scalars."""
    return {"x-kubernetes-list-type": "set"}


def list_atomic() -> dict[str, Any]:
    """Mark a list that is replaced whole."""
    return {"x-kubernetes-list-type": "atomic"}


def map_atomic() -> dict[str, Any]:
    """Mark a map that is replaced whole."""
    return {"x-kubernetes-map-type": "atomic"}
