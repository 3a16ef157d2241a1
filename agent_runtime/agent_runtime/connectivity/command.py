"""Runs `check-network`: connects to every server that the config names, within a bounded time."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson

from agent_runtime import environment as variables
from agent_runtime.config import AgentSection
from agent_runtime.config.auth import AUTHORITY_VARIABLE, ENTRA
from agent_runtime.config.terminal import escaped, printable
from agent_runtime.connectivity import report
from agent_runtime.connectivity.own_health import read_health
from agent_runtime.connectivity.probes import Probe, make_probes
from agent_runtime.connectivity.report import Result
from agent_runtime.connectivity.steps import Step, connect, timed
from agent_runtime.connectivity.targets import Target, targets
from agent_runtime.environment import Environment
from agent_runtime.proxies import proxy_of

REACHED, UNREACHED = 0, 1
# Servers that are checked at the same time.
_CONCURRENT = 8
# The SDK of MCP allows 10 s for a connection.
_PROBE_SECONDS = 6.0


def check_network(config: AgentSection, environment: Environment, arguments: argparse.Namespace) -> int:
    """Write the report; return the exit code. Enter `trusted` before.

    The caller ends the process without waiting for threads: one that resolves a name cannot be cancelled.
    """
    # The report has what the parts would log.
    logging.getLogger().addHandler(logging.NullHandler())
    authority = os.environ.get(AUTHORITY_VARIABLE) or ENTRA
    found = targets(config, environment, proxy_of, authority)
    loop = asyncio.new_event_loop()
    health, results = loop.run_until_complete(_check(found, config, environment, arguments.timeout))
    if arguments.output == "json":
        content = report.to_json(variables.version(), health, results)
        text = escaped(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()) + "\n"
    else:
        text = printable(report.to_text(health, results))
    sys.stdout.write(text)
    is_healthy = health.get("status") == "healthy"
    return REACHED if is_healthy and all(result.is_reached for result in results) else UNREACHED


async def _check(
    found: Sequence[Target], config: AgentSection, environment: Environment, seconds: float
) -> tuple[dict[str, Any], list[Result]]:
    """Return the health of the agent and the result of every target, also of those that take too long."""
    late = Step("all", seconds * 1000, "", "ResponseTimeout", f"the check did not end within {seconds:g} s")
    async with AsyncExitStack() as stack:
        probes = await make_probes(config, environment, stack)
        turns = asyncio.Semaphore(_CONCURRENT)
        own = asyncio.create_task(read_health(environment))
        checks = [asyncio.create_task(_result(target, probes, turns)) for target in found]
        done, pending = await asyncio.wait([own, *checks], timeout=seconds)
        for task in pending:
            task.cancel()
        results = [
            task.result() if task in done else Result(target, [late])
            for target, task in zip(found, checks, strict=True)
        ]
        return own.result() if own in done else {"reason": late.reason, "message": late.message}, results


async def _result(target: Target, probes: Mapping[str, Probe], turns: asyncio.Semaphore) -> Result:
    async with turns:
        steps = await connect(target)
        probe = probes.get(target.component)
        if probe is not None and not any(step.reason for step in steps):
            name = "http" if target.is_http else "redis"
            steps.append(await timed(name, probe(), _PROBE_SECONDS))
        return Result(target, steps)
