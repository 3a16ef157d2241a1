"""The generated parts of the Helm chart."""

from pathlib import Path

import pytest

from agent_operator.codegen import helm, helm_schema
from agent_operator.settings import Settings
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[4]
CHART = ROOT / "deploy" / "helm" / "agent-operator"
FILES = helm.files(ROOT / "deploy")


@pytest.mark.parametrize("path", FILES)
def test_committed_files_match_the_sources(path: str) -> None:
    """If it fails, run `make manifests`."""
    assert (CHART / path).read_text(encoding="utf-8") == FILES[path]


def test_every_option_of_the_operator_is_a_value() -> None:
    """In the schema, and with a comment in values.yaml."""
    options = {helm_schema.camel_case(name) for name in Settings.model_fields if name not in helm_schema.NOT_SETTINGS}
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert set(helm_schema.NOT_SETTINGS) < set(Settings.model_fields)
    assert options == set(values["settings"])
    assert options == set(helm_schema.schema()["properties"]["settings"]["properties"])


def test_the_schema_has_exactly_the_values_of_the_chart() -> None:
    """Objects with fixed fields only: types of Kubernetes and maps have no default fields."""

    def paths(values: object, node: helm_schema.Schema, path: str = "") -> list[str]:
        known = node.get("properties")
        if known is None:
            return []
        given = values if isinstance(values, dict) else {}
        here = [f"{path}{name}" for name in set(known) ^ set(given) if f"{path}{name}" != "global"]
        return here + [found for name in given for found in paths(given[name], known.get(name, {}), f"{path}{name}.")]

    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert paths(values, helm_schema.schema()) == []
