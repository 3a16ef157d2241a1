"""The differences between two revisions of an agent: the names of the parts, or a line-by-line diff."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

from rich.text import Text

from agent_operator.api import constants
from agent_operator.inputs.credentials import REVISION
from agent_operator.render import Revision
from agent_runtime.config import CONFIG_FILE, PROMPT_FILE
from agent_runtime.config.terminal import printable
from agentctl.objects import Object
from agentctl.ui import output

_COLOURS = (("---", "bold"), ("+++", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def changed_parts(before: Revision, after: Revision) -> tuple[str, ...]:
    """Return the names of the parts that differ, such as prompt and image."""
    old, new = _parts(before), _parts(after)
    return tuple(name for name in new if old[name] != new[name])


def diff_lines(before: Revision, after: Revision) -> Iterator[str]:
    """Yield a unified diff of prompt, agent.toml, pod template and egress, without generated names."""
    old, new = part_texts(before), part_texts(after)
    for part in new:
        sides = (f"{before.name}/{part}", f"{after.name}/{part}")
        yield from unified_diff(old[part].splitlines(), new[part].splitlines(), *sides, lineterm="")


def part_texts(revision: Revision) -> Mapping[str, str]:
    """Return the content of a revision by file name, as text that is safe to print on a terminal."""
    return {
        PROMPT_FILE: printable(revision.config.get(PROMPT_FILE, "")),
        CONFIG_FILE: printable(revision.config.get(CONFIG_FILE, "")),
        "pod-template.yaml": output.yaml_text(_without_generated_names(revision)),
        "egress.yaml": output.yaml_text(revision.egress) if revision.egress else "",
    }


def coloured(diff: Iterable[str]) -> Text:
    """Return a unified diff with the colours of `git diff`."""
    text = Text()
    for line in diff:
        text.append(f"{line}\n", next((colour for start, colour in _COLOURS if line.startswith(start)), ""))
    return text


def agent_image(revision: Revision) -> str:
    """Return the image of the agent's container."""
    return str(_agent_container(revision.template["spec"]).get("image", ""))


def _parts(revision: Revision) -> Object:
    """Split a revision into parts that do not overlap, so that a difference shows in one part only."""
    template = _without_generated_names(revision)
    pod_spec = template["spec"]
    agent = _agent_container(pod_spec)
    named = {key: agent.get(key) for key in ("image", "env", "resources")}
    rest = {key: value for key, value in agent.items() if key not in named}
    others = [container for container in pod_spec["containers"] if container["name"] != constants.CONTAINER]
    return {
        "prompt": revision.config.get(PROMPT_FILE),
        "config": revision.config.get(CONFIG_FILE),
        **named,
        "pods": [template["metadata"], pod_spec | {"containers": [rest, *others]}],
        "egress": revision.egress,
    }


def _agent_container(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((container for container in pod_spec["containers"] if container["name"] == constants.CONTAINER), {})


def _without_generated_names(revision: Revision) -> Object:
    """Return the pod template without the names of the revision and its ConfigMap, which differ with every change."""
    template = revision.template
    meta = template["metadata"]
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != constants.LABEL_REVISION}
    pod_spec: Object = _replace_names(template["spec"], revision.config_map)
    return template | {"metadata": meta | {"labels": labels}, "spec": pod_spec}


def _replace_names(value: Any, config_map: str) -> Any:
    if isinstance(value, dict):
        return {key: _replace_names(item, config_map) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_names(item, config_map) for item in value if not _is_revision_variable(item)]
    return "CONFIG" if value == config_map else value


def _is_revision_variable(item: Any) -> bool:
    return isinstance(item, dict) and item.get("name") == REVISION and set(item) == {"name", "value"}
