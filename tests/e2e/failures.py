"""Thirty ways in which an agent fails to come up, with what its status must say, and the correction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
IMAGE = "agent-operator/agent-runtime:1"
KEY = [{"name": "OPENAI_API_KEY", "value": "none"}]
SHELL = ["/bin/sh", "-c"]


@dataclass(frozen=True)
class Servers:
    """Addresses on which the components of the agents are.

    Attributes:
        refused: port on which nothing listens. The correction starts a model there.
        silent: port that answers no packet.
        untrusted: port of a model with a certificate that no pod trusts.
        strict: URL of a model that refuses the key until it is corrected.
        broken: URL of a model that fails until it is corrected.
        good: URL of a model.
        later: URL of a model that fails after its agent is ready.
        redis: port on which the correction starts Redis.
    """

    refused: int
    silent: int
    untrusted: int
    strict: str
    broken: str
    good: str
    later: str
    redis: int


@dataclass(frozen=True)
class Failure:
    """One way to fail.

    Attributes:
        spec: the spec of the agent.
        reason: reason in status.lastFailure, or in the condition that `condition` names.
        words: parts of the message: what is wrong, and the remedy.
        condition: condition that reports the failure.
        fixed: fields of the corrected spec. If it is empty, only the objects or servers are corrected.
        objects: objects whose creation corrects the failure.
        existing: objects that exist before the agent.
        stays_ready: whether the agent serves in spite of the failure.
    """

    spec: Object
    reason: str
    words: tuple[str, ...]
    condition: str = "Ready"
    fixed: Object = field(default_factory=dict)
    objects: tuple[Object, ...] = ()
    existing: tuple[Object, ...] = ()
    stays_ready: bool = False


def failures(servers: Servers) -> Mapping[str, Failure]:
    """Return the failures by name of their agent."""
    groups: tuple[Callable[[Servers], Mapping[str, Failure]], ...] = (_volumes, _references, _pods, _components)
    return {name: failure for group in groups for name, failure in group(servers).items()}


def _object(kind: str, name: str, **content: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


def _template(**spec: Any) -> Object:
    return {"podTemplate": {"spec": spec}}


def _volume(**source: Any) -> Object:
    mount = [{"name": "extra", "mountPath": "/extra"}]
    return _template(volumes=[{"name": "extra", **source}], containers=[{"name": "agent", "volumeMounts": mount}])


def _volumes(_: Servers) -> Mapping[str, Failure]:
    projected = {"sources": [{"secret": {"name": "for-projected"}}]}
    return {
        "mount-configmap": Failure(
            _volume(configMap={"name": "for-volume"}),
            "FailedMount",
            ('configmap "for-volume" not found', "create the ConfigMap for-volume"),
            objects=(_object("ConfigMap", "for-volume", data={"a": "b"}),),
        ),
        "mount-secret": Failure(
            _volume(secret={"secretName": "for-volume"}),
            "FailedMount",
            ('secret "for-volume" not found', "create the Secret for-volume"),
            objects=(_object("Secret", "for-volume", stringData={"a": "b"}),),
        ),
        "mount-projected": Failure(
            _volume(projected=projected),
            "FailedMount",
            ('secret "for-projected" not found', "create the Secret for-projected"),
            objects=(_object("Secret", "for-projected", stringData={"a": "b"}),),
        ),
        "mount-key": Failure(
            _volume(configMap={"name": "with-key", "items": [{"key": "rules", "path": "rules"}]}),
            "FailedMount",
            ("non-existent config key: rules", "add the key rules to the ConfigMap"),
            objects=(_object("ConfigMap", "with-key", data={"rules": "b"}),),
            existing=(_object("ConfigMap", "with-key", data={"other": "b"}),),
        ),
    }


def _references(_: Servers) -> Mapping[str, Failure]:
    prompt = {"configMapKeyRef": {"name": "prompts", "key": "text"}}
    return {
        "secret-missing": Failure(
            {"credentials": {"secretRef": {"name": "azure", "keys": ["KEY"]}}},
            "SecretMissing",
            ("Secret", "azure"),
            "SecretsReady",
            objects=(_object("Secret", "azure", stringData={"KEY": "b"}),),
        ),
        "secret-key": Failure(
            {"credentials": {"secretRef": {"name": "with-other-key", "keys": ["KEY"]}}},
            "SecretKeyMissing",
            ("with-other-key", "KEY"),
            "SecretsReady",
            objects=(_object("Secret", "with-other-key", stringData={"KEY": "b"}),),
            existing=(_object("Secret", "with-other-key", stringData={"OTHER": "b"}),),
        ),
        "api-keys": Failure(
            {"apiKeys": {"secretKeyRef": {"name": "callers", "key": "keys"}}},
            "SecretMissing",
            ("callers",),
            "SecretsReady",
            objects=(_object("Secret", "callers", stringData={"keys": "b"}),),
        ),
        "prompt-missing": Failure(
            {"systemPrompt": prompt},
            "PromptMissing",
            ("prompts",),
            "ConfigValid",
            objects=(_object("ConfigMap", "prompts", data={"text": "Be kind."}),),
        ),
        "prompt-invalid": Failure(
            {"systemPrompt": {"text": "Help {{ team"}},
            "PromptInvalid",
            ("spec.systemPrompt.text",),
            "ConfigValid",
            fixed={"systemPrompt": {"text": "Help."}},
        ),
        "conflict": Failure(
            {},
            "Conflict",
            ("Service", "does not belong to this AgentDeployment", "delete or rename it"),
            existing=(_object("Service", "conflict", spec={"ports": [{"port": 80}]}),),
        ),
    }


def _container(name: str, script: str, **more: Any) -> Object:
    return {"name": name, "image": IMAGE, "command": [*SHELL, script], **more}


def _pods(_: Servers) -> Mapping[str, Failure]:
    probe = {"exec": {"command": [*SHELL, "exit 1"]}, "periodSeconds": 1}
    return {
        "image": Failure(
            {"runtime": {"image": "registry.example.com/none:1"}},
            "ImagePullBackOff",
            ("registry.example.com/none:1",),
            fixed={"runtime": {"version": "1"}},
        ),
        "sidecar-image": Failure(
            _template(containers=[{"name": "proxy", "image": "registry.example.com/proxy:1"}]),
            "ImagePullBackOff",
            ("container proxy", "registry.example.com/proxy:1"),
            fixed={"podTemplate": {"spec": {"terminationGracePeriodSeconds": 30}}},
        ),
        "init-crash": Failure(
            _template(initContainers=[_container("migrate", "echo the schema is locked; exit 3")]),
            "CrashLoopBackOff",
            ("container migrate", "exit code 3"),
            fixed=_template(initContainers=[_container("migrate", "exit 0")]),
        ),
        "init-command": Failure(
            _template(initContainers=[{"name": "migrate", "image": IMAGE, "command": ["/no/such/program"]}]),
            "StartError",
            ("container migrate", "/no/such/program"),
            fixed=_template(initContainers=[_container("migrate", "exit 0")]),
        ),
        "sidecar-crash": Failure(
            _template(containers=[_container("proxy", "echo no upstream; exit 4")]),
            "CrashLoopBackOff",
            ("container proxy", "exit code 4"),
            fixed=_template(containers=[_container("proxy", "sleep 3600")]),
        ),
        "sidecar-unready": Failure(
            _template(containers=[_container("proxy", "sleep 3600", readinessProbe=probe)]),
            "Unavailable",
            ("container proxy is not ready", "readiness probe"),
            "Ready",
            fixed=_template(containers=[_container("proxy", "sleep 3600")]),
        ),
        "crash": Failure(
            {"env": [{"name": "PYTHONHOME", "value": "/nowhere"}]},
            "CrashLoopBackOff",
            ("exit code 1",),
            fixed={"env": [{"name": "OTHER", "value": "x"}]},
        ),
        "selector": Failure(
            _template(nodeSelector={"disk": "none"}),
            "Unschedulable",
            ("nodes are available",),
            fixed=_template(terminationGracePeriodSeconds=30),
        ),
        "cpu": Failure(
            {"resources": {"requests": {"cpu": "9000"}, "limits": {"cpu": "9000"}}},
            "Unschedulable",
            ("Insufficient cpu",),
            fixed={"resources": {"requests": {"cpu": "20m"}}},
        ),
    }


def _model(url: str, name: str = "gpt") -> Object:
    return {"name": name, "provider": "openai", "baseUrl": f"{url}/v1"}


def _agent(url: str, **config: Any) -> Object:
    return {"config": {"models": [_model(url)], **config}, "env": KEY}


def _components(servers: Servers) -> Mapping[str, Failure]:
    echo = {"name": "echo", "provider": "echo"}
    good = {"config": _agent(servers.good)["config"]}
    mcp = {"name": "tools", "type": "http", "url": f"http://127.0.0.1:{servers.refused}/mcp"}
    cache = {"cache": {"host": "127.0.0.1", "port": servers.redis}}
    return {
        "model-refused": Failure(
            _agent(f"http://127.0.0.1:{servers.refused}"),
            "ConnectionRefused",
            ("gpt", "refuses connections: start"),
            fixed=good,
        ),
        "model-unreachable": Failure(
            _agent(f"http://127.0.0.1:{servers.silent}"),
            "Unreachable",
            ("gpt", "check its address", "NetworkPolicy"),
            fixed=good,
        ),
        "model-unknown-host": Failure(
            _agent("http://nowhere.invalid"),
            "HostUnknown",
            ("gpt", "nowhere.invalid does not resolve: correct it"),
            fixed=good,
        ),
        "model-untrusted": Failure(
            _agent(f"https://127.0.0.1:{servers.untrusted}"),
            "CertificateUntrusted",
            ("gpt", "self-signed certificate", "make the pods trust its CA"),
            fixed=good,
        ),
        "model-key": Failure(_agent(servers.strict), "CredentialsRefused", ("gpt", "check the key")),
        "model-fails": Failure(_agent(servers.broken), "ServerError", ("gpt", "fails with 500", "check that server")),
        "model-key-unset": Failure(
            {"config": {"models": [{"name": "gpt", "provider": "openai"}]}},
            "NotConfigured",
            ("gpt", "set OPENAI_API_KEY"),
            fixed=good,
        ),
        "second-model": Failure(
            {"config": {"models": [echo, _model("http://nowhere.invalid")]}, "env": KEY},
            "HostUnknown",
            ("gpt", "nowhere.invalid does not resolve"),
            "ComponentsHealthy",
            fixed={"config": {"models": [echo, _model(servers.good)]}},
            stays_ready=True,
        ),
        "redis": Failure(
            {"config": {"models": [echo], "memory": cache}},
            "ConnectionRefused",
            ("redis", "refuses connections: start"),
            "ComponentsHealthy",
            stays_ready=True,
        ),
        "tools": Failure(
            {"config": {"models": [echo], "mcp": [mcp]}},
            "ConnectionRefused",
            ("mcp: tools", "refuses connections: start"),
            "ComponentsHealthy",
            fixed={"config": {"models": [echo]}},
            stays_ready=True,
        ),
        "later": Failure(
            _agent(servers.later), "ServerError", ("gpt", "fails with 503"), "ComponentsHealthy", stays_ready=True
        ),
    }
