"""Containers as a kubelet starts them: an image and a pod become an OCI bundle, which runc runs.

Not as on a node: containers share the network of the tests, and there is no CPU limit.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeschema import quantity
from tests.images.seccomp import runtime_default
from tests.images.volumes import Mount

Object = dict[str, Any]


@dataclass(frozen=True)
class User:
    """The user and the restrictions of a container."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    no_home: bool = False


# What OpenShift assigns: a user of the namespace's range, in group 0. No passwd file lists it.
ASSIGNED = User(1000660000, 0, no_home=True)


@dataclass(frozen=True)
class Image:
    """An image in buildah's storage, mounted at `root`."""

    name: str
    root: Path
    config: Object

    def user(self, pod: Object) -> User:
        """Return the user of a pod: that of its security context, else that of the image."""
        context = pod.get("securityContext", {})
        uid, _, gid = self.config["User"].partition(":")
        groups = (context["fsGroup"],) if "fsGroup" in context else ()
        return User(context.get("runAsUser", int(uid)), context.get("runAsGroup", int(gid or 0)), groups)


def spec(image: Image, pod: Object, env: list[str], mounts: list[Mount], user: User, default: Object) -> Object:
    """Return the config.json of a pod's first container; `default` is what `runc spec` writes.

    Raises:
        AssertionError: the pod asks for less confinement than the standard `restricted`.
    """
    (container, *_) = pod["containers"]
    context = pod.get("securityContext", {}) | container.get("securityContext", {})
    assert context["runAsNonRoot"]
    assert user.uid != 0
    command = container.get("command") or image.config["Entrypoint"]
    process = default["process"] | {
        "terminal": False,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups), "umask": 0o22},
        # runc sets HOME to / where it is missing, so only a program in the container can remove it.
        "args": [*(["env", "-u", "HOME"] if user.no_home else []), *command, *(container.get("args") or _args(image))],
        "env": [*image.config["Env"], *env],
        "cwd": container.get("workingDir") or image.config.get("WorkingDir") or "/",
        "noNewPrivileges": not context.get("allowPrivilegeEscalation", True),
    }
    if context.get("capabilities", {}).get("drop") == ["ALL"]:
        process["capabilities"] = {kind: [] for kind in default["process"]["capabilities"]}
    linux = default["linux"] | {
        "namespaces": [part for part in default["linux"]["namespaces"] if part["type"] != "network"],
        "resources": default["linux"]["resources"] | _memory(container),
    }
    if context.get("seccompProfile") == {"type": "RuntimeDefault"}:
        linux["seccomp"] = runtime_default()
    return default | {
        "process": process,
        "root": {"path": str(image.root), "readonly": context.get("readOnlyRootFilesystem", False)},
        "hostname": "pod",
        "mounts": [*default["mounts"], *(mount.oci() for mount in mounts)],
        "linux": linux,
    }


def _args(image: Image) -> list[str]:
    return image.config.get("Cmd") or []


def _memory(container: Object) -> Object:
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    return {"memory": {"limit": int(quantity.parse(limit))}} if limit else {}


@dataclass
class Container:
    """A running container."""

    name: str
    state: Path
    process: subprocess.Popen[bytes]
    log: Path
    began: float

    def output(self) -> str:
        """Return its output so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        """Tell whether it still runs."""
        return self.process.poll() is None

    def signal(self, name: str) -> None:
        """Send a signal to its first process, which is PID 1 there."""
        subprocess.run(["runc", "--root", self.state, "kill", self.name, name], check=True, capture_output=True)

    def wait(self, seconds: float) -> int:
        """Return its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        return self.process.wait(seconds)


@contextmanager
def run(folder: Path, config: Object) -> Iterator[Container]:
    """Run a bundle in a new folder; kill what is left of it in the end."""
    bundle, state, log = folder / "bundle", folder / "runc", folder / "log"
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
    name = f"{folder.parent.name}-{folder.name}"
    with log.open("wb") as sink:
        began = time.monotonic()
        command: list[str | Path] = ["runc", "--root", state, "run", "--bundle", bundle, name]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
    try:
        yield Container(name, state, process, log, began)
    finally:
        subprocess.run(["runc", "--root", state, "delete", "--force", name], check=False, capture_output=True)
        process.wait(30)
