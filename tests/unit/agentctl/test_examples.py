"""Every example is valid, renders, and has a README."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/agent.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_valid_and_renders(agentctl: Callable[..., Any], path: Path) -> None:
    checked = agentctl("validate", "-f", path)
    number = path.read_text(encoding="utf-8").count("kind: AgentDeployment\n")
    expected = "1 AgentDeployment: valid\n" if number == 1 else f"{number} AgentDeployments: valid\n"
    assert (checked.status, checked.out) == (0, expected), checked.err

    rendered = agentctl("render", "-f", path.parent)
    assert rendered.status == 0
    assert "Deployment" in {item["kind"] for item in yaml.safe_load_all(rendered.out)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_has_a_readme_with_a_title(path: Path) -> None:
    assert (path.parent / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_each_example_has_a_number_of_two_digits_that_no_other_has() -> None:
    numbers = [path.parent.name.split("-")[0] for path in EXAMPLES]

    assert all(len(number) == 2 and number.isdecimal() for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_the_docs_list_every_example() -> None:
    page = (EXAMPLES[0].parents[2] / "examples" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"(?m)^\| [^|]* \| \[[^]]*\]\((\d[^)]*)\) \|", page)

    assert listed == [path.parent.name for path in EXAMPLES]


@pytest.mark.parametrize(
    ("example", "kinds"),
    [
        ("05-autoscaling-ingress", {"HorizontalPodAutoscaler", "Ingress"}),
        ("07-own-namespace", {"Namespace"}),
        ("08-external-secrets", {"SecretStore", "ExternalSecret"}),
        ("09-gateway", {"HTTPRoute"}),
    ],
)
def test_an_example_renders_the_objects_that_it_demonstrates(
    agentctl: Callable[..., Any], example: str, kinds: set[str]
) -> None:
    rendered = agentctl("render", "-f", EXAMPLES[0].parents[1] / example)

    assert kinds <= {item["kind"] for item in yaml.safe_load_all(rendered.out)}
