"""Reads agent.toml, and explains its errors."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails

from agent_runtime.config.agent import PROMPT_FILE, AgentFile, AgentSection
from agent_runtime.config.migrations import upgraded
from agent_runtime.config.patterns import remedy_of

# The prompt and agent.toml are in one ConfigMap, which has at most 1 MiB.
MAX_PROMPT_BYTES = 900_000
# A file may have as many errors as values. The first ones suffice to correct the next.
MAX_EXPLAINED = 50
_FIELD = r"[a-z$][\w.$\[\]]*"
_FIELD_LIST = re.compile(f"{_FIELD}(, {_FIELD})*")


class ConfigError(Exception):
    """A config that cannot be used. The message has one line per error; each begins with the path of the field."""


def explain(error: ValidationError, root: str = "", *, snake_case: bool = False) -> str:
    """Describe a pydantic error as lines of `path: message`. Values are left out, because they may be secrets.

    After MAX_EXPLAINED errors, a last line has the number of the others.

    Args:
        error: the error.
        root: prefix of every path, such as `spec.config`.
        snake_case: write field names as in TOML; otherwise as in the CR.
    """
    faults = error.errors(include_input=False, include_url=False)
    lines = []
    for fault in faults[:MAX_EXPLAINED]:
        if fault["type"] == "too_short" and _has_faults_within(fault["loc"], faults):
            continue  # pydantic does not count invalid items; their own errors are sufficient
        message = fault["msg"].removeprefix("Value error, ") + remedy_of(fault.get("ctx", {}).get("pattern"))
        # The message of a model validator begins with the names of the invalid fields: they become the end of the path.
        fields, colon, rest = message.partition(": ")
        named = fields.split(", ") if colon and _FIELD_LIST.fullmatch(fields) else []
        paths = [(*fault["loc"], name) for name in named] or [fault["loc"]]
        lines += [f"{_path(root, path, snake_case=snake_case)}: {rest if named else message}" for path in paths]
    if len(faults) > MAX_EXPLAINED:
        lines.append(f"and {len(faults) - MAX_EXPLAINED} more errors")
    return "\n".join(lines)


def _has_faults_within(loc: tuple[int | str, ...], faults: list[ErrorDetails]) -> bool:
    return any(len(fault["loc"]) > len(loc) and fault["loc"][: len(loc)] == loc for fault in faults)


def _path(root: str, loc: tuple[int | str, ...], *, snake_case: bool) -> str:
    path = root
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = to_snake(part) if snake_case else part
            path += f".{name}" if path else name
    return path


def load(path: Path) -> tuple[AgentSection, str]:
    """Read agent.toml and its prompt. Paths are relative to agent.toml, or else to the working directory.

    Raises:
        ConfigError: a file is missing or not readable, or fields are invalid. The message names each as in TOML.
    """
    document = _document(path)
    faults: list[str] = []
    section = None
    try:
        section = AgentFile.model_validate(document).agent
    except ValidationError as error:
        faults.append(explain(error, snake_case=True))
    prompt = _read_prompt(path.parent, _prompt_path(document), faults)
    if section is None or faults:
        raise ConfigError("\n".join(faults))
    return _located(section, path.parent), prompt


def _document(path: Path) -> dict[str, Any]:
    """Return the content of agent.toml in the newest schema."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: correct the path or make the file readable") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}: correct the file") from error
    try:
        return upgraded(document)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _located(section: AgentSection, folder: Path) -> AgentSection:
    """Make the path of the API keys absolute, without following links, because Kubernetes replaces their targets."""
    if section.server is None or section.server.api_keys_file is None:
        return section
    found = _find(folder, section.server.api_keys_file) or folder / section.server.api_keys_file
    keys = os.path.abspath(found)  # noqa: PTH100  (resolve() follows links)
    return section.model_copy(update={"server": section.server.model_copy(update={"api_keys_file": keys})})


def _prompt_path(document: dict[str, Any]) -> str:
    """Return the path of the prompt, even if the rest is invalid, so that all errors are reported together."""
    agent = document.get("agent")
    path = agent.get("system_prompt", PROMPT_FILE) if isinstance(agent, dict) else PROMPT_FILE
    return path if isinstance(path, str) else PROMPT_FILE


def _find(folder: Path, path: str) -> Path | None:
    """Return the file that a path in agent.toml names: relative to agent.toml, or else to the working directory."""
    return next((found for found in (folder / path, Path(path)) if _exists(found)), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # The file may exist. Then the read reports the error.
        return True


def _read_prompt(folder: Path, name: str, faults: list[str]) -> str:
    path = _find(folder, name)
    if path is None:
        places = folder / name if Path(name).is_absolute() else f"{folder / name} or {Path.cwd() / name}"
        faults.append(f"agent.system_prompt: {places}: No such file: correct the path or add the file")
        return ""
    try:
        prompt = path.read_bytes().decode("utf-8")
    except OSError as error:
        faults.append(f"agent.system_prompt: {path}: {error.strerror}: correct the path or make the file readable")
    except (UnicodeDecodeError, ValueError):
        faults.append(f"agent.system_prompt: {path}: not UTF-8 text: save the file as UTF-8")
    else:
        if len(prompt.encode()) <= MAX_PROMPT_BYTES:
            return prompt
        faults.append(f"agent.system_prompt: {path}: longer than {MAX_PROMPT_BYTES} bytes: shorten the prompt")
    return ""
