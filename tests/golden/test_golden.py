"""The rendered manifests equal the reviewed golden files, byte for byte."""

import difflib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agent_operator.kube.objects import ref
from agent_operator.render import Inputs, Rendered, render
from tests import fast_yaml


class Readable(yaml.CSafeDumper):
    """Represent texts of several lines as blocks."""


def _text(dumper: Readable, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


def _dump(rendered: Rendered) -> str:
    header = f"# {rendered.url} revision {rendered.revision.name} version {rendered.runtime_version}\n"
    return header + yaml.dump_all(rendered.manifests, Dumper=Readable, sort_keys=False, width=120, allow_unicode=True)


def test_a_case_renders_its_golden_file(case: str, rendered: Rendered, folder: Path) -> None:
    path = folder / "outputs" / f"{case}.yaml"
    text = _dump(rendered)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    diff = difflib.unified_diff(kept.splitlines(), text.splitlines(), "reviewed", "rendered", lineterm="", n=2)
    assert kept == text, f"UPDATE_GOLDEN=1 accepts this:\n{chr(10).join(diff)}"


def test_every_golden_file_has_a_case(folder: Path) -> None:
    assert {p.name for p in (folder / "outputs").iterdir()} == {p.name for p in (folder / "inputs").iterdir()}


def test_a_case_renders_the_same_twice(inputs: Inputs) -> None:
    assert _dump(render(inputs)) == _dump(render(replace(inputs)))


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_all_cases_render_the_same_under_any_hash_seed(seed: str, folder: Path) -> None:
    script = (
        "import sys, pathlib, yaml\n"
        "from agent_operator.api.v1alpha1 import AgentDeployment\n"
        "from agent_operator.render import Inputs, Platform, render\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.yaml')):\n"
        "    docs = list(yaml.load_all(path.read_text(encoding='utf-8'), yaml.CSafeLoader))\n"
        "    text = next(iter(docs[1]['data'].values())) if docs[1:] else None\n"
        "    platform = Platform(fqdn_policies=path.stem.startswith('hosts'))\n"
        "    done = render(Inputs(AgentDeployment.model_validate(docs[0]), text, platform=platform))\n"
        "    hashes = [m['metadata']['annotations']['agent-operator.dev/manifest-hash'] for m in done.manifests]\n"
        "    print(path.stem, hashes)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder / "inputs")],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    kept = {
        path.stem: [
            manifest["metadata"]["annotations"]["agent-operator.dev/manifest-hash"]
            for manifest in fast_yaml.safe_load_all(path.read_text(encoding="utf-8"))
        ]
        for path in sorted((folder / "outputs").iterdir())
    }
    assert run.stdout == "".join(f"{case} {hashes}\n" for case, hashes in kept.items())


def test_the_order_of_keys_does_not_change_the_output(inputs: Inputs) -> None:
    def backwards(value: object) -> object:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(item) for item in value] if isinstance(value, list) else value

    dumped = inputs.agent.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    other = type(inputs.agent).model_validate(backwards(dumped))
    # Secrets become variables in the order in which they are written.
    found = {ref(it["kind"], it): it for it in render(replace(inputs, agent=other)).manifests}
    for manifest in render(inputs).manifests:
        if manifest["kind"] != "Deployment":
            assert found[ref(manifest["kind"], manifest)] == manifest
