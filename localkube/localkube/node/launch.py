"""From a container's spec to a started process: files, environment, command."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localkube.meta.status import Object
from localkube.node import images, volumes
from localkube.node.environment import Sources, declared, service_links, variable
from localkube.node.machine import Machine
from localkube.node.paths import PathRewriter, PodDirectory, inside, mount_paths

TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and where."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: Path
    rewriter: PathRewriter


def sources_of(machine: Machine, pod: Object) -> Sources:
    """The ConfigMaps and Secrets of a pod's namespace."""
    namespace = pod["metadata"]["namespace"]
    registry = machine.registry
    return Sources(
        config_map=lambda name: _named(machine, registry.find("configmaps", namespace, name)),
        secret=lambda name: registry.find("secrets", namespace, name),
    )


def _named(machine: Machine, config_map: Object | None) -> Object | None:
    """A ConfigMap as the pod is to read it."""
    if config_map is None:
        return None
    data = {key: machine.named(text) for key, text in (config_map.get("data") or {}).items()}
    return {**config_map, "data": data}


def prepare(machine: Machine, pod: Object, container: Object, directory: PodDirectory) -> Command:
    """Make the container's files and work out its command; ImageUnknownError, ConfigError, MountError."""
    image = machine.images.get(container["image"])
    rootfs = directory.rootfs(container["name"])
    message_path = container.get("terminationMessagePath") or TERMINATION_LOG
    rewriter = PathRewriter(rootfs, [*mount_paths(container), message_path])
    given = _given(machine, pod, container, rootfs)
    stated = declared(pod, container, sources_of(machine, pod), given)
    hidden = {e["name"] for e in container.get("env") or () if "secretKeyRef" in (e.get("valueFrom") or {})}
    stated = {k: v if k in hidden else machine.named(rewriter.rewrite(v)) for k, v in stated.items()}
    environment = {**given, **stated}
    shutil.rmtree(rootfs, ignore_errors=True)  # every start finds its image fresh
    volumes.attach(pod, container, directory)
    message_file = inside(rootfs, message_path)
    _make(message_file.parent)
    message_file.touch()  # as a container runtime does: a program may want to find it
    cwd = _make(inside(rootfs, container.get("workingDir") or image.working_dir))
    _make(rootfs / "tmp")
    own, given_args = images.argv(image, container, environment)
    # The entrypoint names files of this machine; all else is meant inside the container.
    argv = [*own, *(machine.named(rewriter.rewrite(part)) for part in given_args)]
    return Command(argv, environment, cwd, rewriter)


def _given(machine: Machine, pod: Object, container: Object, rootfs: Path) -> dict[str, str]:
    """What the node tells every process: above all where to listen, and where to leave its last words."""
    message_path = container.get("terminationMessagePath") or TERMINATION_LOG
    found = {
        **machine.inherited,
        "HOSTNAME": pod["metadata"]["name"],
        "HOME": str(rootfs),
        "TMPDIR": str(rootfs / "tmp"),
        "LISTEN_ADDRESS": pod["status"]["podIP"],
        "TERMINATION_LOG": str(inside(rootfs, message_path)),
    }
    if pod["spec"].get("enableServiceLinks", True):
        found |= service_links(machine.registry.list("services", pod["metadata"]["namespace"]))
    for port in container.get("ports") or ():
        number = machine.addresses.port(pod, port["containerPort"])
        found[f"PORT_{port['containerPort']}"] = str(number)
        if port.get("name"):
            found[f"PORT_{variable(port['name'])}"] = str(number)
    return found


def _make(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def port_of(machine: Machine, pod: Object, container: Object, port: int | str) -> int:
    """Where a port, given by number or name, of this container really is; ValueError for an unknown name."""
    if isinstance(port, str) and not port.isdigit():
        numbers = [p["containerPort"] for p in container.get("ports") or () if p.get("name") == port]
        if not numbers:
            raise ValueError(f"couldn't find port: {port}")
        return machine.addresses.port(pod, numbers[0])
    return machine.addresses.port(pod, int(port))
