"""Base classes and scalar types of the API models, and schema extensions for the CRD generator."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from agent_operator.api import bounds

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOST_PATTERN = rf"^(\*\.)?{SUBDOMAIN_PATTERN[1:]}"

DnsLabel = Annotated[str, StringConstraints(pattern=LABEL_PATTERN, max_length=bounds.DNS_LABEL)]
DnsSubdomain = Annotated[str, StringConstraints(pattern=SUBDOMAIN_PATTERN, max_length=bounds.DNS_SUBDOMAIN)]
# A host name, or a wildcard for the hosts of a domain.
Hostname = Annotated[str, StringConstraints(pattern=HOST_PATTERN, max_length=bounds.DNS_SUBDOMAIN)]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=bounds.DNS_SUBDOMAIN)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=bounds.ENV_NAME)]
# A qualified name: an optional DNS subdomain and a slash, then at most 63 characters.
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN, max_length=bounds.QUALIFIED_NAME)]
# A label value that an object may have. The API server checks it only on the object itself.
SelectorValue = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$", max_length=bounds.LABEL_VALUE),
]
LabelValue = Annotated[str, StringConstraints(max_length=bounds.LABEL_VALUE)]
AnnotationValue = Annotated[str, StringConstraints(max_length=bounds.ANNOTATION_VALUE)]
Port = Annotated[int, Field(ge=1, le=65535)]
# The pattern of resource.Quantity in Kubernetes. The extension makes the CRD accept both 2 and "2".
QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
Quantity = Annotated[
    Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN, max_length=bounds.QUANTITY)] | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": bounds.QUANTITY,
        }
    ),
]
PERCENT_PATTERN = r"^[0-9]+%?$"
IntOrPercent = Annotated[
    Annotated[str, StringConstraints(pattern=PERCENT_PATTERN, max_length=bounds.PERCENT)] | Annotated[int, Field(ge=0)],
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": PERCENT_PATTERN,
            "maxLength": bounds.PERCENT,
        }
    ),
]
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]+(h|m|s|ms))+$", max_length=bounds.DURATION)]


class ApiModel(BaseModel):
    """Base of spec models: immutable, rejects unknown fields, camelCase in YAML and snake_case in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class StatusModel(BaseModel):
    """Base of status models. It ignores unknown fields, because a newer operator may have written them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def longest(characters: int) -> dict[str, Any]:
    """Return the maximum length of a string of the status. The operator reads a status without checking it."""
    return {"maxLength": characters}


def most(items: int) -> dict[str, Any]:
    """Return the maximum number of items of a list of the status."""
    return {"maxItems": items}


def list_map(*keys: str) -> dict[str, Any]:
    """Return the extensions of an associative list, whose items these keys identify."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def list_set() -> dict[str, Any]:
    """Return the extension of a set of scalars."""
    return {"x-kubernetes-list-type": "set"}


def list_atomic() -> dict[str, Any]:
    """Return the extension of a list that server-side apply replaces as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def map_atomic() -> dict[str, Any]:
    """Return the extension of a map that server-side apply replaces as a whole."""
    return {"x-kubernetes-map-type": "atomic"}
