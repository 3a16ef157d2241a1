"""The seccomp profile of RuntimeDefault, from the package containers-common of Debian and Fedora."""

import json
import platform
from pathlib import Path
from typing import Any

PROFILE = Path("/usr/share/containers/seccomp.json")
ARCHITECTURES = {"x86_64": ("SCMP_ARCH_X86_64", "amd64"), "aarch64": ("SCMP_ARCH_AARCH64", "arm64")}


def runtime_default() -> dict[str, Any]:
    """Return the profile of a container without capabilities, in the form of OCI's config.json."""
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    name, architecture = ARCHITECTURES[platform.machine()]
    (architectures,) = (entry for entry in profile["archMap"] if entry["architecture"] == name)
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [name, *architectures["subArchitectures"]],
        "syscalls": [_rule(rule) for rule in profile["syscalls"] if _applies(rule, architecture)],
    }


def _applies(rule: dict[str, Any], architecture: str) -> bool:
    """A rule that excludes capabilities applies to containers without them."""
    includes = rule.get("includes") or {}
    return not includes.get("caps") and architecture in includes.get("arches", [architecture])


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    kept = {key: rule[key] for key in ("names", "action", "errnoRet") if key in rule}
    return kept | {"args": rule.get("args") or []}
