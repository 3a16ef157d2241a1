"""Counters read from the /metrics of a pod."""

import math
from functools import partial
from typing import Any

import pytest

from agent_operator.rollout.analysis.client import MAX_BYTES
from agent_operator.rollout.analysis.parser import (
    MAX_BOUNDS,
    MAX_CHARS,
    MAX_LINES,
    NO_REQUESTS,
    Sample,
    UnreadableMetrics,
    parse_metrics,
)
from agent_runtime.metrics import Metrics
from tests.cpu_time import LIMIT, cpu_seconds


def exposed(metrics: Metrics, accept: str = "text/plain;version=0.0.4") -> str:
    return metrics.exposition(accept)[0].decode()


def answered(metrics: Metrics, route: str, code: int, seconds: float) -> None:
    metrics.requests.labels(route, code).inc()
    metrics.duration.labels(route).observe(seconds)


def sampled(text: str) -> Sample:
    found = parse_metrics(text)
    assert isinstance(found, Sample), found
    return found


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"])
def test_metrics_of_the_runtime_are_read(accept: str) -> None:
    """The parser reads the runtime's own metrics, in both formats that the runtime can write."""
    metrics = Metrics("1.0", "abc")
    for route, code, seconds in [
        ("/v1/chat/completions", 200, 0.3),
        ("/v1/chat/completions", 503, 0.004),
        ("/api/chat", 200, 400.0),
        ("/api/chat", 404, 0.004),
        ("/a2a", 500, 0.3),
    ]:
        answered(metrics, route, code, seconds)
    metrics.tokens.labels("gpt", "prompt").inc(30)
    metrics.tokens.labels("gpt", "completion").inc(12)
    sample = sampled(exposed(metrics, accept))
    assert (sample.requests, sample.errors, sample.tokens) == (5, 2, 42)
    buckets = dict(sample.buckets)
    assert (buckets[0.005], buckets[0.5], buckets[300.0], buckets[math.inf]) == (2, 4, 4, 5)


def test_probes_and_static_pages_do_not_count() -> None:
    metrics = Metrics("1.0", "abc")
    for route in ("/health/live", "/health/ready", "/", "/openapi.json", "unmatched", "/.well-known/agent-card.json"):
        answered(metrics, route, 500, 0.1)
    assert sampled(exposed(metrics)) == NO_REQUESTS


def test_metrics_without_requests() -> None:
    assert sampled(exposed(Metrics("1.0", "abc"))) == NO_REQUESTS


def test_escaped_labels_are_read() -> None:
    """Users name models, so a label may contain quotes, newlines and braces."""
    metrics = Metrics("1.0", "abc")
    metrics.tokens.labels('a"} 5\n{\\', "prompt").inc(3)
    assert sampled(exposed(metrics)).tokens == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "exposes no metric"),
        ("<html><body>404</body></html>", "exposes no metric"),
        ("# TYPE go_goroutines gauge\ngo_goroutines 7\n", "exposes no metric"),
        ("agent_requests_total{", "not in the Prometheus text format"),
        ("agent_requests_total{route= 1\n", "not in the Prometheus text format"),
        ('agent_requests_total{route="/v1/x"} 1\n', "not in the Prometheus text format"),
        ('agent_requests_total{route="/v1/x",code="200"} many\n', "not in the Prometheus text format"),
        ('agent_requests_total{route="/v1/x",code="200"} NaN\n', "not in the Prometheus text format"),
        ('agent_requests_total{route="/v1/x",code="200"} +Inf\n', "not in the Prometheus text format"),
        ('agent_requests_total{route="/v1/x",code="OK"} 1\n', "not in the Prometheus text format"),
        ("agent_requests_total \x00\n", "not in the Prometheus text format"),
    ],
)
def test_other_text_is_unreadable(text: str, message: str) -> None:
    found = parse_metrics(text)
    assert isinstance(found, UnreadableMetrics)
    assert message in found.message


@pytest.mark.parametrize("cut", range(0, 1200, 37))
def test_truncated_text_does_not_raise(cut: int) -> None:
    metrics = Metrics("1.0", "abc")
    answered(metrics, "/v1/chat/completions", 200, 0.3)
    text = exposed(metrics)
    relevant = text[text.index("# HELP agent_requests") :]
    assert isinstance(parse_metrics(relevant[:cut]), Sample | UnreadableMetrics)


