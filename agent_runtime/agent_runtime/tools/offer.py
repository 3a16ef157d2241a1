"""The tools that a request to a model contains: valid names, accepted schemas, and no more than OpenAI's API allows."""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.models.base import Json
from agent_runtime.tools import schemas

# Limits of OpenAI's API. It refuses a request with more tools, or with longer names or descriptions.
MAX_TOOLS = 128
MAX_NAME = 64
MAX_DESCRIPTION = 1024
# Names of tools that a log record or /health lists.
MAX_LISTED = 10
_REFUSED_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")
_HASH_CHARS = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server describes it; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of all servers as a model sees them.

    Attributes:
        specs: the tools in OpenAI's form.
        origins: the server and the tool's own name, by the name that the model sees.
        left_out: server and name of the tools that the model does not see.
    """

    specs: tuple[Json, ...]
    origins: Mapping[str, tuple[str, str]]
    left_out: tuple[tuple[str, str], ...]

    def report(self) -> None:
        """Log which tools are left out."""
        if self.left_out:
            listed = [f"{server}/{tool}"[:200] for server, tool in self.left_out[:MAX_LISTED]]
            fields = {"left_out": len(self.left_out), "tools": listed, "limit": MAX_TOOLS}
            log.warning("models do not get all tools: name fewer in mcp.tools", extra={"fields": fields})


def offer(servers: Mapping[str, Mapping[str, Tool]]) -> Offer:
    """Return what to offer of these tools, by server and name. The first MAX_TOOLS are offered."""
    found = [(server, tool) for server, tools in servers.items() for tool in tools.values()]
    names = model_names([(server, tool.name) for server, tool in found])
    usable = [
        (name, server, tool)
        for name, (server, tool) in zip(names, found, strict=True)
        if name and schemas.describes_object(tool.parameters)
    ]
    offered = usable[:MAX_TOOLS]
    origins = {name: (server, tool.name) for name, server, tool in offered}
    chosen = set(origins.values())
    left_out = ((server, tool.name) for server, tool in found)
    return Offer(
        tuple(_spec(name, tool) for name, _, tool in offered),
        origins,
        tuple(origin for origin in left_out if origin not in chosen),
    )


def model_names(tools: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each (server, tool) that OpenAI's API accepts: `server__tool` if possible.

    Other characters become underscores. Where that is too long or not unique, a hash of the name follows, so a name
    does not depend on the order of the tools. A name is empty if even that is not unique.
    """
    full = [f"{server}__{tool}" for server, tool in tools]
    simple = [_REFUSED_CHARACTERS.sub("_", name) for name in full]
    counts = Counter(simple)
    taken = {name for name in full if _is_valid(name)}
    names = []
    for original, name in zip(full, simple, strict=True):
        if original in taken or (counts[name] == 1 and len(name) <= MAX_NAME):
            names.append(name)
            continue
        hashed = _with_hash(name, original)
        names.append("" if hashed in taken else hashed)
        taken.add(hashed)
    return names


def _with_hash(name: str, original: str) -> str:
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{name[: MAX_NAME - _HASH_CHARS - 1]}_{digest}"


def _is_valid(name: str) -> bool:
    return len(name) <= MAX_NAME and not _REFUSED_CHARACTERS.search(name)


def _spec(name: str, tool: Tool) -> Json:
    description = tool.description
    if len(description) > MAX_DESCRIPTION:
        description = f"{description[: MAX_DESCRIPTION - 1]}…"
    function = {"name": name, "description": description, "parameters": schemas.accepted(tool.parameters)}
    return {"type": "function", "function": function}
