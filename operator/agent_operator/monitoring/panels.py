"""Build dashboards of Grafana: panels in rows, with ids and places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

# Variables of every dashboard. Panels name them and not a data source, so that a dashboard works in every Grafana.
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
# The version of Grafana's schema that Grafana 10 writes. Later versions migrate it.
_SCHEMA = 39


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and the legend of its series. `{{label}}` is the value of a label."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: names what it shows.
        description: what the values mean, and what to do about them.
        unit: the unit of Grafana, such as s, reqps, percentunit or short.
        queries: what it shows.
        kind: lines over time, the latest value, or a table of the latest values.
        width: of 24 columns.
        thresholds: value -> colour from this value on, beyond green.
        stacked: whether the series add up.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    width: int = 8
    thresholds: tuple[tuple[float, str], ...] = ()
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a dashboard: the values of a label, from which the reader selects; or one fixed value."""

    name: str
    label: str
    query: str = ""
    value: str = ""

    def as_json(self) -> Json:
        """Return the variable in the format of Grafana."""
        if self.value:
            fixed = {"text": self.value, "value": self.value}
            return {"name": self.name, "label": self.label, "type": "constant", "query": self.value, "hide": 2} | {
                "current": fixed,
                "options": [fixed | {"selected": True}],
            }
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": _SOURCE,
            "definition": self.query,
            "query": {"query": self.query, "refId": self.name},
            "current": {"text": "All", "value": "$__all"},
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "refresh": 2,
            "sort": 1,
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard.

    Attributes:
        uid: identifies it in Grafana; at most 40 characters.
        title: its name in Grafana.
        description: what it is for.
        variables: what the reader selects, besides the data source.
        rows: title -> panels.
    """

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: dict[str, tuple[Panel, ...]] = field(default_factory=dict)

    def as_json(self) -> Json:
        """Return the dashboard in the format of Grafana."""
        source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["agent-operator"],
            "schemaVersion": _SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [source, *(variable.as_json() for variable in self.variables)]},
            "panels": list(_placed(self.rows)),
        }


def _placed(rows: dict[str, tuple[Panel, ...]]) -> Iterator[Json]:
    """Yield the rows and their panels, each below or right of the one before."""
    number = top = 0
    for title, panels in rows.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": []} | _at(0, top, 24, 1)
        top, left, height = top + 1, 0, 0
        for panel in panels:
            number += 1
            if left + panel.width > _COLUMNS:
                top, left, height = top + height, 0, 0
            yield _as_json(panel, number) | _at(left, top, panel.width, _HEIGHTS[panel.kind])
            left, height = left + panel.width, max(height, _HEIGHTS[panel.kind])
        top += height


def _at(left: int, top: int, width: int, height: int) -> Json:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _as_json(panel: Panel, number: int) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    steps += [{"color": color, "value": value} for value, color in panel.thresholds]
    defaults: Json = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        filled = 40 if panel.stacked else 10
        defaults["custom"] = {"drawStyle": "line", "fillOpacity": filled, "showPoints": "never", "stacking": stacking}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
        "targets": list(_targets(panel.queries, instant=panel.kind != "timeseries", table=panel.kind == "table")),
    }


def _options(kind: str) -> Json:
    if kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "table":
        return {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": True}]}
    return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}


def _targets(queries: Sequence[Query], *, instant: bool, table: bool) -> Iterator[Json]:
    for position, query in enumerate(queries):
        yield {
            "refId": chr(ord("A") + position),
            "datasource": _SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": instant,
            "range": not instant,
            "format": "table" if table else "time_series",
        }
