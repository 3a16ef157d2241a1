"""Each file in inputs/ is an AgentDeployment, with its children in outputs/. UPDATE_GOLDEN=1 rewrites the outputs."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, Platform, Rendered, render
from tests import fast_yaml as yaml

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "inputs").glob("*.yaml"))


def read(case: str) -> Inputs:
    """Return the agent of a case, with the prompt of the ConfigMap in the same folder."""
    documents = list(yaml.safe_load_all((HERE / "inputs" / f"{case}.yaml").read_text(encoding="utf-8")))
    agent = AgentDeployment.model_validate(documents[0])
    texts = [text for other in documents[1:] for text in other["data"].values()]
    platform = Platform(fqdn_policies=case.startswith("hosts"))
    return Inputs(agent, prompt_template=texts[0] if texts else None, platform=platform)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES)


@pytest.fixture(scope="session")
def cases() -> dict[str, Inputs]:
    return {case: read(case) for case in CASES}


@pytest.fixture
def inputs(case: str) -> Inputs:
    return read(case)


@cache
def _rendered(case: str) -> Rendered:
    return render(read(case))


@pytest.fixture
def rendered(case: str) -> Rendered:
    return deepcopy(_rendered(case))


@pytest.fixture
def by_kind(rendered: Rendered) -> dict[str, dict[str, Any]]:
    # Of the ConfigMaps, the first is that of the pods.
    return {manifest["kind"]: manifest for manifest in reversed(rendered.manifests)}


@pytest.fixture
def folder() -> Path:
    return HERE


@pytest.fixture
def rendered_minimal() -> Rendered:
    return render(read("minimal"))


@pytest.fixture
def rendered_seed() -> Rendered:
    return render(read("seed"))
