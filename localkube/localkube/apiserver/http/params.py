"""Parses and validates query parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from localkube.apiserver.options import WriteOptions
from localkube.apiserver.resources import Resource
from localkube.meta import status
from localkube.meta.selectors import FieldSelector, LabelSelector
from localkube.meta.status import Object

Query = Mapping[str, str]
_MATCH = "resourceVersionMatch"


def flag(query: Query, name: str) -> bool:
    """Return the value of a boolean query parameter; False if it is missing."""
    return query.get(name, "").lower() in ("1", "true")


def user_agent_manager(agent: str) -> str:
    """The default field manager: the user agent before the first slash."""
    return agent.partition("/")[0].strip() or "unknown"


def write_options(query: Query, agent: str, kind: str, version: str, subresource: str = "") -> WriteOptions:
    """Parse the options of a create, update or patch. ApiErrors (422) name their `kind`, such as CreateOptions."""
    if not query:
        return WriteOptions(user_agent_manager(agent), version, subresource)
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        text = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        raise status.options_invalid(kind, "fieldValidation", "FieldValueNotSupported", text)
    return WriteOptions(
        manager=query.get("fieldManager") or user_agent_manager(agent),
        version=version,
        subresource=subresource,
        dry_run=dry_run(query, kind),
        validation=validation,
        force=flag(query, "force"),
    )


def dry_run(query: Query, kind: str) -> bool:
    """Whether the query contains `dryRun=All`. Raises ApiError 422 for other values of `dryRun`."""
    value = query.get("dryRun", "")
    if value not in ("", "All"):
        text = f'Unsupported value: ["{value}"]: supported values: "All"'
        raise status.options_invalid(kind, "dryRun", "FieldValueNotSupported", text)
    return value == "All"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options of a list or watch."""

    labels: LabelSelector | None
    fields: FieldSelector | None
    resource_version: str
    match: str
    limit: int
    token: str
    watch: bool
    timeout: float | None
    bookmarks: bool
    initial: bool

    def matches(self, obj: Object) -> bool:
        """Whether an object matches the selectors."""
        return (self.fields is None or self.fields.matches(obj)) and (self.labels is None or self.labels.matches(obj))


def list_options(query: Query, resource: Resource, name: str = "") -> ListOptions:
    """Parse the options of a list or watch, or of a watch of the object `name`. Raises ApiError 400, 422."""
    labels, fields = query.get("labelSelector"), query.get("fieldSelector")
    if name:
        fields = ",".join(filter(None, (fields, f"metadata.name={name}")))
    initial = query.get("sendInitialEvents")
    options = ListOptions(
        labels=LabelSelector.parse(labels) if labels else None,
        fields=FieldSelector.parse(fields, resource.selectable) if fields else None,
        resource_version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
        limit=_number(query, "limit"),
        token=query.get("continue", ""),
        watch=flag(query, "watch"),
        timeout=_number(query, "timeoutSeconds") or None,
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial=flag(query, "sendInitialEvents"),
    )
    _check(options, initial)
    return options


def _number(query: Query, name: str) -> int:
    text = query.get(name, "")
    try:
        return int(text) if text else 0
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _check(options: ListOptions, initial: str | None) -> None:
    found = _initial_problem(options, initial) or _match_problem(options, initial)
    if found:
        message, field = found
        reason = "FieldValueNotSupported" if message.startswith("Unsupported") else "FieldValueForbidden"
        raise status.options_invalid("ListOptions", field, reason, message)


def _initial_problem(options: ListOptions, initial: str | None) -> tuple[str, str] | None:
    if initial is not None and not options.watch:
        return "Forbidden: sendInitialEvents is forbidden for list", "sendInitialEvents"
    if initial is not None and options.match != "NotOlderThan":
        return "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan", _MATCH
    return None


def _match_problem(options: ListOptions, initial: str | None) -> tuple[str, str] | None:
    if not options.match or initial is not None:
        return None
    text = ""
    if options.watch:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    elif not options.resource_version:
        text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif options.token:
        text = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif options.match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{options.match}": supported values: "Exact", "NotOlderThan"'
    return (text, _MATCH) if text else None
