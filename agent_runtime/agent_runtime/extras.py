"""Optional packages: each kind of backend is an extra of the distribution, and a config may need some of them."""

from collections.abc import Iterator
from importlib.util import find_spec

from agent_runtime.config import AgentConfig, ConfigError
from agent_runtime.environment import Environment

# Extra -> a module that it installs.
_MODULES = {"azure": "azure.identity", "redis": "redis", "mcp": "mcp", "jwt": "jwt"}


def check_extras(config: AgentConfig, environment: Environment) -> None:
    """Check that the packages of all configured backends are installed.

    Raises:
        ConfigError: packages are missing. The message has one line per field, with the command that installs it.
    """
    missing = [
        f"{field}: needs a package that is not installed: run pip install 'agent-runtime[{extra}]'"
        for field, extra in _needed(config, environment)
        if not _installed(_MODULES[extra])
    ]
    if missing:
        raise ConfigError("\n".join(missing))


def _needed(config: AgentConfig, environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield (field of agent.toml, extra that it needs) for every backend of the config."""
    for index, model in enumerate(config.models):
        has_key = model.api_key_from is not None or environment.azure_openai_api_key is not None
        if model.provider == "azure_openai" and not has_key:
            yield f"agent.models[{index}].provider", "azure"
    if config.memory and config.memory.cache and config.memory.cache.enabled:
        yield "agent.memory.cache", "redis"
        if config.memory.cache.entra_id:
            yield "agent.memory.cache.entra_id", "azure"
    if config.auth and config.auth.jwt:
        yield "agent.auth.jwt", "jwt"
    if config.mcp:
        yield "agent.mcp", "mcp"


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package of a dotted name is missing
        return False
