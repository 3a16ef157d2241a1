"""The options of the operator, from the command line and the environment."""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent_operator import __version__
from agent_operator.api import constants, image_reference
from agent_operator.api.base import SUBDOMAIN_PATTERN

_PREFIX = "AGENT_OPERATOR_"
_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_RESOLVER = re.compile(
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(/[-A-Za-z0-9_./]+=[-A-Za-z0-9_.]*)?|[0-9.]+/[0-9]+|[0-9a-f:]+/[0-9]+)$"
)


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


SecretNames = Annotated[tuple[Annotated[str, Field(pattern=SUBDOMAIN_PATTERN)], ...], BeforeValidator(_split)]
Namespaces = Annotated[tuple[Annotated[str, Field(pattern=_LABEL)], ...], BeforeValidator(_split)]


DnsResolvers = Annotated[tuple[Annotated[str, Field(pattern=_RESOLVER)], ...], BeforeValidator(_split)]


class SettingsError(Exception):
    """An option or variable has an invalid value. The message names it."""


class Settings(BaseModel):
    """All options. Each is `--option` and AGENT_OPERATOR_OPTION. The command line takes precedence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespaces: Namespaces = Field((), description="Namespaces to watch, separated by commas. Default: all.")
    workers: int = Field(8, ge=1, le=64, description="Number of agents that are reconciled concurrently.")
    resync: float = Field(
        600,
        ge=1,
        description="Seconds between reconciles of an agent without events. They send no request if nothing changed.",
    )
    refs_refresh: float = Field(
        45, ge=1, description="Seconds after which referenced Secrets and ConfigMaps are read again."
    )
    health_refresh: float = Field(
        30,
        ge=1,
        description="Seconds after which the operator reads the health of the components of an agent again from its "
        "pods. With more than 1,500 agents, it reads 50 per second.",
    )
    allow_adoption: bool = Field(
        True,
        description="Let the annotation agent-operator.dev/adopt make agents the owners of existing objects. Turn off "
        "where the API server does not enforce the admission policies: every author could then take over such objects.",
    )
    manage_namespaces: bool = Field(True, description="Create and delete the namespaces that spec.namespace names.")
    allow_unsafe_pod_templates: bool = Field(
        False, description="Let spec.podTemplate override the hardening of pods, for example with hostPath."
    )
    set_pod_user: bool = Field(
        True,
        description="Run agents' pods as user and group 1000. Turn off where the cluster assigns both (OpenShift).",
    )
    runtime_image: str = Field(
        "agent-operator/agent-runtime",
        pattern=image_reference.PATTERN,
        max_length=512,
        description="Runtime image: a repository, or one with a tag, a digest, or both. The default tag is the version "
        "that ships with this operator. Agents and channels that set a version take only the repository.",
    )
    runtime_image_pull_secrets: SecretNames = Field(
        (),
        description="Names of Secrets that pull the runtime image, separated by commas. They must exist in the "
        "namespaces of the agents. Agents with an image of their own do not use them.",
    )
    runbook_url: str = Field(
        constants.RUNBOOKS,
        pattern=r"^https?://[^\s{}]+$",
        max_length=512,
        description="URL of the folder with the runbooks, to which the alerts of spec.monitoring.prometheusRule lead.",
    )
    listen: str = Field(
        ":8080",
        pattern=r"^.*:\d{1,5}$",
        description="host:port of /healthz, /readyz and /metrics. 0 selects a free port.",
    )
    leader_election: bool = Field(
        True, description="Work only while holding the Lease. Required with several replicas."
    )
    lease_namespace: str = Field(
        "", description="Namespace of the Lease. Default: the operator's namespace, or `default` outside of a cluster."
    )
    operator_namespace: str = Field(
        "",
        description="Namespace of the operator's pods. The NetworkPolicies of agents admit them to read "
        "health and metrics. Default: the operator's own namespace, or `agent-operator-system` outside of a cluster.",
    )
    dns_resolvers: DnsResolvers = Field(
        constants.DNS_RESOLVERS,
        description="The resolvers of the cluster, separated by commas: NAMESPACE, NAMESPACE/LABEL=VALUE of pods, or a "
        "range of addresses. The NetworkPolicies of agents open DNS only to them.",
    )
    fqdn_policies: bool = Field(
        False,
        description="Allow agents only the hosts outside of the cluster that they name, by a CiliumNetworkPolicy, "
        "instead of all public addresses. Only where Cilium enforces policies and its DNS proxy is on.",
    )
    lease_name: str = Field("agent-operator", min_length=1, description="Name of the Lease.")
    identity: str = Field(
        "", description="Name of this replica in the Lease and Events. Default: host name and process ID."
    )
    read_only: bool = Field(
        False, description="Log pending changes and count them in /metrics, but write nothing. Needs no Lease."
    )
    kubeconfig: str = Field(
        "", description="Path of a kubeconfig. Default: in-cluster, then KUBECONFIG, ~/.kube/config."
    )
    context: str = Field("", description="Context of the kubeconfig. Default: its current context.")
    log_format: Literal["json", "text"] = Field("json", description="json or text.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING, ERROR.")

    @property
    def elects(self) -> bool:
        """Whether to work only while holding the Lease. A read-only operator must not take it from a writer."""
        return self.leader_election and not self.read_only


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the options.

    Raises:
        SettingsError: a value is invalid.
        SystemExit: after --help and --version, and for an unknown option.
    """
    arguments_by_name = vars(_parser().parse_args(arguments))
    arguments_by_name.pop("command")
    values = {
        name: environment[_PREFIX + name.upper()]
        for name in Settings.model_fields
        if environment.get(_PREFIX + name.upper())
    }
    values |= {name: value for name, value in arguments_by_name.items() if value is not None}
    # Several processes may run on one host. Two processes with the same identity would both act as leader.
    values.setdefault("identity", f"{socket.gethostname()}_{os.getpid()}")
    own_namespace = _own_namespace()
    values.setdefault("lease_namespace", own_namespace or "default")
    values.setdefault("operator_namespace", own_namespace)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise SettingsError("\n".join(f"{_option(str(it['loc'][0]))}: {it['msg']}" for it in found)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent-operator", description="Reconciles AgentDeployments.")
    parser.add_argument("--version", action="version", version=f"agent-operator {__version__}")
    run = parser.add_subparsers(dest="command", required=True, metavar="run").add_parser(
        "run", help="watch AgentDeployments and reconcile their children"
    )
    for name, field in Settings.model_fields.items():
        text = f"{field.description} Default: {field.default!r}. [{_PREFIX}{name.upper()}]".replace("%", "%%")
        action: Any = argparse.BooleanOptionalAction if isinstance(field.default, bool) else "store"
        run.add_argument(_option(name), dest=name, action=action, default=None, help=text)
    return parser


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _own_namespace() -> str:
    """Return the namespace of this pod; empty outside of a cluster."""
    try:
        with open(_NAMESPACE_FILE, encoding="ascii") as file:  # noqa: PTH123  (no Path needed)
            return file.read().strip()
    except OSError:
        return ""
