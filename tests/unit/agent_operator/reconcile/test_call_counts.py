"""A pass stays short: limits for the calls and the modules of a minimal echo agent."""

from tests.bench.call_counts import measure


async def test_a_pass_over_a_minimal_agent_makes_few_calls() -> None:
    first, second = await measure()

    assert first.calls <= 1800
    assert first.modules <= 52
    assert second.calls <= 1000
