"""Fields and options that the docs name in code exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from agent_operator.settings import Settings
from agentctl.app import app
from tests import fast_yaml as yaml
from tests.unit.test_links import FENCE, pages

ROOT = Path(__file__).parents[2]
GENERATED = {"docs/reference/api.md", "docs/reference/agentctl.md"}
# Its fields are the values of the chart.
OF_OTHERS = {"docs/how-to/install-with-helm.md"}
PAGES = sorted({page for page in pages() if page.startswith(("docs/", "README", "examples/"))} - GENERATED)
FIELD = re.compile(r"`([a-z][A-Za-z]*(?:\[\w*\])?(?:\.[a-zA-Z]+(?:\[[^\]`]*\])?)+)[:`]")
OPTION = re.compile(r"`(?:agent-operator run |agent-runtime [a-z-]+ )?(--[a-z][a-z-]+)")
# Files, hosts, and fields of other kinds and requests.
NO_FIELD = re.compile(
    r"\.(json|log|yaml|com|toml|md|py)$|^metadata\.|^spec\.(template|ingressClassName)|^text\.format$"
)
OPTIONS_OF_OTHERS = {
    *("--build-arg", "--cascade", "--ignore-not-found", "--prune"),  # docker, kubectl
    *("--force-conflicts", "--take-ownership", "--values"),  # Helm
    *("--config", "--show-answers"),  # agent-runtime
    "--help",
}
FieldPath = tuple[str, ...]


def _paths(schema: dict[str, Any], prefix: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the path of each field. A map of the user's own keys ends with `*`."""
    schema = schema.get("items", schema)
    yield prefix
    for name, field in schema.get("properties", {}).items():
        yield from _paths(field, (*prefix, name))
    if not schema.get("properties"):
        yield (*prefix, "*")


def _known() -> frozenset[FieldPath]:
    """Return the path of each field, also without its first parts, as in `limits.maxBodyBytes`."""
    found: set[FieldPath] = set()
    for file in (ROOT / "crds").glob("agent*.yaml"):
        (version,) = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
        found |= {path[start:] for path in _paths(version["schema"]["openAPIV3Schema"]) for start in range(len(path))}
    return frozenset(found)


KNOWN = _known()


def unknown_fields(text: str) -> list[str]:
    """Return the fields in code of a text that no kind has."""
    found = []
    for name in FIELD.findall(FENCE.sub("", text)):
        path = tuple(re.sub(r"\[[^\]]*\]", "", name).split("."))
        if NO_FIELD.search(name) or not any(known[:1] == path[:1] for known in KNOWN):
            continue
        if path not in KNOWN and not any((*path[:end], "*") in KNOWN for end in range(2, len(path))):
            found.append(name)
    return found


def _options() -> set[str]:
    """Return all options of agentctl and of the operator."""
    found = {f"--{prefix}{name.replace('_', '-')}" for name in Settings.model_fields for prefix in ("", "no-")}
    todo = [typer.main.get_command(app)]
    while todo:
        command: Any = todo.pop()
        found |= {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        todo += getattr(command, "commands", {}).values()
    return found | OPTIONS_OF_OTHERS


@pytest.mark.parametrize("page", sorted({*PAGES} - OF_OTHERS))
def test_the_fields_of_a_page_exist(page: str) -> None:
    assert unknown_fields((ROOT / page).read_text(encoding="utf-8")) == []


def test_the_options_of_all_pages_exist() -> None:
    named = {option for page in PAGES for option in OPTION.findall((ROOT / page).read_text(encoding="utf-8"))}

    assert named - _options() == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`spec.config.limits.maxBodyBytes`, `limits.maxBodyBytes: 1`, `mcp[].tools`, `status.children[0].kind`", []),
        ("`limits.maxInputTokens`", ["limits.maxInputTokens"]),
        ("`spec.replica.s`", ["spec.replica.s"]),
        ("`spec.resources.limits.cpu` of `operator.log`", []),
        ("```yaml\n`spec.none`\n```", []),
    ],
)
def test_a_field_that_does_not_exist_is_found(text: str, expected: list[str]) -> None:
    assert unknown_fields(text) == expected
