"""An agent.toml of any schema has the same meaning for every runtime."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.config import AgentFile, ConfigError, load
from agent_runtime.config.migrations import STEPS, Document, Step, oldest, upgraded

MODEL = {"name": "echo", "provider": "echo"}
CACHE = {"host": "redis"}


def move(document: Document, old: str, new: str) -> None:
    """Rename a field of the agent."""
    if old in document["agent"]:
        document["agent"][new] = document["agent"].pop(old)


def rename(old: str, new: str) -> Step:
    """A step that renames a field."""

    def downgrade(document: Document) -> bool:
        move(document, new, old)
        return True

    return Step("x", lambda document: move(document, old, new), downgrade)


def add(field: str) -> Step:
    """A step that adds a field which the older schema lacks."""
    return Step("x", lambda _: None, lambda document: field not in document["agent"])


THREE = (rename("a", "b"), add("new"), rename("b", "c"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"agent": {"a": 1}}, {"agent": {"c": 1}}),
        ({"schema": 1, "agent": {"a": 1}}, {"agent": {"c": 1}}),
        ({"schema": 2, "agent": {"b": 1}}, {"agent": {"c": 1}}),
        ({"schema": 4, "agent": {"c": 1, "a": 2}}, {"agent": {"c": 1, "a": 2}}),
    ],
)
def test_upgraded_takes_the_steps_from_its_schema_on_in_order(written: Document, read: Document) -> None:
    """The argument is not modified."""
    before = copy.deepcopy(written)

    assert upgraded(written, THREE) == read
    assert written == before


@pytest.mark.parametrize(
    ("current", "written"),
    [
        ({"agent": {"c": 1}}, {"agent": {"a": 1}}),
        ({"agent": {"c": 1, "new": 2}}, {"schema": 3, "agent": {"b": 1, "new": 2}}),
        ({"agent": {}}, {"agent": {}}),
    ],
)
def test_oldest_writes_the_oldest_schema_with_the_same_meaning(current: Document, written: Document) -> None:
    """Schema 1 has no number, so that runtimes without the field `schema` read it."""
    assert oldest(current, THREE) == written
    assert upgraded(written, THREE) == current


@pytest.mark.parametrize("number", [0, -1, "2", 1.0, True, None, []])
def test_a_schema_is_a_whole_number_from_1(number: Any) -> None:
    with pytest.raises(ValueError, match=r"^schema: must be a whole number"):
        upgraded({"schema": number})


def test_a_newer_schema_is_refused_with_a_remedy(tmp_path: Path) -> None:
    newer = len(STEPS) + 2
    (tmp_path / "agent.toml").write_text(tomli_w.dumps({"schema": newer, "agent": {"models": [MODEL]}}))
    with pytest.raises(ConfigError, match=rf"^schema: {newer} is newer than this version.*use a newer image$"):
        load(tmp_path / "agent.toml")


def test_load_upgrades_an_older_file(tmp_path: Path) -> None:
    old = {"agent": {"models": [MODEL], "memory": {"cache": CACHE}}}
    (tmp_path / "agent.toml").write_text(tomli_w.dumps(old))
    (tmp_path / "system_prompt.txt").write_text("x")

    section, _ = load(tmp_path / "agent.toml")

    assert section.memory is not None
    assert section.memory.max_history_tokens == 16_000


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"cache": CACHE, "max_history_tokens": 16_000}, {"agent": {"memory": {"cache": CACHE}}}),
        ({"max_history_tokens": 16_000}, {"agent": {"memory": {}}}),
        (
            {"cache": CACHE, "max_history_tokens": 8_000},
            {"schema": 2, "agent": {"memory": {"cache": CACHE, "max_history_tokens": 8_000}}},
        ),
    ],
)
def test_max_history_tokens_needs_schema_2_unless_it_is_the_default(newer: Document, older: Document) -> None:
    """Step 1: a runtime of schema 1 refuses the unknown field."""
    assert oldest({"agent": {"memory": newer}}) == older
    assert upgraded(older) == {"agent": {"memory": newer}}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.change)
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"agent": 7},
        {"agent": {"memory": 7}},
        {"agent": {"models": [MODEL]}},
        {"agent": {"memory": {"cache": CACHE}}},
        {"agent": {"memory": {"max_history_tokens": 0}}},
    ],
)
def test_a_step_is_idempotent(step: Step, document: Document) -> None:
    """A step also accepts invalid documents, whose errors are reported later with their paths."""
    once = copy.deepcopy(document)
    step.upgrade(once)
    twice = copy.deepcopy(once)
    step.upgrade(twice)
    step.downgrade(copy.deepcopy(document))

    assert once == twice


@given(
    tokens=st.one_of(st.just(16_000), st.integers(0, 10_000_000)),
    memory=st.booleans(),
    cache=st.one_of(st.none(), st.just(CACHE)),
)
def test_a_runtime_reads_what_an_operator_writes(tokens: int, memory: bool, cache: Document | None) -> None:
    """Through TOML, in each schema."""
    table = {"cache": cache, "max_history_tokens": tokens} if memory else None
    file = AgentFile.model_validate({"agent": {"models": [MODEL], "memory": table}})

    text = tomli_w.dumps(oldest(file.model_dump(mode="json", exclude_none=True)))

    assert AgentFile.model_validate(upgraded(tomllib.loads(text))) == file
