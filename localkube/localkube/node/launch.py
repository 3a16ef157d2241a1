"""Prepares the process of a container: files, environment, command."""

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
_LISTEN_ADDRESS = "LISTEN_ADDRESS"
_ALL_ADDRESSES = ("::", "0.0.0.0")  # noqa: S104 - replaced by the address of the pod


@dataclass(frozen=True, slots=True)
class Command:
    """The command line, environment and working directory of a process."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: Path
    rewriter: PathRewriter


def sources_of(machine: Machine, pod: Object) -> Sources:
    """Look up ConfigMaps and Secrets in the pod's namespace."""
    namespace = pod["metadata"]["namespace"]
    registry = machine.registry
    return Sources(
        config_map=lambda name: _with_service_addresses(machine, registry.find("configmaps", namespace, name)),
        secret=lambda name: registry.find("secrets", namespace, name),
    )


def _with_service_addresses(machine: Machine, config_map: Object | None) -> Object | None:
    """A ConfigMap whose Service names are replaced by addresses."""
    if config_map is None:
        return None
    data = {key: machine.with_service_addresses(text) for key, text in (config_map.get("data") or {}).items()}
    return {**config_map, "data": data}


def prepare(machine: Machine, pod: Object, container: Object, directory: PodDirectory) -> Command:
    """Create the container's files and build its command. Raises ImageUnknownError, ConfigError, MountError."""
    image = machine.images.get(container["image"])
    rootfs = directory.rootfs(container["name"])
    message_path = container.get("terminationMessagePath") or TERMINATION_LOG
    rewriter = PathRewriter(rootfs, [*mount_paths(container), message_path])
    environment = _environment(machine, pod, container, rewriter)
    shutil.rmtree(rootfs, ignore_errors=True)  # every start begins with an empty file system
    volumes.attach(pod, container, directory)
    message_file = inside(rootfs, message_path)
    _make_directory(message_file.parent)
    message_file.touch()  # as a container runtime does
    cwd = _make_directory(inside(rootfs, container.get("workingDir") or image.working_dir))
    _make_directory(rootfs / "tmp")
    entrypoint, arguments = images.argv(image, container, environment)
    # The entrypoint has paths of the host, the arguments have paths in the container.
    argv = [*entrypoint, *(machine.with_service_addresses(rewriter.rewrite(part)) for part in arguments)]
    return Command(argv, environment, cwd, rewriter)


def _environment(machine: Machine, pod: Object, container: Object, rewriter: PathRewriter) -> dict[str, str]:
    """The variables of a process. Paths and Service names are replaced, except in values of Secrets."""
    provided = _node_variables(machine, pod, container, rewriter.rootfs)
    secrets = {e["name"] for e in container.get("env") or () if "secretKeyRef" in (e.get("valueFrom") or {})}
    variables = {
        name: value if name in secrets else machine.with_service_addresses(rewriter.rewrite(value))
        for name, value in declared(pod, container, sources_of(machine, pod), provided).items()
    }
    if variables.get(_LISTEN_ADDRESS) in _ALL_ADDRESSES:
        # All pods share the network of the machine.
        del variables[_LISTEN_ADDRESS]
    return {**provided, **variables}


def _node_variables(machine: Machine, pod: Object, container: Object, rootfs: Path) -> dict[str, str]:
    """The variables that the node sets for every process, such as the listen address and the termination log."""
    message_path = container.get("terminationMessagePath") or TERMINATION_LOG
    found = {
        **machine.inherited,
        "HOSTNAME": pod["metadata"]["name"],
        "HOME": str(rootfs),
        "TMPDIR": str(rootfs / "tmp"),
        _LISTEN_ADDRESS: pod["status"]["podIP"],
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


def _make_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def port_of(machine: Machine, pod: Object, container: Object, port: int | str) -> int:
    """The port on which the process listens in place of a containerPort, given by number or name.

    Raises:
        ValueError: the container has no port of this name.
    """
    if isinstance(port, str) and not port.isdigit():
        numbers = [p["containerPort"] for p in container.get("ports") or () if p.get("name") == port]
        if not numbers:
            raise ValueError(f"couldn't find port: {port}")
        return machine.addresses.port(pod, numbers[0])
    return machine.addresses.port(pod, int(port))
