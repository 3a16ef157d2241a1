"""Untrusted regular expressions."""

import time

import pytest

from agent_runtime.tools.patterns import matches

MARGIN = 1.0  # seconds of CPU; a pattern takes at most 0.1 s on a slow machine


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^a+$", "aaa", True),
        ("^a+$", "aab", False),
        (r"^[\w.+-]+@[\w-]+\.[a-z]{2,24}$", "a.b@example.com", True),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-01-31", True),
        (r"^[A-Za-z0-9_-]{1,128}$", "x" * 128, True),
        (r"^\/a\-b$", "/a-b", True),
    ],
)
def test_common_patterns_are_decided(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "a{1000}{1000}", r"\w{400}", "x" * 3000])
def test_other_patterns_are_not_decided(pattern: str) -> None:
    """Invalid ones, lookaround, backreferences, and patterns that are too large."""
    assert matches(pattern, "a") is None


def test_a_text_that_is_too_long_for_its_pattern_is_not_decided() -> None:
    assert matches("[ab]*a[ab]{900}x", "ab" * 5000) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|aa)+$",
        "(a*)*b",
        "(x+x+)+y",
        "[ab]*a[ab]{900}x",
        "(a?){900}(a){900}x",
        "(?:[a-z]{0,50}[b-z]){0,20}x$",
        r"\w{70}x",
        r"\p{L}{70}x",
        "((a{10}){10}){25}",
        "(a{100}){100}",
        "|".join("ab" * n for n in range(1, 30)),
    ],
)
@pytest.mark.parametrize("text", ["a" * 40 + "!", "ab" * 500_000, "äß" * 20_000])
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    begun = time.thread_time()

    matches(pattern, text)

    assert time.thread_time() - begun < MARGIN
