"""The command line `agent-runtime`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from agent_runtime import environment, logs
from agent_runtime.checks import arguments as check_answers
from agent_runtime.cli import termination
from agent_runtime.cli.chat import DEFAULT_URL, KEY_VARIABLE, Chat, key_from_environment, run
from agent_runtime.config import AgentSection, ConfigError, load
from agent_runtime.config.no_proxy import add_direct_hosts
from agent_runtime.connectivity import arguments as check_network
from agent_runtime.extras import check_extras
from agent_runtime.trust import trusted

DEFAULT_CONFIG = Path("/app/config/agent.toml")
EXIT_SYSTEM, EXIT_CONFIG = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 2 if the config is invalid, 1 if the system refuses a resource."""
    arguments = _parser().parse_args(argv)
    try:
        return _COMMANDS[arguments.command](arguments)
    except ConfigError as error:
        return _fail(str(error), EXIT_CONFIG)
    except OSError as error:
        return _fail(error.strerror or str(error), EXIT_SYSTEM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("agent-runtime", description="One AI agent, served over HTTP.")
    parser.add_argument("--version", action="version", version=environment.version())
    commands = parser.add_subparsers(dest="command", required=True)
    purposes = {"serve": "serve the agent", "check": "check the config and report every error in it"}
    for name, purpose in {**purposes, "check-network": check_network.PURPOSE}.items():
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="agent.toml (default: %(default)s)")
    check_network.add(commands.choices["check-network"])
    purpose = "chat with a running agent"
    command = commands.add_parser(
        "chat", help=purpose, description=f"{purpose.capitalize()}. Each line is one message."
    )
    command.add_argument("--url", default=DEFAULT_URL, help="the agent's URL (default: %(default)s)")
    command.add_argument("--session", help="id of the session to resume (default: start a new one)")
    command.add_argument("--model", help="name of the model (default: the default model of the agent)")
    command.epilog = f"If the agent requires an API key, set {KEY_VARIABLE}."
    purpose = check_answers.PURPOSE
    check_answers.add(commands.add_parser("check-answers", help=purpose, description=f"{purpose.capitalize()}."))
    return parser


def _check(arguments: argparse.Namespace) -> int:
    path: Path = arguments.config
    config, _ = load(path)
    models = ", ".join(model.name for model in config.models)
    sys.stdout.write(f"{path}: valid; models: {models}; default: {config.default.name}\n")
    return 0


def _chat(arguments: argparse.Namespace) -> int:
    return run(Chat(arguments.url, arguments.session, arguments.model, key_from_environment()))


def _serve(arguments: argparse.Namespace) -> int:
    variables = environment.read(os.environ)
    config, prompt = load(arguments.config)
    secrets = (*variables.secrets, *_named_secrets(config, variables))
    request_log = logs.setup(variables.log_level or config.log_level, secrets)
    check_extras(config, variables)
    add_direct_hosts(os.environ, _urls(config, variables))
    with trusted(os.environ):
        # Import it late, so that `check` and an invalid config do not load the server.
        from agent_runtime.server import serve  # noqa: PLC0415

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(config, prompt, variables, request_log))
    return 0


def _urls(config: AgentSection, variables: environment.Environment) -> list[str]:
    """Return the URLs of models and MCP servers."""
    named = [url for model in config.models for url in (model.base_url, model.endpoint)]
    others = [variables.openai_base_url, variables.azure_openai_endpoint, *(server.url for server in config.mcp)]
    return [url for url in (*named, *others) if url]


def _named_secrets(config: AgentSection, variables: environment.Environment) -> Iterator[str]:
    """Yield the values of the variables that the config sends to servers."""
    for name in config.secret_variables:
        if (secret := variables.secret(name)) is not None:
            yield secret.get_secret_value()


def _check_network(arguments: argparse.Namespace) -> int:
    variables = environment.read(os.environ)
    config, _ = load(arguments.config)
    add_direct_hosts(os.environ, _urls(config, variables))
    with trusted(os.environ):
        from agent_runtime.connectivity.command import check_network as run_check  # noqa: PLC0415  (as above)

        code = run_check(config, variables, arguments)
    sys.stdout.flush()
    # A thread that resolves a name cannot be cancelled, and would delay the end of the process.
    os._exit(code)


def _check_answers(arguments: argparse.Namespace) -> int:
    with trusted(os.environ):
        from agent_runtime.checks.command import check_answers as run_checks  # noqa: PLC0415  (as above)

        return run_checks(arguments)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "serve": _serve,
    "check": _check,
    "chat": _chat,
    "check-answers": _check_answers,
    "check-network": _check_network,
}


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  (not available on every platform)
    except ImportError:
        return None
    return uvloop.new_event_loop


def _fail(reason: str, code: int) -> int:
    sys.stderr.write(f"{reason}\n")
    termination.write_message(reason.encode())
    return code
