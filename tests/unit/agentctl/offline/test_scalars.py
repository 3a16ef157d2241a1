"""agentctl reads YAML as kubectl does. kubectl itself is the oracle."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from agentctl.offline import documents
from agentctl.ui import output
from kubeschema.body import parse_yaml

# A backslash and an underscore stand for a space.
_SCALARS = r"""
y Y yes YES n N no No on On ON off OFF true True tRUE false nULL null Null ~ ~x = == _1 <
0 -0 1 +1 -1 017 0o17 0O17 +0o7 0o8 08 089 0b11 0B11 0b2 0x1F 0X1f -0x1 0x 0x_F 0b_1 00 1_000 1__0 0_7 _ 1_
1e3 1E3 1e+3 1e-7 1e 1e400 -1e400 1.5e3 1. 1.0 1.50 .5 +.5 -.5 .5e1 ._5 -1_0.5 . + .. 1.2.3 1e21 1.5e21 0.1e1 1e1_0
123456789012345678 9223372036854775807 9223372036854775808 18446744073709551615 99999999999999999999
-9223372036854775808 -9223372036854775809 12:30 190:20:30 1:2 2024-10-01 2024-10-01T10:00:00Z 1.2.3.4 10.0.0.0/8
500m 1Gi 1.5Gi 0.5 100% !!str\_1 !!int\_"3" !!float\_3 !!bool\_"y" !!binary\_aGVsbG8= '1' "y" 'null' yes_ nan inf
"""
_KEYS = "y n 1 1e3 0o17 1.5 2024-01-01 ~x 12:30 true_ 'z' 01x"
SCALARS = [scalar.replace("\\_", " ") for scalar in _SCALARS.split()]
KEYS = _KEYS.split()


def _text() -> str:
    listed = "".join(f"  - {value}\n" for value in SCALARS)
    keys = "".join(f"  {key}: {index}\n" for index, key in enumerate(KEYS))
    return f"apiVersion: example.com/v1\nkind: Any\nmetadata: {{name: a}}\nvalues:\n{listed}keys:\n{keys}"


def _by_kubectl(path: Path) -> dict[str, Any]:
    """Return what kubectl reads. With --local, it needs no cluster."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
    command = [kubectl, "label", "--local", "-f", str(path), "a=b", "-o", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _same_number(ours: Any, theirs: Any) -> bool:
    """Return whether these are the same number. Go writes a large float as an integer, with zeros."""
    return isinstance(ours, float) and type(theirs) is int and float(theirs) == ours


def _typed(values: list[Any]) -> list[tuple[str, Any]]:
    return [(type(value).__name__, value) for value in values]


def test_agentctl_and_kubectl_read_the_same_values(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(_text())
    expected = _by_kubectl(path)

    found = documents.read([str(path)])[0].body
    differing = [
        (scalar, ours, theirs)
        for scalar, ours, theirs in zip(SCALARS, found["values"], expected["values"], strict=True)
        if (type(ours), ours) != (type(theirs), theirs) and not _same_number(ours, theirs)
    ]
    assert differing == []
    assert found["keys"] == expected["keys"]
    assert _typed(parse_yaml(path.read_bytes()).value["values"]) == _typed(found["values"])


def test_what_agentctl_writes_is_read_by_kubectl_as_the_same_strings(tmp_path: Path) -> None:
    path = tmp_path / "texts.yaml"
    obj = {"apiVersion": "example.com/v1", "kind": "Any", "metadata": {"name": "a"}, "texts": SCALARS}
    path.write_text(output.yaml_text(obj))

    assert _by_kubectl(path)["texts"] == SCALARS
    assert documents.read([str(path)])[0].body["texts"] == SCALARS
