"""The pod templates equal those of the last release; UPDATE_REVISIONS=1 accepts a difference."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent_operator import __version__
from agent_operator.api import constants
from agent_operator.render import Inputs, Platform, render
from agent_operator.rollout.revisions import controller_revision, read_controller_revision

FILE = Path(__file__).with_name("revisions.json")
MEANING = """\
{case}: this operator makes the pods from another template than {version} did: revision {now}, not {before}.
That is no fault, but a decision. An agent that is created or changed from now on differs, and `agentctl upgrade` brings
it to the others; those keep the revision that they have, and none of their pods is restarted. To accept it, run
    UPDATE_REVISIONS=1 pytest tests/golden/test_revisions.py
and tell the users in CHANGELOG.md what differs; tests/golden/outputs shows it."""


@dataclass(frozen=True)
class Release:
    """A version of the operator, and the revision that it renders of each case."""

    operator: str
    revisions: Mapping[str, str]


def revision(inputs: Inputs, version: str) -> str:
    """The image tag changes with every release, so it is not compared."""
    return render(replace(inputs, platform=Platform(runtime_version=version))).revision.name


@pytest.fixture(scope="module")
def last(cases: Mapping[str, Inputs]) -> Release:
    """The last release; with UPDATE_REVISIONS=1 the current one."""
    if os.environ.get("UPDATE_REVISIONS"):
        current = {case: revision(inputs, __version__) for case, inputs in cases.items()}
        FILE.write_text(json.dumps({"operator": __version__, "revisions": current}, indent=2) + "\n", encoding="utf-8")
    return Release(**json.loads(FILE.read_text(encoding="utf-8")))


def test_pod_templates_equal_those_of_the_last_release(case: str, inputs: Inputs, last: Release) -> None:
    assert case in last.revisions, f"{case} is new: UPDATE_REVISIONS=1 pytest tests/golden/test_revisions.py adds it"
    before, now = last.revisions[case], revision(inputs, last.operator)

    assert now == before, MEANING.format(case=case, version=last.operator, now=now, before=before)


def test_every_recorded_case_exists(cases: Mapping[str, Inputs], last: Release) -> None:
    """A deleted case is deleted from the file, too."""
    assert set(last.revisions) <= set(cases)


def test_stored_revisions_of_every_case_are_authentic(inputs: Inputs) -> None:
    """Otherwise the operator would refuse to roll back to them."""
    revision = render(inputs).revision
    sibling = {"metadata": {"namespace": inputs.namespace, "labels": {constants.LABEL_AGENT: inputs.name}}}
    stored = json.loads(json.dumps(controller_revision(revision, 1, "", sibling)))

    assert read_controller_revision(stored, inputs.name) == revision
