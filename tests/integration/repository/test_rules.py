"""The rules of Prometheus, checked by promtool: their syntax, and which alerts fire for which series."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

COMPONENT = Path(__file__).parents[3] / "deploy" / "kustomize" / "components" / "monitoring"
AGENT = 'namespace="support",service="web",pod="web-1"'
OPERATOR = 'namespace="agent-operator-system",job="agent-operator-metrics",pod="agent-operator-1"'
CALLS = "gen_ai_client_operation_duration_seconds_count"
CALL = f'{AGENT},gen_ai_request_model="gpt",gen_ai_operation_name="chat",gen_ai_provider_name="openai"'
MINUTES = 120
Series = dict[str, str]


def rising(per_minute: float, start: float = 0) -> str:
    """Return the values of a counter that rises every minute."""
    return f"{start}+{per_minute}x{MINUTES}"


def constant(value: float) -> str:
    return f"{value}x{MINUTES}"


# Series of an agent and an operator that work.
HEALTHY: Series = {
    f"up{{{AGENT}}}": constant(1),
    f'agent_info{{{AGENT},version="1",revision="a"}}': constant(1),
    f"process_start_time_seconds{{{AGENT}}}": constant(1),
    f'agent_requests_total{{{AGENT},route="/api/chat",code="200"}}': rising(600),
    f'agent_requests_total{{{AGENT},route="/health/live",code="503"}}': rising(6000),
    f'agent_request_duration_seconds_bucket{{{AGENT},route="/api/chat",le="1"}}': rising(600),
    f'agent_request_duration_seconds_bucket{{{AGENT},route="/api/chat",le="60"}}': rising(600),
    f'agent_request_duration_seconds_bucket{{{AGENT},route="/api/chat",le="+Inf"}}': rising(600),
    f'agent_component_healthy{{{AGENT},component="redis"}}': constant(1),
    f'{CALLS}{{{CALL},error_type=""}}': rising(600),
    f'{CALLS}{{{CALL},error_type="cancelled"}}': rising(600),
    f'agent_tool_calls_total{{{AGENT},tool="crm__find",outcome="success"}}': rising(60),
    f"agent_tokens_total{{{AGENT}}}": rising(60),
    f'agent_budget_used_ratio{{{AGENT},unit="cost",period="month"}}': constant(0.8),
    f'agent_operator_info{{{OPERATOR},version="1"}}': constant(1),
    f"agent_operator_leader{{{OPERATOR}}}": constant(1),
    f'agent_operator_watch_age_seconds{{{OPERATOR},kind="Service"}}': constant(200),
    f'agent_operator_reconcile_total{{{OPERATOR},trigger="agent",outcome="unchanged"}}': rising(60),
    f'agent_operator_reconcile_total{{{OPERATOR},trigger="agent",outcome="failed"}}': rising(1),
    f"agent_operator_queue_age_seconds{{{OPERATOR}}}": constant(3),
    f'agent_operator_api_requests_total{{{OPERATOR},verb="get",kind="Secret",code="200"}}': rising(60),
    f"agent_operator_event_loop_blocked_seconds_sum{{{OPERATOR}}}": rising(1),
    f'agent_operator_part_failures_total{{{OPERATOR},part="Service"}}': constant(2),
    f'agent_operator_agents{{{OPERATOR},condition="Ready"}}': constant(3),
    f'agent_operator_unreadable_objects{{{OPERATOR},kind="Pod"}}': constant(0),
    f'agent_operator_channel_halted{{{OPERATOR},channel="stable"}}': constant(0),
}
# Alert -> the series that differ. None: the series does not exist.
FIRING: dict[str, dict[str, str | None]] = {
    "AgentErrorRateHigh": {f'agent_requests_total{{{AGENT},route="/api/chat",code="502"}}': rising(60)},
    "AgentLatencyHigh": {
        f'agent_request_duration_seconds_bucket{{{AGENT},route="/api/chat",le="1"}}': rising(60),
    },
    "AgentRejectsRequests": {f'agent_requests_total{{{AGENT},route="/api/chat",code="429"}}': rising(100)},
    "AgentComponentUnhealthy": {f'agent_component_healthy{{{AGENT},component="redis"}}': constant(0)},
    "AgentModelErrors": {f'{CALLS}{{{CALL},error_type="model_timeout"}}': rising(600)},
    "AgentToolErrors": {f'agent_tool_calls_total{{{AGENT},tool="crm__find",outcome="error"}}': rising(90)},
    "AgentBudgetNearlySpent": {f'agent_budget_used_ratio{{{AGENT},unit="cost",period="month"}}': constant(0.81)},
    "AgentPodsNotScraped": {
        f"up{{{AGENT}}}": f"1x60 0x{MINUTES - 60}",
        f'agent_info{{{AGENT},version="1",revision="a"}}': "1x60 stale",
    },
    "AgentRestarts": {f"process_start_time_seconds{{{AGENT}}}": rising(0.1)},
    "AgentOperatorDown": {f'agent_operator_info{{{OPERATOR},version="1"}}': None},
    "AgentOperatorNoLeader": {f"agent_operator_leader{{{OPERATOR}}}": constant(0)},
    "AgentOperatorWatchStale": {
        f'agent_operator_watch_age_seconds{{{OPERATOR},kind="Service"}}': constant(421),
    },
    "AgentOperatorReconcileErrors": {
        f'agent_operator_reconcile_total{{{OPERATOR},trigger="agent",outcome="failed"}}': rising(30),
    },
    "AgentOperatorQueueStuck": {f"agent_operator_queue_age_seconds{{{OPERATOR}}}": constant(61)},
    "AgentOperatorApiErrors": {
        f'agent_operator_api_requests_total{{{OPERATOR},verb="get",kind="Secret",code="429"}}': rising(60),
    },
    "AgentOperatorBlocked": {f"agent_operator_event_loop_blocked_seconds_sum{{{OPERATOR}}}": rising(20)},
    "AgentOperatorPartFailing": {f'agent_operator_part_failures_total{{{OPERATOR},part="Service"}}': rising(1)},
    "AgentsStalled": {f'agent_operator_agents{{{OPERATOR},condition="Stalled"}}': constant(1)},
    "AgentOperatorUnreadableObjects": {
        f'agent_operator_unreadable_objects{{{OPERATOR},kind="Pod"}}': constant(1),
    },
    "AgentRuntimeChannelHalted": {f'agent_operator_channel_halted{{{OPERATOR},channel="stable"}}': constant(1)},
}


def scenario(name: str, changed: dict[str, str | None], fires: set[str]) -> dict[str, Any]:
    """Return a test of promtool: with these series, exactly these alerts fire."""
    series = {key: values for key, values in (HEALTHY | changed).items() if values is not None}
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(fires)]
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES - 10}m",
                "exp_samples": expected,
            }
        ],
    }


@pytest.fixture(scope="module")
def promtool() -> str:
    program = shutil.which("promtool")
    assert program, "promtool is missing: apt-get install prometheus"
    return program


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The groups of all PrometheusRules as one file of Prometheus, and the names of the alerts."""
    objects = list(yaml.safe_load_all((COMPONENT / "rules.yaml").read_text(encoding="utf-8")))
    groups = [group for obj in objects for group in obj["spec"]["groups"]]
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    return path, {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid(promtool: str, rules: tuple[Path, set[str]]) -> None:
    run(promtool, "check", "rules", rules[0])


def test_each_alert_fires_for_its_fault_and_none_without_a_fault(
    promtool: str, rules: tuple[Path, set[str]], tmp_path: Path
) -> None:
    path, alerts = rules
    assert FIRING.keys() == alerts
    faults = [scenario(name, changed, {name}) for name, changed in FIRING.items()]
    tests = [scenario("no fault", {}, set()), *faults]
    tests[0]["promql_expr_test"] += [
        {
            "expr": expr,
            "eval_time": "60m",
            "exp_samples": [{"labels": f'{expr}{{namespace="support",service="web"}}', "value": value}],
        }
        for expr, value in {
            "agent:requests:rate5m": 10,
            "agent:tokens:rate5m": 1,
            "agent:request_errors:ratio_rate5m": 0,
            "agent:request_duration_seconds:p50_rate5m": 0.5,
            "agent:request_duration_seconds:p95_rate5m": 0.95,
            "agent:request_duration_seconds:p99_rate5m": 0.99,
        }.items()
    ]
    document = {"rule_files": [str(path)], "evaluation_interval": "1m", "tests": tests}
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")

    run(promtool, "test", "rules", file)


def test_the_expressions_of_the_dashboards_are_valid(promtool: str, tmp_path: Path) -> None:
    """As rules, with values in place of the variables of Grafana."""
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in COMPONENT.glob("dashboards/*.json")]
    panels = [panel for board in boards for panel in board["panels"]]
    queries = sorted({target["expr"] for panel in panels for target in panel.get("targets", ())})
    found = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": found}]}), encoding="utf-8")

    assert len(found) > 50
    run(promtool, "check", "rules", file)
