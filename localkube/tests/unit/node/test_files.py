"""Volumes, mounts and paths."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from localkube.node import volumes
from localkube.node.environment import Sources
from localkube.node.errors import MountError
from localkube.node.paths import PathRewriter, PodDirectory, inside
from localkube.node.references import references

CONFIG = {"data": {"a": "A"}, "binaryData": {"b": b64encode(b"\x00B").decode()}}
SECRET = {"data": {"password": b64encode(b"xyzzy").decode()}}
SOURCES = Sources({"config": CONFIG}.get, {"hidden": SECRET}.get)


@pytest.fixture
def directory(tmp_path: Path) -> PodDirectory:
    return PodDirectory(tmp_path)


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.iterdir() if not p.name.startswith("..")}


def mounted(pod: Any, directory: PodDirectory, **source: Any) -> dict[str, bytes]:
    volumes.mount(pod, {"name": "v", **source}, directory, SOURCES)
    return files(directory.volume("v"))


def test_a_config_map_has_a_file_per_key(pod: Any, directory: PodDirectory) -> None:
    assert mounted(pod, directory, configMap={"name": "config"}) == {"a": b"A", "b": b"\x00B"}


def test_items_select_and_rename_keys(pod: Any, directory: PodDirectory) -> None:
    items = [{"key": "password", "path": "p", "mode": 0o400}]
    assert mounted(pod, directory, secret={"secretName": "hidden", "items": items}) == {"p": b"xyzzy"}
    assert (directory.volume("v") / "p").stat().st_mode & 0o777 == 0o400


def test_projected_sources_share_a_directory(pod: Any, directory: PodDirectory) -> None:
    downward = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    sources = [{"configMap": {"name": "config"}}, {"secret": {"name": "hidden"}}, {"downwardAPI": downward}]
    found = mounted(pod, directory, projected={"sources": sources})
    assert found == {"a": b"A", "b": b"\x00B", "password": b"xyzzy", "labels": b'app="web"'}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "config", "items": [{"key": "k", "path": "p"}]}},
            "references non-existent config key: k",
        ),
        ({"configMap": {"name": "config", "items": [{"key": "a", "path": "../p"}]}}, "../p must not contain '..'"),
        ({"nfs": {}}, "the local cluster does not support volumes of type nfs"),
    ],
)
def test_a_failed_mount_is_reported(pod: Any, directory: PodDirectory, source: Any, message: str) -> None:
    with pytest.raises(MountError) as caught:
        mounted(pod, directory, **source)
    assert str(caught.value).endswith(message)
    assert str(caught.value).startswith('MountVolume.SetUp failed for volume "v" : ')


def test_a_missing_optional_source_is_ignored(pod: Any, directory: PodDirectory) -> None:
    assert mounted(pod, directory, secret={"secretName": "no", "optional": True}) == {}


def test_an_update_replaces_all_files_at_once(tmp_path: Path) -> None:
    volumes.write_files(tmp_path, {"old": (b"1", 0o644), "same": (b"1", 0o644)})
    volumes.write_files(tmp_path, {"new/deep": (b"2", 0o644), "same": (b"2", 0o644)})
    assert (tmp_path / "same").read_bytes() == (tmp_path / "new" / "deep").read_bytes() == b"2"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_symlink()) == ["..data", "new", "same"]
    assert len(list(tmp_path.glob("..*"))) == 2, "the old files are gone"


def test_a_mount_with_a_sub_path_is_a_copy(pod: Any, directory: PodDirectory) -> None:
    pod["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "config"}}]
    mounted(pod, directory, configMap={"name": "config"})
    container = {
        "name": "main",
        "volumeMounts": [
            {"name": "v", "mountPath": "/etc/app"},
            {"name": "v", "mountPath": "/etc/one", "subPath": "a"},
        ],
    }
    volumes.attach(pod, container, directory)
    volumes.write_files(directory.volume("v"), {"a": (b"changed", 0o644)})
    root = directory.rootfs("main")
    assert (root / "etc/app/a").read_bytes() == b"changed"
    assert (root / "etc/one").read_bytes() == b"A"


@pytest.mark.parametrize("mount", [{"name": "no", "mountPath": "/a"}, {"name": "v", "mountPath": "/../a"}])
def test_a_mount_path_cannot_leave_the_root_directory(pod: Any, directory: PodDirectory, mount: dict[str, str]) -> None:
    pod["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    volumes.mount(pod, {"name": "v", "emptyDir": {}}, directory, SOURCES)
    if mount["name"] == "no":
        mount = {**mount, "subPath": "x"}
    with pytest.raises(MountError):
        volumes.attach(pod, {"name": "main", "volumeMounts": [mount]}, directory)


def test_a_path_cannot_leave_its_root(tmp_path: Path) -> None:
    assert inside(tmp_path, "/a/b") == tmp_path / "a" / "b"
    with pytest.raises(ValueError, match="must not contain"):
        inside(tmp_path, "a/../../b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/app/config", "R/app/config"),
        ("/app/config/a.toml", "R/app/config/a.toml"),
        ("--config=/app/config/a:/app", "--config=R/app/config/a:R/app"),
        ("file:///app/config", "file:///app/config"),
        ("/app/configs /x/app", "R/app/configs /x/app"),
        ("/application", "/application"),
        ("http://h/app", "http://h/app"),
        ("'/app'", "'R/app'"),
    ],
)
def test_mount_paths_are_replaced_only_in_paths(text: str, expected: str) -> None:
    assert PathRewriter(Path("R"), ["/app/config", "/app", "/"]).rewrite(text) == expected


def test_without_mounts_nothing_is_replaced() -> None:
    assert PathRewriter(Path("R"), []).rewrite("/app") == "/app"


def test_references_are_found_in_volumes_and_variables() -> None:
    container = {
        "name": "c",
        "envFrom": [{"secretRef": {"name": "s1"}}],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k"}}}],
    }
    projected = {"sources": [{"secret": {"name": "s2"}}, {"configMap": {"name": "c2"}}]}
    spec = {
        "containers": [{"name": "m"}],
        "initContainers": [container],
        "volumes": [{"name": "v", "projected": projected}, {"name": "w", "secret": {"secretName": "s3"}}],
    }
    secrets = {("secrets", "s1"), ("secrets", "s2"), ("secrets", "s3")}
    assert references({"spec": spec}) == {*secrets, ("configmaps", "c1"), ("configmaps", "c2")}
