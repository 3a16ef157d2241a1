"""The agents in the docs are valid: complete ones, and fragments that begin with `spec:`."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^(?P<indent> *)```yaml\n(?P<code>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)
MODEL = {"name": "echo", "provider": "echo"}
# Pages with fragments of objects of Flux and OLM.
FOREIGN = {"gitops.md", "install-with-olm.md"}
Object = dict[str, Any]


def agents(page: Path) -> Iterator[Object]:
    """Yield the objects of this project on a page. A fragment gets what it leaves out: a name, and a model."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        code = "\n".join(line.removeprefix(block["indent"]) for line in block["code"].splitlines())
        for document in yaml.safe_load_all(code.replace("…", "")):
            if not isinstance(document, dict):
                continue
            if str(document.get("apiVersion", "")).startswith("agent-operator.dev/"):
                yield document
            elif document.keys() <= {"metadata", "spec"} and page.name not in FOREIGN:
                yield completed(document)


def completed(fragment: Object) -> Object:
    spec = dict(fragment.get("spec") or {})
    config = dict(spec.get("config") or {})
    config.setdefault("models", [MODEL])
    head = {"apiVersion": "agent-operator.dev/v1alpha1", "kind": "AgentDeployment"}
    return head | {"metadata": {"name": "support"} | fragment.get("metadata", {}), "spec": spec | {"config": config}}


FOUND = [
    pytest.param(document, id=f"{page.relative_to(ROOT)}-{number}")
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")])
    for number, document in enumerate(agents(page))
]


def test_the_docs_have_agents() -> None:
    assert len(FOUND) > 20


@pytest.mark.parametrize("document", FOUND)
def test_an_agent_of_the_docs_is_valid(agentctl: Callable[..., Any], tmp_path: Path, document: Object) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")

    checked = agentctl("validate", "-f", path)

    assert checked.status == 0, checked.err
