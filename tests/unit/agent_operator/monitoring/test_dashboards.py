"""The dashboards and rules: complete, portable, and only about metrics that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.codegen import metrics_reference, monitoring
from agent_operator.codegen.rbac import NAMESPACE
from agent_operator.monitoring.agent_dashboard import dashboard_of
from agent_operator.observability.metrics import Definition
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[4]
COMPONENT = ROOT / "deploy" / "kustomize" / "components" / "monitoring"
Json = dict[str, Any]

DASHBOARDS: dict[str, Json] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(COMPONENT.glob("dashboards/*.json"))
}
RULES: list[Json] = [
    rule
    for obj in yaml.safe_load_all((COMPONENT / "rules.yaml").read_text(encoding="utf-8"))
    for group in obj["spec"]["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
# Units of Grafana that the panels use.
UNITS = {"s", "reqps", "ops", "percentunit", "short", "bytes"}
# What Prometheus adds to the samples of a target of a ServiceMonitor.
TARGET_LABELS = {"namespace", "service", "pod", "job", "instance", "endpoint", "container"}
# Series that Prometheus itself writes.
OF_PROMETHEUS = {"up"}
FUNCTIONS = re.compile(r"\b([a-z_]+)\s*\(")
KEYWORDS = {"and", "by", "group_left", "ignoring", "on", "or", "unless", "vector", "without"}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})?")
GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for board in DASHBOARDS.values():
        yield from (target["expr"] for panel in panels(board) for target in panel["targets"])
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
                assert found
                series, label = found.groups()
                yield f"count by ({label}) ({series})"
    yield from (rule["expr"] for rule in RULES)


def used(expr: str) -> tuple[dict[str, set[str]], set[str]]:
    """Return the metrics of an expression with the labels that they are selected by, and the grouping labels."""
    grouping = {label.strip() for found in GROUPING.findall(expr) for label in found.split(",") if label.strip()}
    plain = GROUPING.sub(" ", STRING.sub('""', expr))
    plain = re.sub(r"\[[^\]]*\]", "", plain)
    metrics: dict[str, set[str]] = {}
    for name, matchers in SELECTOR.findall(plain):
        if name not in KEYWORDS and not re.search(rf"\b{name}\s*\(", plain):
            metrics.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", matchers))
    return metrics, grouping


def defined() -> dict[str, set[str]]:
    """Return the labels of each series that operator and runtime expose."""
    every: list[tuple[str, Definition]] = [
        *metrics_reference.of_runtime(),
        *metrics_reference.of_operator(),
        *metrics_reference.of_processes(),
    ]
    series = {it.name: {*it.labels} for kind, it in every if kind != "histogram"}
    for kind, it in every:
        if kind == "histogram":
            series |= {f"{it.name}_bucket": {*it.labels, "le"}, f"{it.name}_sum": {*it.labels}}
            series[f"{it.name}_count"] = {*it.labels}
    return series | {name: set() for name in OF_PROMETHEUS}


def test_the_files_are_generated() -> None:
    """If it fails, run `make manifests`."""
    files = monitoring.files()
    assert len(files) >= 4
    for path, text in files.items():
        assert (COMPONENT / path).read_text(encoding="utf-8") == text, path


def test_the_reference_of_metrics_is_generated() -> None:
    """If it fails, run `make docs`."""
    page = ROOT / "docs" / "reference" / "metrics.md"
    assert page.read_text(encoding="utf-8") == metrics_reference.page()
    assert len(metrics_reference.of_runtime()) >= 13
    assert len(metrics_reference.of_operator()) >= 19
    assert len(metrics_reference.of_processes()) == 6


@pytest.mark.parametrize("expr", sorted(set(expressions())))
def test_metrics_and_labels_exist(expr: str) -> None:
    known = defined()
    metrics, grouping = used(expr)

    assert metrics
    assert metrics.keys() <= known.keys()
    labels = TARGET_LABELS.union(*(known[name] for name in metrics))
    assert grouping <= labels
    for name, selected in metrics.items():
        assert selected <= known[name] | TARGET_LABELS, name


def test_every_metric_of_the_agents_and_of_the_operator_is_shown() -> None:
    """Except the ones that say the same as another one, and those of a read-only operator."""
    shown = {name for expr in expressions() for name in used(expr)[0]}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    named = {it.name for _, it in (*metrics_reference.of_runtime(), *metrics_reference.of_operator())}

    assert named - shown == {
        "agent_operator_pending_changes",
        "gen_ai_client_operation_time_to_first_chunk_seconds",
        "gen_ai_client_token_usage",
    }


@pytest.mark.parametrize("board", [*DASHBOARDS.values(), dashboard_of("support", "web", "uid").as_json()])
def test_a_dashboard_works_in_every_grafana(board: Json) -> None:
    numbers = [panel["id"] for panel in board["panels"]]
    source = next(it for it in board["templating"]["list"] if it["type"] == "datasource")
    variables = {it["name"] for it in board["templating"]["list"]}

    assert len(set(numbers)) == len(numbers)
    assert len(board["uid"]) <= 40
    assert board["uid"] not in {other["uid"] for other in DASHBOARDS.values() if other is not board}
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith((".", "shows it.")), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        for item in (panel, *panel["targets"]):
            assert item["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"} <= variables
            assert NAMESPACE not in target["expr"]
            assert not re.search(r'namespace="[^$"]', target["expr"])


@pytest.mark.parametrize("board", DASHBOARDS.values())
def test_panels_do_not_overlap(board: Json) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered, panel["title"]
        cells |= covered


def test_the_panels_of_the_seed_exist() -> None:
    """Request latency (p50, p95, p99), request rate, error rate, token usage, health status."""
    by_title = {panel["title"]: panel for panel in panels(DASHBOARDS["agent"])}

    assert [target["legendFormat"] for target in by_title["Request latency"]["targets"]] == ["p50", "p95", "p99"]
    assert by_title.keys() >= {"Request rate", "Error rate", "Tokens by model and kind", "Component health"}


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_runbook(name: str) -> None:
    alert = ALERTS[name]
    page = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8")

    assert alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert page.startswith(f"# {name}\n")
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Meaning", "## Diagnosis", "## Remedy"]
    assert f"Severity: {alert['labels']['severity']}." in page


def test_every_runbook_belongs_to_an_alert() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}

    assert pages - {"README"} == ALERTS.keys()
