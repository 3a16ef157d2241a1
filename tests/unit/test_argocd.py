"""The health checks and actions for Argo CD, and those for Flux, on objects recorded from a cluster.

The tables are in deploy/argocd, in the format that the repository of Argo CD requires.
"""

import copy
import functools
import operator
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_operator.codegen.argocd import configuration
from agent_operator.rollout.commands import Command
from agentctl.__main__ import run as run_agentctl
from kubeschema.cel_binding import Program, known_functions
from tests import argocd
from tests import fast_yaml as yaml
from tests.argocd import FOLDER, Object

KINDS = ("AgentDeployment", "AgentRuntimeChannel")
EXAMPLES = Path(__file__).parents[2] / "examples"
FLUX = EXAMPLES / "gitops-flux" / "clusters" / "production" / "agents.yaml"
RECORDED = sorted(FOLDER.glob("*/testdata/*.yaml"))
# What kstatus calls the states of Argo CD. A paused canary and a suspended agent are not finished.
KSTATUS = {"Healthy": "Current", "Degraded": "Failed", "Progressing": "InProgress", "Suspended": "InProgress"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def cases(pattern: str, key: str) -> list[Any]:
    return [
        pytest.param(path.parent, case, id=f"{path.relative_to(FOLDER).parts[0]}/{Path(case['inputPath']).stem}")
        for path in sorted(FOLDER.glob(pattern))
        for case in read(path)[key]
    ]


@pytest.mark.parametrize(("folder", "case"), cases("*/health_test.yaml", "tests"))
def test_health(folder: Path, case: Object) -> None:
    assert argocd.health(read(folder / case["inputPath"])) == case["healthStatus"]


@pytest.mark.parametrize(("folder", "case"), cases("*/actions/action_test.yaml", "discoveryTests"))
def test_actions_are_enabled_only_where_the_operator_executes_them(folder: Path, case: Object) -> None:
    assert argocd.actions(read(folder / case["inputPath"])) == case["result"]


@pytest.mark.parametrize(("folder", "case"), cases("*/actions/action_test.yaml", "actionTests"))
def test_an_action_changes_only_the_annotation_or_the_field(folder: Path, case: Object) -> None:
    result = argocd.act(read(folder / case["inputPath"]), case["action"], **case.get("parameters", {}))

    for key, text in result["metadata"].get("annotations", {}).items():
        result["metadata"]["annotations"][key] = re.sub(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "0001-01-01T00:00:00Z", text
        )
    assert result == read(folder / case["expectedOutputPath"])


def without_parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every field and item of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from without_parts(item, (*path, key))


@pytest.mark.parametrize("name", ["AgentDeployment/suspended_canaryPaused", "AgentRuntimeChannel/degraded_halted"])
def test_a_status_without_a_part_fails_no_script(name: str) -> None:
    """An older operator may write less, and others may write to the status."""
    kind, _, state = name.partition("/")
    obj = read(FOLDER / kind / "testdata" / f"{state}.yaml")
    paths = [path for path in without_parts(obj) if path[0] == "status" and "children" not in path]
    for path in paths:
        changed = copy.deepcopy(obj)
        parent = functools.reduce(operator.getitem, path[:-1], changed)
        del parent[path[-1]]
        assert argocd.health(changed)["status"] in KSTATUS, path
        assert all(isinstance(action["disabled"], bool) for action in argocd.actions(changed)), path
    assert len(paths) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_state_and_every_action_has_a_test(kind: str) -> None:
    tested = {Path(case["inputPath"]).name for case in read(FOLDER / kind / "health_test.yaml")["tests"]}
    assert tested == {path.name for path in RECORDED if path.parts[-3] == kind}

    actions = {path.parent.name for path in FOLDER.glob(f"{kind}/actions/*/action.lua")}
    table = read(FOLDER / kind / "actions" / "action_test.yaml")
    assert actions == {case["action"] for case in table["actionTests"]}
    assert all(actions == {action["name"] for action in case["result"]} for case in table["discoveryTests"])


def test_actions_are_rollout_commands() -> None:
    actions = {path.parent.name for path in FOLDER.glob("AgentDeployment/actions/*/action.lua")}
    # `upgrade` needs the preview of `agentctl upgrade plan`.
    assert actions == {command.value for command in Command} - {"upgrade"}


def test_the_configuration_of_argo_cd_contains_the_scripts() -> None:
    folder = FOLDER.parents[1]
    written = (folder / "argocd-cm.yaml").read_text(encoding="utf-8")
    assert written == configuration(folder), "run `make manifests`"

    data = yaml.safe_load(written)["data"]
    assert len(data) == 2 * len(KINDS)
    for kind in KINDS:
        assert data[f"resource.customizations.health.agent-operator.dev_{kind}"] == (
            FOLDER / kind / "health.lua"
        ).read_text(encoding="utf-8")
        actions = yaml.safe_load(data[f"resource.customizations.actions.agent-operator.dev_{kind}"])
        assert all(set(action) == {"name", "action.lua"} for action in actions["definitions"])


def kstatus(obj: Object) -> str:
    """Return the status that kstatus computes for a custom resource, as Flux and `cli-utils` do."""
    status = obj.get("status", {})
    if status.get("observedGeneration", obj["metadata"]["generation"]) != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


def flux_health(obj: Object) -> str:
    """Return the health that the expressions of the Flux example compute, in the order of Flux.

    An expression that fails, for example because there is no status, makes Flux wait.
    """
    (checks,) = (it for it in read(FLUX)["spec"]["healthCheckExprs"] if it["kind"] == obj["kind"])
    for field, status in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current")):
        try:
            if Program(checks[field], known_functions()).run(obj) is True:
                return status
        except ValueError:
            return "InProgress"
    return "InProgress"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_argo_cd_kstatus_and_flux_agree(path: Path) -> None:
    obj = read(path)
    expected = KSTATUS[argocd.health(obj)["status"]]
    # For kstatus alone, an object that no controller has seen is complete. So Flux needs the expressions.
    assert kstatus(obj) == ("Current" if "status" not in obj else expected)
    # A suspended agent is what Git describes, so Flux does not wait for it.
    assert flux_health(obj) == ("Current" if obj["spec"].get("suspend") else expected)


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("tool", ["gitops-argocd", "gitops-flux"])
def test_the_environments_of_the_example_repositories_are_valid(
    tool: str, environment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl: list[str | Path] = [
        Path(sys.executable).with_name("kubectl"),
        "kustomize",
        EXAMPLES / tool / "environments" / environment,
    ]
    built = subprocess.run(kubectl, check=True, capture_output=True, text=True, timeout=60).stdout
    (tmp_path / "built.yaml").write_text(built, encoding="utf-8")

    assert run_agentctl(["validate", "-f", str(tmp_path)]) == 0, capsys.readouterr().err
    assert {it["metadata"].get("namespace") for it in yaml.safe_load_all(built)} == {None, f"agents-{environment}"}


def test_the_documented_expressions_are_those_of_the_example() -> None:
    page = (EXAMPLES.parent / "docs" / "how-to" / "gitops.md").read_text(encoding="utf-8")
    documented = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])["spec"]["healthCheckExprs"]
    assert documented == read(FLUX)["spec"]["healthCheckExprs"][:1]
