"""A parsed CustomResourceDefinition: its resource and, per version, schema, CEL rules and printer columns."""

import re
from dataclasses import dataclass
from typing import Any

from kubeschema.cel_rules import RuleTree
from kubeschema.errors import Cause
from localkube.apiserver.crds import structural
from localkube.apiserver.resources import CUSTOM_VERBS, Resource, ScalePaths
from localkube.meta.status import Object

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STAGES = {None: 2, "beta": 1, "alpha": 0}


def precedence(version: str) -> tuple[int, int, int, str]:
    """Sort key of API versions, for reverse=True: v2, v1, v1beta1, v1alpha1, then other names."""
    found = _VERSION.fullmatch(version)
    if not found:
        return (-1, 0, 0, version)
    return (_STAGES[found[2]], int(found[1]), int(found[3] or 0), "")


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a custom resource."""

    name: str
    schema: Object
    rules: RuleTree
    columns: list[Object]
    status: bool


class Definition:
    """A parsed CRD."""

    def __init__(self, crd: Object) -> None:
        spec = crd["spec"]
        self.crd = crd
        self.versions: dict[str, Version] = {v["name"]: _version(v) for v in spec["versions"] if v.get("served")}
        self.resource = _resource(spec)


def _version(found: Object) -> Version:
    schema = schema_of(found)
    return Version(
        name=found["name"],
        schema=schema,
        rules=RuleTree(schema),
        columns=found.get("additionalPrinterColumns") or [],
        status="status" in (found.get("subresources") or {}),
    )


def schema_of(version: Object) -> Object:
    """`schema.openAPIV3Schema` of a version; without one, a schema that accepts everything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    found: Object = (version.get("schema") or {}).get("openAPIV3Schema") or anything
    return found


def _resource(spec: Object) -> Resource:
    names = spec["names"]
    served = sorted((v["name"] for v in spec["versions"] if v.get("served")), key=precedence, reverse=True)
    stored = next(v for v in spec["versions"] if v.get("storage"))
    subresources = stored.get("subresources") or {}
    return Resource(
        group=spec["group"],
        versions=tuple(served),
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        storage=stored["name"],
        status="status" in subresources,
        scale=_scale(subresources.get("scale")),
        generation=True,
        selectable=tuple(f["jsonPath"].lstrip(".") for f in stored.get("selectableFields") or ()),
        custom=True,
        verbs=CUSTOM_VERBS,
    )


def _scale(paths: Object | None) -> ScalePaths | None:
    if paths is None:
        return None
    found = (paths.get(k, "").lstrip(".") for k in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"))
    return ScalePaths(*found)


def completed(crd: Object) -> Object:
    """Default the names and the conversion of a CRD."""
    spec = dict(crd.get("spec") or {})
    names = dict(spec.get("names") or {})
    kind = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec["names"] = names
    spec.setdefault("conversion", {"strategy": "None"})
    return {**crd, "spec": spec}


def problems(crd: Object) -> list[Cause]:
    """Validate a CRD."""
    spec = crd["spec"]
    plural, group = spec.get("names", {}).get("plural", ""), spec.get("group", "")
    causes = _name_problems(crd, plural, group)
    versions = spec.get("versions") or []
    if sum(1 for v in versions if v.get("storage")) != 1:
        message = f"Invalid value: {_names(versions)}: must have exactly one version marked as storage version"
        causes.append(Cause("FieldValueInvalid", message, "spec.versions"))
    for index, version in enumerate(versions):
        # With one version the server speaks of the field that held the schema in v1beta1.
        at = "spec.validation" if len(versions) == 1 else f"spec.versions[{index}].schema"
        causes += _schema_problems(version, f"{at}.openAPIV3Schema", index)
    return causes


def _names(versions: list[Any]) -> str:
    return "[" + ", ".join(f'"{v.get("name")}"' for v in versions) + "]"


def _name_problems(crd: Object, plural: str, group: str) -> list[Cause]:
    name = crd["metadata"].get("name", "")
    causes: list[Cause] = []
    if name != f"{plural}.{group}":
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        causes.append(Cause("FieldValueInvalid", message, "metadata.name"))
    if crd["spec"].get("scope") not in ("Namespaced", "Cluster"):
        message = f'Unsupported value: "{crd["spec"].get("scope", "")}": supported values: "Cluster", "Namespaced"'
        causes.append(Cause("FieldValueNotSupported", message, "spec.scope"))
    conversion = (crd["spec"].get("conversion") or {}).get("strategy")
    if conversion == "Webhook":
        message = "Forbidden: the local cluster does not support conversion webhooks"
        causes.append(Cause("FieldValueForbidden", message, "spec.conversion.strategy"))
    return causes


def _schema_problems(version: Object, path: str, index: int) -> list[Cause]:
    if not (version.get("schema") or {}).get("openAPIV3Schema"):
        at = f"spec.versions[{index}].schema.openAPIV3Schema"
        return [Cause("FieldValueRequired", "Required value: schemas are required", at)]
    schema = schema_of(version)
    causes = structural.check(schema, path)
    return causes + RuleTree(schema, path=path).problems
