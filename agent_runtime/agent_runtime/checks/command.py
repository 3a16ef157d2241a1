"""The command `check-answers`: reads the checks, runs them, writes the report."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import orjson

from agent_runtime import environment
from agent_runtime.assembly import http_session, make_models
from agent_runtime.checks.client import AgentClient
from agent_runtime.checks.expectations import SCHEMA_CPU_SECONDS
from agent_runtime.checks.judge import Judge
from agent_runtime.checks.report import Result, message, report, table
from agent_runtime.checks.run import Run, Shown
from agent_runtime.cli import termination
from agent_runtime.config import AgentSection, ConfigError, LimitsConfig, load
from agent_runtime.config.checks import ChecksConfig, load_checks
from agent_runtime.config.terminal import escaped, printable
from agent_runtime.metrics import Metrics
from agent_runtime.models.fallbacks import Calls

PASSED, FAILED = 0, 1
# If a signal ends a process, a shell reports the exit code 128 + signal number.
SIGNALLED = 128


def check_answers(arguments: argparse.Namespace) -> int:
    """Run the command, and return its exit code.

    Raises:
        ConfigError: a file cannot be used; the message has the remedy.
    """
    checks = load_checks(arguments.checks)
    config = load(arguments.config)[0] if arguments.config else None
    if faults := [*_schema_faults(checks), *_model_faults(checks, config)]:
        raise ConfigError("\n".join(faults))
    return asyncio.run(_run(arguments, checks, config, _key(arguments.api_keys_file or _own_keys(config))))


async def _run(
    arguments: argparse.Namespace, checks: ChecksConfig, config: AgentSection | None, key: str | None
) -> int:
    stop, signals = _signals()
    progress = _Progress(len(checks.checks))
    async with AsyncExitStack() as resources:
        session = await resources.enter_async_context(http_session())
        run = Run(
            AgentClient(arguments.url, session, key, arguments.wait, progress.waits),
            _judge(checks, config, session, resources),
            arguments.concurrency,
            arguments.timeout,
            progress.found,
            _show if arguments.show_answers else lambda _: None,
        )
        results = await run.all(checks.checks, stop)
    _report(arguments, results)
    if signals:
        return SIGNALLED + signals[0]
    return PASSED if all(result.outcome == "passed" for result in results) else FAILED


def _signals() -> tuple[asyncio.Event, list[int]]:
    """Return an event that SIGTERM and SIGINT set, and the signals received so far."""
    loop, stop, received = asyncio.get_running_loop(), asyncio.Event(), list[int]()

    def receive(number: int) -> None:
        received.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receive, number)
    return stop, received


def _judge(
    checks: ChecksConfig, config: AgentSection | None, session: aiohttp.ClientSession, resources: AsyncExitStack
) -> Judge | None:
    """Return the judge, with the models that the checks name; None if no check has a judge."""
    names = {check.judge.model for check in checks.checks if check.judge}
    if config is None or not names:
        return None
    variables = environment.read(os.environ)
    chosen = [model for model in config.models if model.name in names]
    models = make_models(chosen, config.models, variables, session, asyncio.Event())
    for model in models.values():
        resources.push_async_callback(model.aclose)
    seconds = (config.limits or LimitsConfig()).request_timeout_seconds
    timeouts = {model.name: model.timeouts for model in chosen if model.timeouts}
    return Judge(Calls(models, (), Metrics(environment.version(), ""), timeouts=timeouts), seconds)


def _model_faults(checks: ChecksConfig, config: AgentSection | None) -> Iterator[str]:
    if config is not None:
        yield from checks.unknown_models([model.name for model in config.models])
        return
    for index, check in enumerate(checks.checks):
        if check.judge is not None:
            yield f"checks[{index}].judge: needs the agent's models: set --config to its agent.toml"


def _schema_faults(checks: ChecksConfig) -> Iterator[str]:
    """Faults of JSON Schemas that agent_runtime.config does not detect."""
    schemas = [(index, check.json_schema) for index, check in enumerate(checks.checks) if check.json_schema is not None]
    if not schemas:
        return
    # Imported here: the import takes 0.15 s, and most checks have no schema.
    from jsonschema import SchemaError  # noqa: PLC0415

    from agent_runtime.checks.json_schema import compiled  # noqa: PLC0415

    for index, schema in schemas:
        try:
            compiled(schema, SCHEMA_CPU_SECONDS)
        except SchemaError as error:
            yield f"checks[{index}].jsonSchema{error.json_path[1:]}: {error.message}"
        except TimeoutError:
            yield f"checks[{index}].jsonSchema: not checked within {SCHEMA_CPU_SECONDS:g} s of CPU time: simplify it"


def _own_keys(config: AgentSection | None) -> Path | None:
    """Return the agent's file of API keys, if this process can see it."""
    server = config.server if config else None
    path = Path(server.api_keys_file) if server and server.api_keys_file else None
    return path if path and path.exists() else None


def _key(path: Path | None) -> str | None:
    """Return the first key of a file.

    Raises:
        ConfigError: the file cannot be read, or contains no key.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ConfigError(
            f"--api-keys-file: {path}: {error.strerror}: correct the path or make the file readable"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"--api-keys-file: {path}: not ASCII text: use keys of ASCII characters") from None
    key = next((line.strip() for line in lines if line.strip()), None)
    if key is None:
        raise ConfigError(f"--api-keys-file: {path}: contains no key: write one key per line")
    return key


class _Progress:
    """Reports progress on stderr: names and outcomes of checks, no answers."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._last = ""

    def found(self, result: Result) -> None:
        """Report the result of a check."""
        self._done += 1
        sys.stderr.write(f"[{self._done}/{self._total}] {result.name}: {result.outcome}\n")

    def waits(self, reason: str) -> None:
        """Report that a check waits for the agent. Each reason is reported once."""
        if reason != self._last:
            self._last = reason
            sys.stderr.write(f"waiting: {printable(reason)}\n")


def _show(shown: Shown) -> None:
    parts = (
        f"--- {shown.check}: the answer",
        shown.answer,
        *(["--- the judge", shown.judge_reason] if shown.judge_reason else []),
    )
    sys.stderr.write("".join(f"{printable(part)}\n" for part in parts))


def _report(arguments: argparse.Namespace, results: list[Result]) -> None:
    if arguments.output == "json":
        text = escaped(orjson.dumps(report(results), option=orjson.OPT_INDENT_2).decode()) + "\n"
    else:
        text = table(results, colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does. Python flushes stdout at exit, so make that flush succeed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _write_report(arguments.report, message(results))


def _write_report(path: Path | None, text: bytes) -> None:
    if path is None:
        termination.write_message(text)
        return
    try:
        path.write_bytes(text)
    except OSError as error:
        raise ConfigError(f"--report: {path}: {error.strerror}: choose a path that can be written") from None
