"""What is written of the results."""

import orjson
import pytest

from agent_runtime.checks.report import MAX_BYTES, Result, message, report, shortened, table

RESULTS = [
    Result("good", "passed", latency=0.12345, tokens=7),
    Result("bad", "failed", 'contains "x"', 1.0, 20),
    Result("gone", "error", "interrupted"),
]


def test_the_report_counts_all_that_did_not_pass() -> None:
    """And has every check, in order."""
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
    """As it is."""
    assert orjson.loads(message(RESULTS)) == report(RESULTS)


def test_a_long_message_leaves_out_what_passed_first() -> None:
    """The counts still tell of it."""
    results = [Result(f"good-{n}", "passed", latency=1.0, tokens=10) for n in range(49)] + [RESULTS[1]]

    told = orjson.loads(message(results))

    assert (told["total"], told["failed"]) == (50, 1)
    assert [check["name"] for check in told["checks"]] == ["bad"]


def test_a_longer_one_shortens_reasons() -> None:
    """All names stay."""
    results = [Result(f"bad-{n}", "failed", "é" * 200, 1.0, 10) for n in range(20)]

    told = orjson.loads(message(results))

    assert [check["name"] for check in told["checks"]] == [result.name for result in results]
    assert {check["reason"] for check in told["checks"]} == {"é" * 39 + "…"}


@pytest.mark.parametrize("character", ["x", "é", "𝄞", '"', "\x00"])
def test_no_message_is_longer_than_kubernetes_keeps(character: str) -> None:
    """It is JSON with the right counts, however long the names and reasons."""
    results = [Result(f"{n:063}", "failed", character * 5000, 86400.123, 10_000_000) for n in range(50)]

    text = message(results)

    assert len(text) <= MAX_BYTES
    told = orjson.loads(text)
    assert (told["passed"], told["total"], told["failed"]) == (False, 50, 50)
    assert len(told["checks"]) >= 15


def test_the_table_is_for_people() -> None:
    """A line a check; colours only where they are seen."""
    assert table(RESULTS, colours=False) == (
        "CHECK  OUTCOME  LATENCY  TOKENS  REASON\n"
        "good   passed    0.12 s       7\n"
        'bad    failed    1.00 s      20  contains "x"\n'
        "gone   error          -       -  interrupted\n"
        "3 checks: 1 passed, 1 failed, 1 error\n"
    )
    assert "\x1b[31mfailed \x1b[0m" in table(RESULTS, colours=True)


def test_shortened_says_that_it_is() -> None:
    """By an ellipsis."""
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab…")
