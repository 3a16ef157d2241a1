"""All checks: some at a time, until they are through, the time is up or somebody asks to stop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_runtime.checks.client import Agent, NoAnswerError, TooLateError
from agent_runtime.checks.expectations import Answer, CannotJudgeError, quoted, unmet
from agent_runtime.checks.judge import Judge
from agent_runtime.checks.report import Outcome, Result
from agent_runtime.config.checks import CheckConfig


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that did not pass, and what a judge said of it, for people who may see that."""

    check: str
    answer: str
    opinion: str


@dataclass(frozen=True, slots=True)
class Run:
    """How checks are run.

    Attributes:
        agent: who is asked.
        judge: who gives opinions; None when no check asks for one.
        concurrency: checks at a time.
        timeout: seconds for all.
        found: is told every result, as soon as there is one.
        show: is told every answer that did not pass.
    """

    agent: Agent
    judge: Judge | None
    concurrency: int
    timeout: float
    found: Callable[[Result], None]
    show: Callable[[Shown], None]

    async def all(self, checks: Sequence[CheckConfig], stop: asyncio.Event) -> list[Result]:
        """A result for each check, in their order; an error for those that did not come to an end."""
        results: dict[str, Result] = {}
        free = asyncio.Semaphore(self.concurrency)

        async def one(check: CheckConfig) -> None:
            async with free:
                try:
                    results[check.name] = await self._result(check)
                except Exception as error:  # noqa: BLE001  (a fault of ours in one check costs no other's result)
                    results[check.name] = Result(check.name, "error", f"unexpected: {type(error).__name__}")
            self.found(results[check.name])

        tasks = [asyncio.create_task(one(check)) for check in checks]
        stopped = asyncio.create_task(stop.wait())
        through = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait((through, stopped), timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, stopped):
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
        why = "interrupted" if stop.is_set() else f"not done within {self.timeout:g} s"
        return [results.get(check.name) or Result(check.name, "error", why) for check in checks]

    async def _result(self, check: CheckConfig) -> Result:
        try:
            answer = await self.agent.ask(check)
        except TooLateError:
            return Result(check.name, "failed", f"no answer within {check.max_latency_seconds} s")
        except NoAnswerError as error:
            return Result(check.name, "error", str(error))
        opinion = ""
        try:
            reasons, opinion = await self._unmet(check, answer)
        except CannotJudgeError as error:
            result = Result(check.name, "error", str(error), answer.latency, answer.tokens)
        else:
            outcome: Outcome = "failed" if reasons else "passed"
            result = Result(check.name, outcome, "; ".join(reasons), answer.latency, answer.tokens)
        if result.outcome != "passed":
            self.show(Shown(check.name, answer.text, opinion))
        return result

    async def _unmet(self, check: CheckConfig, answer: Answer) -> tuple[tuple[str, ...], str]:
        """What the answer is not, and what a judge said of it."""
        reasons = unmet(check, answer)
        # A verdict costs money: none is asked for when it would change nothing.
        if reasons or check.judge is None or self.judge is None:
            return reasons, ""
        verdict = await self.judge.verdict(check.judge, check.prompt, answer.text)
        reasons = () if verdict.passed else (f"judged not to fulfil {quoted(check.judge.criterion)}",)
        return reasons, verdict.reason
