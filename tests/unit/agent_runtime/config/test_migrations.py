"""An agent.toml of any schema means to every runtime what it meant to its own."""

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
    """Give a field of the agent another name."""
    if old in document["agent"]:
        document["agent"][new] = document["agent"].pop(old)


def rename(old: str, new: str) -> Step:
    """A step that does so."""

    def downgrade(document: Document) -> bool:
        move(document, new, old)
        return True

    return Step("x", lambda document: move(document, old, new), downgrade)


def bring(field: str) -> Step:
    """A step that brings a field which the older schema has no word for."""
    return Step("x", lambda _: None, lambda document: field not in document["agent"])


THREE = (rename("a", "b"), bring("new"), rename("b", "c"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"agent": {"a": 1}}, {"agent": {"c": 1}}),
        ({"schema": 1, "agent": {"a": 1}}, {"agent": {"c": 1}}),
        ({"schema": 2, "agent": {"b": 1}}, {"agent": {"c": 1}}),
        ({"schema": 4, "agent": {"c": 1, "a": 2}}, {"agent": {"c": 1, "a": 2}}),
    ],
)
def test_the_steps_from_its_schema_on_are_taken_in_order(written: Document, read: Document) -> None:
    """And no others; the document that was given stays as it was."""
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
def test_the_oldest_schema_that_says_the_same_is_written(current: Document, written: Document) -> None:
    """Schema 1 needs no number, so that runtimes which know of none read it."""
    assert oldest(current, THREE) == written
    assert upgraded(written, THREE) == current


@pytest.mark.parametrize("number", [0, -1, "2", 1.0, True, None, []])
def test_a_schema_is_a_number(number: Any) -> None:
    """From 1."""
    with pytest.raises(ValueError, match=r"^schema: must be a whole number"):
        upgraded({"schema": number})


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """It may mean what this runtime cannot know."""
    newer = len(STEPS) + 2
    (tmp_path / "agent.toml").write_text(tomli_w.dumps({"schema": newer, "agent": {"models": [MODEL]}}))
    with pytest.raises(ConfigError, match=rf"^schema: {newer} is newer than this version.*use a newer image$"):
        load(tmp_path / "agent.toml")


def test_load_reads_an_older_file_as_it_was_meant(tmp_path: Path) -> None:
    """The bound that schema 1 did not name."""
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
def test_a_bound_of_history_is_written_where_it_is_not_the_fixed_one(newer: Document, older: Document) -> None:
    """Step 1: a runtime of schema 1 refuses a field that it does not know."""
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
def test_a_step_taken_twice_is_as_good_as_once(step: Step, document: Document) -> None:
    """And minds nothing that is wrong in a document: what is wrong is told later, with its path."""
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
def test_what_an_operator_writes_is_what_a_runtime_reads(tokens: int, memory: bool, cache: Document | None) -> None:
    """Through TOML, whatever schema it came to be written in."""
    said = {"cache": cache, "max_history_tokens": tokens} if memory else None
    file = AgentFile.model_validate({"agent": {"models": [MODEL], "memory": said}})

    text = tomli_w.dumps(oldest(file.model_dump(mode="json", exclude_none=True)))

    assert AgentFile.model_validate(upgraded(tomllib.loads(text))) == file
