"""Runs all checks, several at a time, until they end, the time is over or a signal stops them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_runtime.checks.client import AgentClient, NoAnswerError, TooLateError
from agent_runtime.checks.expectations import Answer, CannotJudgeError, quoted, unmet
from agent_runtime.checks.judge import Judge
from agent_runtime.checks.report import Outcome, Result
from agent_runtime.config.checks import CheckConfig


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that did not pass, and the judge's reason, for people who may see both."""

    check: str
    answer: str
    judge_reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """The settings of a run.

    Attributes:
        agent: receives the prompts.
        judge: None if no check has a judge.
        concurrency: number of concurrent checks.
        timeout: seconds for all checks together.
        found: called with each result.
        show: called with each answer that did not pass.
    """

    agent: AgentClient
    judge: Judge | None
    concurrency: int
    timeout: float
    found: Callable[[Result], None]
    show: Callable[[Shown], None]

    async def all(self, checks: Sequence[CheckConfig], stop: asyncio.Event) -> list[Result]:
        """Return the result of each check, in their order; an error for checks that did not end."""
        results: dict[str, Result] = {}
        slots = asyncio.Semaphore(self.concurrency)

        async def run_one(check: CheckConfig) -> None:
            async with slots:
                try:
                    results[check.name] = await self._result(check)
                except Exception as error:  # noqa: BLE001  (a bug in one check must not cost the results of the others)
                    results[check.name] = Result(check.name, "error", f"unexpected: {type(error).__name__}")
            self.found(results[check.name])

        tasks = [asyncio.create_task(run_one(check)) for check in checks]
        stopped = asyncio.create_task(stop.wait())
        finished = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait((finished, stopped), timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        why = "interrupted" if stop.is_set() else f"not done within {self.timeout:g} s, the time limit of all checks"
        return [results.get(check.name) or Result(check.name, "error", why) for check in checks]

    async def _result(self, check: CheckConfig) -> Result:
        try:
            answer = await self.agent.ask(check)
        except TooLateError:
            return Result(check.name, "failed", f"no answer within {check.max_latency_seconds} s")
        except NoAnswerError as error:
            return Result(check.name, "error", str(error))
        judge_reason = ""
        try:
            reasons, judge_reason = await self._unmet(check, answer)
        except CannotJudgeError as error:
            result = Result(check.name, "error", str(error), answer.latency, answer.tokens)
        else:
            outcome: Outcome = "failed" if reasons else "passed"
            result = Result(check.name, outcome, "; ".join(reasons), answer.latency, answer.tokens)
        if result.outcome != "passed":
            self.show(Shown(check.name, answer.text, judge_reason))
        return result

    async def _unmet(self, check: CheckConfig, answer: Answer) -> tuple[tuple[str, ...], str]:
        """Return the expectations that are not met, and the judge's reason."""
        reasons = unmet(check, answer)
        # A verdict costs money, so the judge is called only if it can change the result.
        if reasons or check.judge is None or self.judge is None:
            return reasons, ""
        verdict = await self.judge.verdict(check.judge, check.prompt, answer.text)
        reasons = (
            () if verdict.passed else (f"does not fulfil {quoted(check.judge.criterion)}, according to the judge",)
        )
        return reasons, verdict.reason
