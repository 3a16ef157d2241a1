"""Strategies for spec.podTemplate with everything that the hardening allows."""

from typing import Any

from hypothesis import strategies as st

from tests.pod_security import APPARMOR
from tests.valid.values import Values, optional


def subsets(*items: Any) -> Values:
    """Return lists of some of the items, in their order."""
    return st.lists(st.sampled_from(range(len(items))), unique=True).map(lambda at: [items[n] for n in sorted(at)])


_PROFILES = st.sampled_from([{"type": "RuntimeDefault"}, {"type": "Localhost", "localhostProfile": "p.json"}])
_SELINUX = st.sampled_from([{"type": "container_t"}, {"level": "s0:c1,c2"}, {"type": "container_init_t"}])
_BOTH: dict[str, Values] = {
    "runAsUser": st.integers(1, 2**31 - 1),
    "runAsGroup": st.integers(0, 9),
    "runAsNonRoot": st.just(True),
    "seccompProfile": _PROFILES,
    "appArmorProfile": st.just({"type": "RuntimeDefault"}),
    "seLinuxOptions": _SELINUX,
}
_CAPABILITIES = st.sampled_from(
    [{"add": ["NET_BIND_SERVICE"]}, {"drop": ["ALL"]}, {"drop": ["ALL", "KILL"], "add": ["NET_BIND_SERVICE"]}]
)
_CONTEXT = optional(
    **_BOTH,
    readOnlyRootFilesystem=st.booleans(),
    allowPrivilegeEscalation=st.just(False),
    privileged=st.just(False),
    procMount=st.just("Default"),
    capabilities=_CAPABILITIES,
)
_POD_CONTEXT = optional(
    **_BOTH,
    fsGroup=st.integers(1, 9),
    supplementalGroups=subsets(1, 2),
    fsGroupChangePolicy=st.sampled_from(["Always", "OnRootMismatch"]),
)
_ENV = subsets(
    {"name": "COLOUR", "value": "a"},
    {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
    {"name": "AT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
)
_ENV_FROM = subsets({"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c", "optional": True}, "prefix": "C_"})
_RESOURCES = st.sampled_from([{"limits": {"cpu": 0.1, "memory": "1024Mi"}, "requests": {"cpu": "0.05"}}, {}])
_HOOKS = st.sampled_from([{"preStop": {"sleep": {"seconds": 1}}}, {"postStart": {"exec": {"command": ["true"]}}}])
_MOUNTS = subsets({"name": "scratch", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/var/tmp"})
_PORTS = subsets({"containerPort": 81}, {"containerPort": 82, "name": "x", "protocol": "UDP", "hostPort": 0})
_PROBE = st.sampled_from(
    [{"httpGet": {"path": "/", "port": 81}}, {"exec": {"command": ["true"]}}, {"tcpSocket": {"port": 81}}]
)
_ALL: dict[str, Values] = {
    "env": _ENV,
    "envFrom": _ENV_FROM,
    "resources": _RESOURCES,
    "securityContext": _CONTEXT,
    "ports": _PORTS,
}
_LONG_RUNNING = _ALL | {"lifecycle": _HOOKS}
_SIDECAR = _LONG_RUNNING | {"livenessProbe": _PROBE}
_VOLUMES = subsets(
    *(
        {"name": f"v-{kind.lower()}", kind: source}
        for kind, source in {
            "configMap": {"name": "c"},
            "csi": {"driver": "d.example.com", "readOnly": True},
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                }
            },
            "persistentVolumeClaim": {"claimName": "p"},
            "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]},
            "secret": {"secretName": "s", "optional": True},
        }.items()
    )
)


def _containers(*names: str, fields: dict[str, Values], **fixed: str) -> Values:
    strategy = st.dictionaries(st.sampled_from(names), optional(**fields), max_size=2)
    return strategy.map(
        lambda given: [{"name": name, "image": f"{name}:1"} | fixed | rest for name, rest in given.items()]
    )


_AGENT = optional(**_LONG_RUNNING, volumeMounts=_MOUNTS, tty=st.booleans()).map(lambda rest: {"name": "agent", **rest})
_INIT = st.builds(
    lambda sidecars, steps: sidecars + steps,
    _containers("native", fields=_SIDECAR, restartPolicy="Always"),
    _containers("first", "second", fields=_ALL),
)
_SPEC = optional(
    initContainers=_INIT,
    securityContext=_POD_CONTEXT,
    automountServiceAccountToken=st.just(False),
    hostAliases=st.just([{"ip": "10.0.0.1", "hostnames": ["h"]}]),
    hostNetwork=st.just(False),
    hostUsers=st.just(False),
    dnsConfig=st.just({"nameservers": ["10.0.0.2"]}),
    nodeSelector=st.just({"disk": "ssd"}),
    os=st.just({"name": "linux"}),
    runtimeClassName=st.just("gvisor"),
    schedulerName=st.just("other"),
    shareProcessNamespace=st.booleans(),
    terminationGracePeriodSeconds=st.integers(2, 9),
    tolerations=st.just([{"operator": "Exists"}]),
    imagePullSecrets=subsets({"name": "pull"}),
)


def _whole(spec: dict[str, Any], containers: list[Any], agent: Any, volumes: list[Any]) -> dict[str, Any]:
    strategy = spec | {"volumes": [*volumes, {"name": "scratch", "emptyDir": {"medium": "Memory"}}]}
    return strategy | {"containers": [*containers, agent]}


TEMPLATES: Values = optional(
    metadata=optional(
        labels=st.just({"team": "a"}),
        annotations=st.sampled_from([{"a": "b"}, {f"{APPARMOR}agent": "runtime/default"}]),
    ),
    spec=st.builds(_whole, _SPEC, _containers("log", "proxy", fields=_SIDECAR), _AGENT, _VOLUMES),
)
