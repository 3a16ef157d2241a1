"""The kustomization that installs the operator with the options of `agentctl install generate`. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_operator import __version__
from agent_operator.settings import Settings, SettingsError, read
from agentctl.errors import UsageError
from agentctl.formats import Component

IMAGE = "agent-operator/agent-operator"
RUNTIME = "agent-operator/agent-runtime"
_PREFIX = "AGENT_OPERATOR_"
_API = "kustomize.config.k8s.io/v1beta1"
_CONTAINER = "/spec/template/spec/containers/0"


@dataclass(frozen=True, slots=True)
class Options:
    """What to install.

    Attributes:
        registry: where the images are, such as registry.example.com/team; empty for their plain names.
        tag: of the image of the operator; empty for the version of agentctl.
        replicas: of the operator; None for the default.
        namespaces: to watch; empty for all.
        pull_secrets: of the images.
        components: to add.
        settings: options of the operator as NAME=VALUE.
    """

    registry: str = ""
    tag: str = ""
    replicas: int | None = None
    namespaces: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    settings: tuple[str, ...] = ()

    def check(self) -> None:
        """Check that the operator accepts the settings and that the components fit.

        Raises:
            UsageError: an option has an invalid value; the message names it.
        """
        confined = Component.CONFINED_OPERATOR in self.components
        if confined and Component.WITHOUT_ADMISSION in self.components:
            raise UsageError(
                "--component: confined-operator needs the admission API, which without-admission does without: "
                "remove one of the two"
            )
        try:
            read(["run"], self.environment())
        except SettingsError as error:
            raise UsageError(f"--set, --watch, --pull-secret or --registry: {error}") from error

    def environment(self) -> dict[str, str]:
        """Return the environment of the operator. Raises UsageError."""
        found = {"RUNTIME_IMAGE": f"{self.registry.rstrip('/')}/{RUNTIME}"} if self.registry else {}
        if self.pull_secrets:
            found["RUNTIME_IMAGE_PULL_SECRETS"] = ",".join(self.pull_secrets)
        if self.namespaces:
            found |= {"NAMESPACES": ",".join(self.namespaces), "MANAGE_NAMESPACES": "false"}
        for setting in self.settings:
            name, separator, value = setting.partition("=")
            key = name.strip().removeprefix("--").removeprefix(_PREFIX).replace("-", "_").upper()
            if not separator or key.lower() not in Settings.model_fields:
                known = ", ".join(sorted(it.replace("_", "-") for it in Settings.model_fields))
                raise UsageError(f"--set {setting}: use OPTION=VALUE with one of the options {known}")
            found[key] = value
        return {f"{_PREFIX}{key}": value for key, value in found.items()}


def files(options: Options, source: str) -> Mapping[str, Any]:
    """Return the kustomizations by folder.

    Args:
        options: what to install.
        source: the relative path from the main kustomization to the folder of the overlays.
    """
    main: dict[str, Any] = {"apiVersion": _API, "kind": "Kustomization"}
    if options.namespaces:
        main["resources"] = [f"{source}/admission", f"{source}/base", *options.namespaces]
    else:
        main["resources"] = [f"{source}/overlays/cluster"]
    main["components"] = [f"{source}/components/{component}" for component in options.components]
    image = {"name": IMAGE, "newTag": options.tag or __version__}
    main["images"] = [image | ({"newName": f"{options.registry.rstrip('/')}/{IMAGE}"} if options.registry else {})]
    main["patches"] = _patches(options)
    # The path of the sources is relative to the main folder, of which this one is a subfolder.
    watched = {"apiVersion": _API, "kind": "Kustomization", "resources": [f"../{source}/watched"]}
    return {".": main} | {name: watched | {"namespace": name} for name in options.namespaces}


def _patches(options: Options) -> list[Mapping[str, Any]]:
    variables = [{"name": name, "value": value} for name, value in options.environment().items()]
    operations: list[Mapping[str, Any]] = [
        {"op": "add", "path": f"{_CONTAINER}/env/-", "value": variable} for variable in variables
    ]
    if options.replicas is not None:
        operations.append({"op": "replace", "path": "/spec/replicas", "value": options.replicas})
    found = [_patch("Deployment", operations)] if operations else []
    secrets: Sequence[Mapping[str, str]] = [{"name": name} for name in options.pull_secrets]
    if secrets:
        found.append(_patch("ServiceAccount", [{"op": "add", "path": "/imagePullSecrets", "value": secrets}]))
    return found


def _patch(kind: str, operations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"target": {"kind": kind, "name": "agent-operator"}, "patch": json.dumps(operations)}
