"""What two revisions of an agent do not have in common: in a few words, or line by line."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

from rich.text import Text

from agent_operator.api import constants
from agent_operator.inputs.credentials import REVISION
from agent_operator.render import Revision
from agent_operator.render.revision import Template
from agent_runtime.config import CONFIG_FILE, PROMPT_FILE
from agentctl.ui import output

_COLOURS = (("---", "bold"), ("+++", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def changes(before: Revision, after: Revision) -> tuple[str, ...]:
    """Name the parts that differ, such as prompt and image."""
    old, new = _aspects(before), _aspects(after)
    return tuple(aspect for aspect in new if old[aspect] != new[aspect])


def lines(before: Revision, after: Revision) -> Iterator[str]:
    """Yield a unified diff of prompt, agent.toml, pod template and egress; what only follows from them is left out."""
    old, new = texts(before), texts(after)
    for part in new:
        sides = (f"{before.name}/{part}", f"{after.name}/{part}")
        yield from unified_diff(old[part].splitlines(), new[part].splitlines(), *sides, lineterm="")


def texts(revision: Revision) -> Mapping[str, str]:
    """Return what a revision is made of, each part as a text of lines that a terminal may show."""
    return {
        PROMPT_FILE: output.plain(revision.config.get(PROMPT_FILE, "")),
        CONFIG_FILE: output.plain(revision.config.get(CONFIG_FILE, "")),
        "pod-template.yaml": output.yaml_text(_own(revision.template, revision.config_map)),
        "egress.yaml": output.yaml_text(revision.egress) if revision.egress else "",
    }


def coloured(diff: Iterable[str]) -> Text:
    """Return a diff for people."""
    text = Text()
    for line in diff:
        text.append(f"{line}\n", next((colour for start, colour in _COLOURS if line.startswith(start)), ""))
    return text


def image(revision: Revision) -> str:
    """Return the image of the agent's container."""
    return str(_agent(revision.template["spec"]).get("image", ""))


def _aspects(revision: Revision) -> dict[str, Any]:
    """Take a revision apart, so that each difference is in one part."""
    template = _own(revision.template, revision.config_map)
    pods = template["spec"]
    agent = _agent(pods)
    known = {key: agent.get(key) for key in ("image", "env", "resources")}
    rest = {key: value for key, value in agent.items() if key not in known}
    others = [it for it in pods["containers"] if it["name"] != constants.CONTAINER]
    return {
        "prompt": revision.config.get(PROMPT_FILE),
        "config": revision.config.get(CONFIG_FILE),
        **known,
        "pods": [template["metadata"], pods | {"containers": [rest, *others]}],
        "egress": revision.egress,
    }


def _agent(pods: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((it for it in pods["containers"] if it["name"] == constants.CONTAINER), {})


def _own(template: Template, config_map: str) -> Template:
    """Leave out of a pod template what only names it, or its ConfigMap: it differs whenever anything does."""
    meta, pods = template["metadata"], template["spec"]
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != constants.LABEL_REVISION}
    made: Template = _unnamed(pods, config_map)
    return template | {"metadata": meta | {"labels": labels}, "spec": made}


def _unnamed(value: Any, config_map: str) -> Any:
    if isinstance(value, dict):
        return {key: _unnamed(item, config_map) for key, item in value.items()}
    if isinstance(value, list):
        return [_unnamed(item, config_map) for item in value if not _is_name(item)]
    return "CONFIG" if value == config_map else value


def _is_name(item: Any) -> bool:
    return isinstance(item, dict) and item.get("name") == REVISION and set(item) == {"name", "value"}
