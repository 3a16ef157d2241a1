"""Volumes as directories and files in the directory of the pod."""

import secrets
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

from localkube.meta.status import Object
from localkube.node import environment
from localkube.node.environment import Sources
from localkube.node.errors import ConfigError, MountError
from localkube.node.paths import PodDirectory, inside

DEFAULT_MODE = 0o644
CURRENT = "..data"  # a link to the current files: replacing it changes all files of a volume at once
NO_TOKEN = "the local cluster issues no service account tokens\n"  # noqa: S105 (not a token)

Files = dict[str, tuple[bytes, int]]  # path within the volume → content, mode
LIVE = ("configMap", "secret", "projected", "downwardAPI")


def mount(pod: Object, volume: Object, directory: PodDirectory, sources: Sources) -> None:
    """Create or update one volume of a pod. Raises MountError on failure."""
    name = volume["name"]
    path = directory.volume(name)
    kind = next((k for k in volume if k != "name"), "emptyDir")
    try:
        if kind in LIVE:
            write_files(path, collect(pod, kind, volume[kind], sources))
        elif kind == "emptyDir":
            path.mkdir(parents=True, exist_ok=True)
        elif kind == "hostPath":
            link(path, Path(volume["hostPath"]["path"]))
        else:
            raise MountError(name, f"the local cluster does not support volumes of type {kind}")
    except (ConfigError, ValueError, OSError) as error:
        raise MountError(name, str(error)) from error


def collect(pod: Object, kind: str, source: Object, sources: Sources) -> Files:
    """The files of a volume source. Raises ConfigError on failure."""
    mode = source.get("defaultMode", DEFAULT_MODE)
    if kind == "projected":
        found: Files = {}
        for part in source.get("sources") or ():
            for inner, detail in part.items():
                found.update(collect(pod, inner, {"defaultMode": mode, **detail}, sources))
        return found
    if kind == "downwardAPI":
        return {item["path"]: (_downward(pod, item), item.get("mode", mode)) for item in source.get("items") or ()}
    if kind == "configMap":
        return _keyed("configmap", "config", source, sources.config_map, _config_map_data)
    if kind == "secret":
        return _keyed("secret", "secret", source, sources.secret, _secret_data)
    if kind == "serviceAccountToken":
        return {source["path"]: (NO_TOKEN.encode(), mode)}
    raise ConfigError(f"the local cluster does not support the projected source {kind}")


Find = Callable[[str], Object | None]
Read = Callable[[Object], dict[str, bytes]]


def _keyed(kind: str, word: str, source: Object, find: Find, read: Read) -> Files:
    name = source.get("secretName") or source.get("name", "")
    mode = source.get("defaultMode", DEFAULT_MODE)
    obj = find(name)
    if obj is None:
        if source.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{name}" not found')
    data = read(obj)
    if not source.get("items"):
        return {key: (content, mode) for key, content in data.items()}
    found: Files = {}
    for item in source["items"]:
        if item["key"] in data:
            found[item["path"]] = (data[item["key"]], item.get("mode", mode))
        elif not source.get("optional"):
            raise ConfigError(f"references non-existent {word} key: {item['key']}")
    return found


def _config_map_data(obj: Object) -> dict[str, bytes]:
    texts = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return texts | {key: b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def _secret_data(obj: Object) -> dict[str, bytes]:
    return {key: b64decode(value) for key, value in (obj.get("data") or {}).items()}


def _downward(pod: Object, item: Object) -> bytes:
    if "fieldRef" in item:
        return environment.field(pod, item["fieldRef"]["fieldPath"]).encode()
    return environment.resource(pod, item["resourceFieldRef"]).encode()


def write_files(path: Path, files: Files) -> None:
    """Write the files of a volume. A reader sees either all old files or all new ones."""
    path.mkdir(parents=True, exist_ok=True)
    fresh = path / f"..{secrets.token_hex(8)}"
    fresh.mkdir(mode=0o700)
    for name, (content, mode) in files.items():
        target = inside(fresh, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)
        target.chmod(mode)
    current = path / CURRENT
    old = current.resolve() if current.is_symlink() else None
    link(current, Path(fresh.name))
    tops = {Path(name).parts[0] for name in files}
    for top in tops:
        link(path / top, Path(CURRENT) / top)
    for entry in path.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def link(path: Path, target: Path) -> None:
    """Create a symbolic link, or replace one atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"..{secrets.token_hex(8)}")
    fresh.symlink_to(target)
    fresh.replace(path)


def attach(pod: Object, container: Object, directory: PodDirectory) -> None:
    """Link the volume mounts of a container below its root directory. Raises MountError on failure."""
    rootfs = directory.rootfs(container["name"])
    rootfs.mkdir(parents=True, exist_ok=True)
    kinds = {v["name"]: next((k for k in v if k != "name"), "emptyDir") for v in pod["spec"].get("volumes") or ()}
    mounts = container.get("volumeMounts") or ()
    for entry in sorted(mounts, key=lambda m: len(Path(m["mountPath"]).parts)):
        try:
            source = directory.volume(entry["name"])
            if entry.get("subPath"):
                _attach_part(inside(source, entry["subPath"]), inside(rootfs, entry["mountPath"]), kinds[entry["name"]])
            else:
                link(inside(rootfs, entry["mountPath"]), source)
        except (OSError, ValueError, KeyError) as error:
            raise MountError(entry["name"], f"mountPath {entry['mountPath']}: {error}") from error


def _attach_part(source: Path, target: Path, kind: str) -> None:
    """Mount a `subPath`: a copy if the volume has files of the API, as these do not change later; else a link."""
    if kind not in LIVE:
        source.mkdir(parents=True, exist_ok=True)
        link(target, source)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)
    else:
        target.mkdir(parents=True, exist_ok=True)
