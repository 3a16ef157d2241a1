"""The command: files in, a report out."""

import argparse
import asyncio
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import orjson

from agent_runtime import environment
from agent_runtime.assembly import http_session, make_model
from agent_runtime.checks.client import Agent
from agent_runtime.checks.judge import Judge
from agent_runtime.checks.report import Result, message, report, table
from agent_runtime.checks.run import Run, Shown
from agent_runtime.cli import termination
from agent_runtime.cli.chat import CONTROL
from agent_runtime.config import AgentSection, ConfigError, LimitsConfig, load
from agent_runtime.config.checks import ChecksConfig, load_checks
from agent_runtime.metrics import Metrics
from agent_runtime.models.calls import Calls

PASSED, FAILED = 0, 1
# What a shell makes of a process that a signal has ended.
SIGNALLED = 128


def check_answers(arguments: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        ConfigError: a file cannot be used; says what to do.
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
    async with AsyncExitStack() as held:
        session = await held.enter_async_context(http_session())
        run = Run(
            Agent(arguments.url, session, key, arguments.wait, progress.waits),
            _judge(checks, config, session, held),
            arguments.concurrency,
            arguments.timeout,
            progress.found,
            _show if arguments.show_answers else lambda _: None,
        )
        results = await run.all(checks.checks, stop)
    _tell(arguments, results)
    if signals:
        return SIGNALLED + signals[0]
    return PASSED if all(result.outcome == "passed" for result in results) else FAILED


def _signals() -> tuple[asyncio.Event, list[int]]:
    """Set when the process is asked to leave, and by which signals."""
    loop, stop, received = asyncio.get_running_loop(), asyncio.Event(), list[int]()

    def receive(number: int) -> None:
        received.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receive, number)
    return stop, received


def _judge(
    checks: ChecksConfig, config: AgentSection | None, session: aiohttp.ClientSession, held: AsyncExitStack
) -> Judge | None:
    """The judges that the checks name, called as the agent calls its models."""
    names = {check.judge.model for check in checks.checks if check.judge}
    if config is None or not names:
        return None
    variables = environment.read(os.environ)
    models = {m.name: make_model(m, variables, session, asyncio.Event()) for m in config.models if m.name in names}
    for model in models.values():
        held.push_async_callback(model.aclose)
    seconds = (config.limits or LimitsConfig()).request_timeout_seconds
    return Judge(Calls(models, (), Metrics(environment.version(), "")), seconds)


def _model_faults(checks: ChecksConfig, config: AgentSection | None) -> Iterator[str]:
    if config is not None:
        yield from checks.unknown_models([model.name for model in config.models])
        return
    for index, check in enumerate(checks.checks):
        if check.judge is not None:
            yield f"checks[{index}].judge: needs the agent's models: give --config agent.toml"


def _schema_faults(checks: ChecksConfig) -> Iterator[str]:
    """What the config's own look at a schema did not see."""
    schemas = [(index, check.json_schema) for index, check in enumerate(checks.checks) if check.json_schema is not None]
    if not schemas:
        return
    # Imported here: it takes long to load.
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415

    for index, schema in schemas:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            yield f"checks[{index}].jsonSchema{error.json_path[1:]}: {error.message}"


def _own_keys(config: AgentSection | None) -> Path | None:
    """The agent's file of keys, where this process sees it too."""
    server = config.server if config else None
    path = Path(server.api_keys_file) if server and server.api_keys_file else None
    return path if path and path.exists() else None


def _key(path: Path | None) -> str | None:
    """The first key of a file.

    Raises:
        ConfigError: the file cannot be read, or holds none.
    """
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ConfigError(f"--api-keys-file: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--api-keys-file: {path}: not ASCII text") from None
    key = next((line.strip() for line in lines if line.strip()), None)
    if key is None:
        raise ConfigError(f"--api-keys-file: {path}: holds no key")
    return key


class _Progress:
    """What happens meanwhile, on stderr: names and outcomes, no texts."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._last = ""

    def found(self, result: Result) -> None:
        """A check is through."""
        self._done += 1
        sys.stderr.write(f"[{self._done}/{self._total}] {result.name}: {result.outcome}\n")

    def waits(self, reason: str) -> None:
        """The agent is not there yet; said once for each reason."""
        if reason != self._last:
            self._last = reason
            sys.stderr.write(f"waiting: {reason}\n")


def _show(shown: Shown) -> None:
    parts = (
        f"--- {shown.check}: the answer",
        shown.answer,
        *(["--- the judge", shown.opinion] if shown.opinion else []),
    )
    sys.stderr.write("".join(f"{CONTROL.sub('', part)}\n" for part in parts))


def _tell(arguments: argparse.Namespace, results: list[Result]) -> None:
    if arguments.output == "json":
        text = orjson.dumps(report(results), option=orjson.OPT_INDENT_2).decode() + "\n"
    else:
        text = table(results, colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader that has seen enough, such as `head`. What is buffered must find somewhere to go at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _leave(arguments.report, message(results))


def _leave(path: Path | None, text: bytes) -> None:
    if path is None:
        termination.write_message(text)
        return
    try:
        path.write_bytes(text)
    except OSError as error:
        raise ConfigError(f"--report: {path}: {error.strerror}") from None
