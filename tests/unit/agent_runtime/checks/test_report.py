"""The report of results, as JSON, as a termination message and as a table."""

import orjson
import pytest

from agent_runtime.checks.report import MAX_BYTES, Result, message, report, shortened, table

RESULTS = [
    Result("good", "passed", latency=0.12345, tokens=7),
    Result("bad", "failed", 'contains "x"', 1.0, 20),
    Result("gone", "error", "interrupted"),
]


def test_the_report_has_every_check_and_counts_failures_and_errors() -> None:
    assert report(RESULTS) == {
        "passed": False,
        "total": 3,
        "failed": 2,
        "checks": [
            {"name": "good", "outcome": "passed", "reason": "", "latencySeconds": 0.123, "tokens": 7},
            {"name": "bad", "outcome": "failed", "reason": 'contains "x"', "latencySeconds": 1.0, "tokens": 20},
            {"name": "gone", "outcome": "error", "reason": "interrupted", "latencySeconds": None, "tokens": None},
        ],
    }
    assert report(RESULTS[:1])["passed"] is True


def test_a_short_report_is_the_message() -> None:
    assert orjson.loads(message(RESULTS)) == report(RESULTS)


def test_a_long_message_leaves_out_passed_checks() -> None:
    """The counts include them."""
    results = [Result(f"good-{n}", "passed", latency=1.0, tokens=10) for n in range(49)] + [RESULTS[1]]

    sent = orjson.loads(message(results))

    assert (sent["total"], sent["failed"]) == (50, 1)
    assert [check["name"] for check in sent["checks"]] == ["bad"]


def test_a_longer_message_shortens_reasons() -> None:
    """All names stay."""
    results = [Result(f"bad-{n}", "failed", "é" * 200, 1.0, 10) for n in range(20)]

    sent = orjson.loads(message(results))

    assert [check["name"] for check in sent["checks"]] == [result.name for result in results]
    assert {check["reason"] for check in sent["checks"]} == {"é" * 39 + "…"}


@pytest.mark.parametrize("character", ["x", "é", "𝄞", '"', "\x00"])
def test_a_message_fits_a_termination_message(character: str) -> None:
    """The message is JSON with the right counts, for names and reasons of any length."""
    results = [Result(f"{n:063}", "failed", character * 5000, 86400.123, 10_000_000) for n in range(50)]

    text = message(results)

    assert len(text) <= MAX_BYTES
    sent = orjson.loads(text)
    assert (sent["passed"], sent["total"], sent["failed"]) == (False, 50, 50)
    assert len(sent["checks"]) >= 15


def test_the_table_has_a_line_per_check() -> None:
    """Colours are optional."""
    assert table(RESULTS, colours=False) == (
        "CHECK  OUTCOME  LATENCY  TOKENS  REASON\n"
        "good   passed    0.12 s       7\n"
        'bad    failed    1.00 s      20  contains "x"\n'
        "gone   error          -       -  interrupted\n"
        "3 checks: 1 passed, 1 failed, 1 error\n"
    )
    assert "\x1b[31mfailed \x1b[0m" in table(RESULTS, colours=True)


def test_shortened_ends_in_an_ellipsis() -> None:
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab…")
