"""A parser of foreign input raises only its documented error, in less than a tenth of a second."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent_operator.api.v1alpha1.channel import LabelSelector, MaintenanceWindow
from agent_operator.api.v1alpha1.rollout import Canary
from agent_operator.fleet.maintenance_window import InvalidWindow, opens_in
from agent_operator.fleet.waves import matches
from agent_operator.inputs import checks_text, endpoints, quantities
from agent_operator.inputs.prompt import PromptError, render
from agent_operator.kube.objects import version
from agent_operator.kube.transport import _seconds
from agent_operator.rollout.analysis.parser import parse_metrics
from agent_operator.rollout.checks_report import parse_report, summary
from tests.cpu_time import LIMIT, cpu_seconds

ENOUGH = settings().max_examples
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Characters that are special to one of the parsers, and others.
TEXTS = st.text(alphabet="0123456789.+-eEiKMGm \n\t\"'\\{}[]%#=:,/*|~()<>@aZ_\0é٣😀") | st.text()
# The largest texts that the API server accepts repeat the second part, because more random data takes too long to
# generate. The test joins them, because Hypothesis keeps the last 10,000 examples in memory.
PARTS = st.tuples(TEXTS) | st.tuples(TEXTS, TEXTS, TEXTS)


def _joined(parts: tuple[str, ...]) -> str:
    if len(parts) == 1:
        return parts[0]
    before, repeated, after = parts
    return before + repeated * (1_000_000 // (len(repeated) + 1)) + after


def _window(text: str) -> None:
    opens_in(MaintenanceWindow(cron=text, duration="1h", time_zone=text[:60] or None), NOW)


def _selector(text: str) -> None:
    selector = LabelSelector(match_labels={text: text})
    matches(selector, {text: text})


def _report(text: str) -> None:
    if (report := parse_report(text)) is not None:
        summary(report)


PARSERS: dict[str, tuple[Callable[[str], Any], tuple[type[Exception], ...]]] = {
    "quantity": (quantities.canonical, (ValueError,)),
    "metrics": (parse_metrics, ()),
    "maintenance window": (_window, (InvalidWindow, ValidationError)),
    "label selector": (_selector, (ValidationError,)),
    "resourceVersion": (lambda text: version({"metadata": {"resourceVersion": text}}), ()),
    "Retry-After": (_seconds, ()),
    "report of checks": (_report, ()),
    "URL": (lambda text: endpoints.parse(f"http://{text}", "spec.a"), (ValueError,)),
    "checks of the spec": (lambda text: Canary.model_validate({"checks": text}), (ValidationError,)),
}
# The worker process parses these, with a limit on CPU time.
IN_WORKER_PROCESS: dict[str, tuple[Callable[[str], Any], tuple[type[Exception], ...]]] = {
    "prompt": (lambda text: render(text, {"a": "b"}), (PromptError,)),
    "text of checks": (checks_text.load, (checks_text.ChecksError,)),
}
EXTREMES = [
    "",
    "1" * 1_000_000,
    "9" * 5_000,
    "-" + "9" * 400,
    "1e" + "9" * 100,
    "." * 1_000_000,
    "NaN",
    "Infinity",
    "٣" * 1_000,
    "²",
    "\0" * 1_000,
    "[" * 100_000,
    '{"a":' * 100_000,
    "{" * 1_000_000,
    "a." * 500_000,
    "0 0 30 2 *",
    "0 0 29 2 *",
    "*/1 * * * *",
    "59 23 31 12 7#5",
    "0-59/1 0-23/1 1-31/1 1-12/1 0-7/1",
    '{"passed":true,"total":1,"failed":0}',
    '{"passed":false,"total":' + "9" * 4_000 + ',"failed":1}',
    '{"passed":false,"total":2,"failed":1,"checks":[' + '{"name":"a","outcome":"failed"},' * 400 + "{}]}",
    "agent_requests_total 1\n" * 50_000,
]


@pytest.mark.parametrize("name", PARSERS)
def test_extreme_texts_are_parsed_or_refused_quickly(name: str) -> None:
    parse, errors = PARSERS[name]
    for text in EXTREMES:
        assert cpu_seconds(partial(_tried, parse, errors, text)) <= LIMIT, text[:50]


@pytest.mark.parametrize("name", IN_WORKER_PROCESS)
def test_extreme_texts_have_only_documented_errors(name: str) -> None:
    parse, errors = IN_WORKER_PROCESS[name]
    for text in EXTREMES:
        _tried(parse, errors, text)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(parts=PARTS)
def test_any_text_is_parsed_or_refused_quickly(name: str, parts: tuple[str, ...]) -> None:
    parse, errors = PARSERS[name]
    assert cpu_seconds(partial(_tried, parse, errors, _joined(parts))) <= LIMIT


@pytest.mark.parametrize("name", IN_WORKER_PROCESS)
@settings(max_examples=ENOUGH, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS)
def test_any_text_has_only_documented_errors(name: str, text: str) -> None:
    _tried(*IN_WORKER_PROCESS[name], text)


def _tried(parse: Callable[[str], Any], errors: tuple[type[Exception], ...], text: str) -> None:
    with suppress(*errors):
        parse(text)
