"""spec.podTemplate: what the other fields of the spec cannot express of a pod template."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from agent_operator.api import constants
from agent_operator.inputs.container_defaults import DEFAULT_PROBES
from agent_runtime.config import CONFIG_FILE, PROMPT_FILE
from agentctl.conversion.differences import Difference, Path
from agentctl.conversion.exposure import port_numbers
from agentctl.conversion.pods import is_own, own_affinity
from agentctl.conversion.workload import Workload
from agentctl.objects import Object, nested_field

_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
# Lists whose items mean nothing without the field that was rejected.
_WHOLE_ITEMS = ("volumes", "env")
_OWN_VOLUMES = ("config", "tmp", "api-keys")


def expected_template(workload: Workload, api_key_secret: str | None) -> Object:
    """Return the pod template with the names that the operator uses for the container and its volumes.

    Items of lists keep their positions.
    """
    names = _volume_names(workload, api_key_secret)
    pod = workload.pod
    containers = [
        _agent(workload, names) if number == workload.index else _container(item, names)
        for number, item in enumerate(pod.get("containers") or ())
    ]
    expected = pod | {"containers": containers}
    if pod.get("initContainers"):
        expected["initContainers"] = [_container(item, names) for item in pod["initContainers"]]
    if pod.get("volumes"):
        expected["volumes"] = [volume | {"name": names[volume["name"]]} for volume in pod["volumes"]]
    if pod.get("topologySpreadConstraints"):
        own = {"matchLabels": {constants.LABEL_APP: workload.name}}
        expected["topologySpreadConstraints"] = [
            item | ({"labelSelector": own} if is_own(workload, item.get("labelSelector") or {}) else {})
            for item in pod["topologySpreadConstraints"]
        ]
    if pod.get("affinity"):
        expected["affinity"] = own_affinity(workload, pod["affinity"])
    return workload.template | {"spec": expected}


def _container(container: Object, names: Mapping[str, str]) -> Object:
    mounts = [
        mount | {"name": names.get(mount["name"], mount["name"]), "mountPath": mount["mountPath"].rstrip("/") or "/"}
        for mount in container.get("volumeMounts") or ()
    ]
    return container | ({"volumeMounts": mounts} if mounts else {})


def _agent(workload: Workload, names: Mapping[str, str]) -> Object:
    """Return the container of the agent. Its probes may refer to the port by name or number."""
    ports = port_numbers(workload, "http")
    probes = {
        field: probe | {"httpGet": probe["httpGet"] | {"port": "http"}}
        for kind in DEFAULT_PROBES
        if (probe := workload.container.get(field := f"{kind}Probe"))
        and nested_field(probe, "httpGet", "port") in ports
    }
    return _container(workload.container, names) | probes | {"name": constants.CONTAINER}


def _volume_names(workload: Workload, api_key_secret: str | None) -> dict[str, str]:
    """Return the new name of each volume. Other volumes must not have a name that the operator uses."""
    names: dict[str, str] = {}
    temporary = {
        mount["name"]
        for mount in workload.container.get("volumeMounts") or ()
        if mount["mountPath"].rstrip("/") == "/tmp"  # noqa: S108
    }
    for volume in workload.pod.get("volumes") or ():
        name = volume["name"]
        if name in workload.config_volumes[:1]:
            names[name] = "config"
        elif name in temporary and "emptyDir" in volume and "tmp" not in names.values():
            names[name] = "tmp"
        elif api_key_secret and (volume.get("secret") or {}).get("secretName") == api_key_secret:
            names[name] = "api-keys"
        else:
            names[name] = f"{name}-files" if name in _OWN_VOLUMES else name
    return names


def config_mounts(workload: Workload) -> tuple[str, ...]:
    """Return the mount paths of the config that the operator's own mount replaces."""
    return tuple(
        mount["mountPath"].rstrip("/")
        for mount in workload.container.get("volumeMounts") or ()
        if mount["name"] in workload.config_volumes
        and f"{mount['mountPath'].rstrip('/')}/".startswith(f"{constants.CONFIG_DIRECTORY}/")
        and mount.get("subPath", CONFIG_FILE) in (CONFIG_FILE, PROMPT_FILE, PurePosixPath(mount["mountPath"]).name)
    )


def patch(differences: Iterable[Difference]) -> Object:
    """Return the strategic merge patch that makes these differences disappear."""
    result: Object = {}
    for difference in differences:
        _set(result, difference.path, difference.before)
    return result


def _set(node: Any, path: Path, value: Any) -> None:
    for number, step in enumerate(path[:-1]):
        is_list = path[number + 1].index >= 0
        node = (
            _item(node, step.key, step.value) if step.index >= 0 else node.setdefault(step.name, [] if is_list else {})
        )
    last = path[-1]
    if last.index < 0:
        node[last.name] = value
    else:
        item = _item(node, last.key, last.value)
        item.update(value)


def _item(items: list[Object], key: str, value: Any) -> Object:
    """Return the item of a list with this identity; add it if there is none."""
    for item in items:
        if item.get(key) == value:
            return item
    items.append({key: value})
    return items[-1]


def remove(spec: Object, field: str) -> str:
    """Remove what a path of a validation error names, such as spec.podTemplate.spec.volumes[data].hostPath.

    A volume or variable is removed as a whole, with its mounts. Return the path of what was removed; empty if there is
    no such field.
    """
    steps = _STEP.findall(field)[1:]
    node: Any = spec
    trail: list[tuple[Any, Any]] = []
    for step in steps:
        index = _find(node, step)
        if index is None:
            break
        trail.append((node, index))
        node = node[index]
        if step.startswith("[") and steps[len(trail) - 2] in _WHOLE_ITEMS:
            break
    if not trail:
        return ""
    parent, index = trail[-1]
    removed = parent[index]
    del parent[index]
    if steps[len(trail) - 2] == "volumes":
        _remove_mounts(spec.get("podTemplate"), removed.get("name"))
    _prune(spec, [key for _, key in trail])
    return "spec" + "".join(step if step.startswith("[") else f".{step}" for step in steps[: len(trail)])


def _find(node: Any, step: str) -> Any:
    if not step.startswith("["):
        return step if isinstance(node, dict) and step in node else None
    name = step.strip("[]")
    if isinstance(node, dict):
        return name if name in node else None
    if not isinstance(node, list):
        return None
    for number, item in enumerate(node):
        if isinstance(item, dict) and name in (
            str(item.get(key)) for key in ("name", "mountPath", "containerPort", "ip")
        ):
            return number
    return int(name) if name.isdecimal() and int(name) < len(node) else None


def _remove_mounts(node: Any, volume: Any) -> None:
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _remove_mounts(item, volume)
    mounts = node.get("volumeMounts") if isinstance(node, dict) else None
    if isinstance(mounts, list):
        node["volumeMounts"] = [mount for mount in mounts if mount.get("name") != volume]


def _prune(node: Any, keys: list[Any]) -> None:
    """Remove maps and lists that became empty on the way to a removed field."""
    key = keys[0] if keys else None
    children = node if isinstance(node, dict) else dict(enumerate(node)) if isinstance(node, list) else {}
    if key not in children:
        return
    child = children[key]
    _prune(child, keys[1:])
    only_key = isinstance(node, list) and isinstance(child, dict) and set(child) <= {"name", "mountPath"}
    if child in ({}, []) or (only_key and len(keys) > 1):
        del node[key]