ADDED: list[tuple[str, Any, Any, Any]] = [
    ("same bounds", ((1.0, 2), (math.inf, 3)), ((1.0, 5), (math.inf, 5)), ((1.0, 7), (math.inf, 8))),
    ("no requests", ((1.0, 2), (math.inf, 3)), (), ((1.0, 2), (math.inf, 3))),
    (
        "other bounds: requests between two bounds count with the higher one",
        ((1.0, 2), (math.inf, 3)),
        ((0.5, 1), (2.0, 4), (math.inf, 4)),
        ((0.5, 1), (1.0, 3), (2.0, 6), (math.inf, 7)),
    ),
]


@pytest.mark.parametrize(("_case", "one", "other", "both"), ADDED, ids=[case for case, *_ in ADDED])
def test_histograms_are_added(_case: str, one: Any, other: Any, both: Any) -> None:
    assert (Sample(buckets=one) + Sample(buckets=other)).buckets == both
    assert (Sample(buckets=other) + Sample(buckets=one)).buckets == both


def test_counters_are_added() -> None:
    assert Sample(1, 2, 3) + Sample(10, 20, 30) == Sample(11, 22, 33)


ROUTE = 'route="/v1/x"'
COUNTED = f'agent_requests_total{{{ROUTE},code="200"}} 1'
TOO_MUCH = f"more than {MAX_LINES} series or {MAX_CHARS} bytes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{COUNTED}\n" * (MAX_LINES + 1), TOO_MUCH),
        ("agent_requests_total" + "1" * MAX_CHARS, TOO_MUCH),
        ("agent_requests_total 1" + "0" * 1_000, "not in the Prometheus text format"),
        (f'agent_requests_total{{{ROUTE},code="200"}} 1e308', "not in the Prometheus text format"),
        (f'agent_requests_total{{{ROUTE},code="200"}} NaN', "not in the Prometheus text format"),
        (f'agent_requests_total{{{ROUTE},code="200"}} -1', "not in the Prometheus text format"),
        (f'agent_requests_total{{{ROUTE},code="{"9" * 5_000}"}} 1', "not in the Prometheus text format"),
        (f'{COUNTED}\nagent_request_duration_seconds_bucket{{{ROUTE},le="NaN"}} 1', "not in the Prometheus text"),
        (
            "\n".join(f'agent_request_duration_seconds_bucket{{{ROUTE},le="{n}"}} 1' for n in range(MAX_BOUNDS + 1))
            + f"\n{COUNTED}",
            "not in the Prometheus text format",
        ),
    ],
)
def test_metrics_without_bound_are_unreadable(text: str, message: str) -> None:
    found = parse_metrics(text)
    assert isinstance(found, UnreadableMetrics)
    assert message in found.message


@pytest.mark.parametrize(
    "line",
    [
        COUNTED,
        "agent_requests_total{" + ",".join(f'a{number}="b"' for number in range(120)) + "} 1",
        'agent_requests_total{a="' + '\\"' * 480 + '"} 1',
        'agent_requests_total{a="' + "\\\\" * 480 + '"} 1',
        "# HELP agent_requests " + "\\n" * 490,
        "agent_requests_total" + "{" * 980,
        "agent_requests_total" + " " * 980 + "1",
        f'agent_request_duration_seconds_bucket{{{ROUTE},le="1"}} 1',
        "x" * 1_000,
        "",
    ],
)
def test_any_text_is_read_in_less_than_a_tenth_of_a_second(line: str) -> None:
    text = f"{line}\n" * (MAX_BYTES // (len(line) + 1))
    of_used_lines = f"{line}\n" * min(MAX_LINES, MAX_CHARS // (len(line) + 1))
    for tried in (text, of_used_lines):
        assert cpu_seconds(partial(parse_metrics, tried)) < LIMIT


def test_histograms_with_other_bounds_do_not_grow_without_limit() -> None:
    total = NO_REQUESTS
    for number in range(1_000):
        total += Sample(buckets=((float(number), 1), (math.inf, 1)))
        assert len(total.buckets) <= MAX_BOUNDS
