"""The kubectl plugin for krew: its manifest, its archive and its launcher."""

import hashlib
import io
import os
import re
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from agent_operator import __version__
from agent_operator.codegen import krew
from tests import fast_yaml as yaml

ROOT = Path(__file__).parents[2]
URL = "https://github.com/team/agent-operator"
# Records what the launcher runs. The check of the version, and `-m venv`, behave as those of Python.
PYTHON = """#!/bin/sh
echo "$@" >>"$LOG"
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") [ -z "$BROKEN" ] && mkdir -p "$OTHER" ;;
esac
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what `make krew` writes, and the unpacked archive in `unpacked`."""
    for name in krew.WHEELS:
        (tmp_path / f"{name}-{__version__}-py3-none-any.whl").write_bytes(name.encode())
    monkeypatch.setattr("sys.argv", ["krew", str(ROOT), str(tmp_path), URL])
    krew.main()
    with tarfile.open(tmp_path / f"kubectl-agentdeploy-{__version__}.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # missing before Python 3.11.4
        archive.extractall(tmp_path / "unpacked")
    return tmp_path


def test_the_manifest_follows_the_rules_of_krew(plugin: Path) -> None:
    found: dict[str, Any] = yaml.safe_load((plugin / "agentdeploy.yaml").read_text(encoding="utf-8"))
    spec = found["spec"]

    assert (found["apiVersion"], found["kind"]) == ("krew.googlecontainertools.github.io/v1alpha2", "Plugin")
    # The name of the file is that of the plugin, which begins with no kubectl-.
    assert found["metadata"] == {"name": "agentdeploy"}
    assert re.fullmatch(r"v\d+\.\d+\.\d+([-+].+)?", spec["version"])
    assert len(spec["shortDescription"]) <= 50
    assert "kubectl" not in spec["shortDescription"]
    assert spec.keys() == {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
    (platform,) = spec["platforms"]
    assert platform.keys() == {"selector", "uri", "sha256", "bin"}
    archive = plugin / platform["uri"].rpartition("/")[2]
    assert platform["uri"].startswith(f"{URL}/releases/download/{spec['version']}/")
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert "{" not in (plugin / "agentdeploy.yaml").read_text(encoding="utf-8").replace("{key:", "")


def test_the_archive_has_the_launcher_the_wheels_the_lock_and_the_license(plugin: Path) -> None:
    unpacked = plugin / "unpacked"
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}

    wheels = {f"wheels/{name}-{__version__}-py3-none-any.whl" for name in krew.WHEELS}
    assert names == wheels | {"kubectl-agentdeploy", "LICENSE", "VERSION", "requirements.txt"}
    assert (unpacked / "kubectl-agentdeploy").stat().st_mode & stat.S_IXUSR
    assert (unpacked / "requirements.txt").read_bytes() == (ROOT / "locks" / "operator.txt").read_bytes()


def test_the_archive_does_not_depend_on_time_or_order() -> None:
    files = {"b": b"2", "a": b"1"}

    assert krew.archive_of(files) == krew.archive_of(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(krew.archive_of(files))) as archive:
        assert archive.getnames() == ["a", "b"]


def test_a_missing_wheel_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="0 wheels of agent_operator instead of one: run make wheels"):
        krew.contents(ROOT, tmp_path)


def launch(
    plugin: Path, *arguments: str, broken: bool = False, cache: str = "cache", other: str = ""
) -> tuple[int, str, list[str]]:
    """Run the launcher with a Python that records its arguments; return status, standard error and the record."""
    program, log = plugin / "bin" / "python3.14", plugin / "log"
    program.parent.mkdir(exist_ok=True)
    program.write_text(PYTHON, encoding="utf-8")
    program.chmod(0o755)
    log.write_text("", encoding="utf-8")
    variables = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(plugin / cache)}
    environment = variables | {"LOG": str(log), "BROKEN": "1" if broken else "", "OTHER": other or str(plugin)}
    command: list[str | Path] = [plugin / "unpacked" / "kubectl-agentdeploy", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, log.read_text(encoding="utf-8").splitlines()


def test_the_launcher_installs_once_with_hashes_and_passes_the_arguments(plugin: Path) -> None:
    status, err, first = launch(plugin, "list", "-A")
    again, nothing, second = launch(plugin, "list", "-A")

    assert (status, again, nothing) == (0, 0, "")
    assert err.startswith(f"installing agentctl {__version__} into ")
    lock, wheels = (line for line in first if line.startswith("-m pip"))
    assert "--require-hashes --requirement" in lock
    assert "--only-binary=:all:" in lock
    assert "--no-index" in wheels
    assert second[0].startswith("-P -c ")
    assert second[-1].endswith("list -A")


def test_an_installation_that_fails_leaves_nothing(plugin: Path) -> None:
    status, _, _ = launch(plugin, "list", broken=True)

    assert status != 0
    assert list((plugin / "cache" / "agentctl").iterdir()) == []
    assert launch(plugin, "list")[0] == 0


def test_the_path_of_the_cache_may_have_spaces(plugin: Path) -> None:
    assert launch(plugin, "list", cache="my  cache *")[0] == 0


def test_overlapping_first_runs_leave_one_installation(plugin: Path) -> None:
    """The other run ends while this one installs."""
    home = plugin / "cache" / "agentctl" / __version__
    launch(plugin, "list", other=str(home / "bin"))

    assert [path.name for path in home.parent.iterdir()] == [__version__]
    assert [path.name for path in home.iterdir()] == ["bin"]
