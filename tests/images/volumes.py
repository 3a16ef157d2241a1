"""What a kubelet provides to a container: volumes, environment, /etc/hosts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


@dataclass(frozen=True)
class Mount:
    """A bind mount."""

    source: Path
    target: str
    read_only: bool = True

    def oci(self) -> Object:
        """Return it as config.json has it."""
        options = ["rbind", "nosuid", "nodev", "ro" if self.read_only else "rw"]
        return {"type": "bind", "source": str(self.source), "destination": self.target, "options": options}


def named(objects: Iterable[Object], kind: str, name: str) -> dict[str, str]:
    """Return the data of a ConfigMap or a Secret."""
    (found,) = (obj for obj in objects if obj["kind"] == kind and obj["metadata"]["name"] == name)
    return {**found.get("data", {}), **found.get("stringData", {})}


def environment(container: Object, objects: list[Object], pod_name: str) -> Iterator[str]:
    """Yield the variables of a container as NAME=VALUE."""
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if reference := source.get("secretKeyRef"):
            value = named(objects, "Secret", reference["name"])[reference["key"]]
        elif reference := source.get("configMapKeyRef"):
            value = named(objects, "ConfigMap", reference["name"])[reference["key"]]
        elif source:
            assert source == {"fieldRef": {"fieldPath": "metadata.name"}}
            value = pod_name
        else:
            value = variable.get("value", "")
        yield f"{variable['name']}={value}"


def mounts(pod: Object, objects: list[Object], folder: Path) -> Iterator[Mount]:
    """Write the volumes of a pod's first container under a folder; yield its mounts, and that of /etc/hosts."""
    sources = {volume["name"]: _volume(volume, objects, folder / volume["name"]) for volume in pod.get("volumes", [])}
    for mount in pod["containers"][0].get("volumeMounts", []):
        source = sources[mount["name"]]
        if path := mount.get("subPath"):
            source = (source / path).resolve()
        yield Mount(source, mount["mountPath"], mount.get("readOnly", False))
    hosts = folder / "hosts"
    hosts.write_text(HOSTS, encoding="utf-8")
    yield Mount(hosts, "/etc/hosts")


def write(folder: Path, data: dict[str, str]) -> Path:
    """Write files as a kubelet does: links, through one that it replaces to change all at once."""
    version = folder / "..version"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, text in data.items():
        (version / name).write_text(text, encoding="utf-8")
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def _volume(volume: Object, objects: list[Object], folder: Path) -> Path:
    if config_map := volume.get("configMap"):
        return write(folder, named(objects, "ConfigMap", config_map["name"]))
    if secret := volume.get("secret"):
        return write(folder, named(objects, "Secret", secret["secretName"]))
    assert "emptyDir" in volume
    folder.mkdir()
    folder.chmod(0o777)
    return folder
