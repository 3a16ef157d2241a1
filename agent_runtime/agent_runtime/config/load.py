"""Reading agent.toml, and telling what is wrong with it."""

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

# A prompt travels in a ConfigMap beside agent.toml, and a ConfigMap may hold 1 MiB.
MAX_PROMPT_BYTES = 900_000
_FIELD = r"[a-z$][\w.$\[\]]*"
_FIELD_LIST = re.compile(f"{_FIELD}(, {_FIELD})*")


class ConfigError(Exception):
    """A config that cannot be used; the message has one line for each fault, each beginning with its path."""


def explain(error: ValidationError, root: str = "", *, snake_case: bool = False) -> str:
    """Name every fault of a pydantic error as `path: message`, without the values: they may be secrets.

    Args:
        error: what pydantic raised.
        root: path put before every fault, such as `spec.config`.
        snake_case: write field names as TOML does; otherwise as the CR does.
    """
    faults = error.errors(include_input=False, include_url=False)
    lines = []
    for fault in faults:
        if fault["type"] == "too_short" and _has_faults_within(fault["loc"], faults):
            continue  # items that are wrong do not count as items; what is wrong with them says enough
        message = fault["msg"].removeprefix("Value error, ")
        # A validator that sees a whole model begins its message with the fields at fault: they end the path.
        fields, colon, rest = message.partition(": ")
        named = fields.split(", ") if colon and _FIELD_LIST.fullmatch(fields) else []
        paths = [(*fault["loc"], name) for name in named] or [fault["loc"]]
        lines += [f"{_path(root, path, snake_case=snake_case)}: {rest if named else message}" for path in paths]
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
    """Read agent.toml and its prompt. Relative paths resolve next to agent.toml, then from the working directory.

    Raises:
        ConfigError: a file is missing or not readable, or a field is wrong; every fault is named, in TOML's spelling.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        document = upgraded(document)
    except ValueError as error:
        raise ConfigError(str(error)) from None
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


def _located(section: AgentSection, folder: Path) -> AgentSection:
    """Make the path of the API keys absolute; by its words, for the folder may be a link to elsewhere."""
    if section.server is None or section.server.api_keys_file is None:
        return section
    found = _find(folder, section.server.api_keys_file) or folder / section.server.api_keys_file
    keys = os.path.abspath(found)  # noqa: PTH100  (resolve() follows links)
    return section.model_copy(update={"server": section.server.model_copy(update={"api_keys_file": keys})})


def _prompt_path(document: dict[str, Any]) -> str:
    """Where the prompt is, even when the rest of the file is wrong: so that both faults are told at once."""
    agent = document.get("agent")
    path = agent.get("system_prompt", PROMPT_FILE) if isinstance(agent, dict) else PROMPT_FILE
    return path if isinstance(path, str) else PROMPT_FILE


def _find(folder: Path, path: str) -> Path | None:
    """Return the file that a path of agent.toml names: next to agent.toml, else below the working directory."""
    return next((found for found in (folder / path, Path(path)) if _exists(found)), None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # It may exist: reading it gives the reason.
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
        faults.append(f"agent.system_prompt: {path}: {error.strerror}")
    except (UnicodeDecodeError, ValueError):
        faults.append(f"agent.system_prompt: {path}: not UTF-8 text")
    else:
        if len(prompt.encode()) <= MAX_PROMPT_BYTES:
            return prompt
        faults.append(f"agent.system_prompt: {path}: longer than {MAX_PROMPT_BYTES} bytes")
    return ""
