"""Whether the fields of an object have managers, so that an apply removes those that the agent does not have."""

from typing import Any

import pytest

from agent_operator.render.field_ownership import is_tracked

Object = dict[str, Any]
AGENT = {"name": "agent", "image": "a", "env": [{"name": "A", "value": "b"}], "ports": [{"containerPort": 8000}]}
MANIFEST = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {"template": {"spec": {"containers": [AGENT], "volumes": [{"name": "config"}]}}},
}
SIDE = {"name": "side", "image": "b", "command": ["sleep"]}
OWN = 'k:{"name":"agent"}'


def live(pod: Object, owned: Object | None, **entry: str) -> Object:
    fields = {"f:spec": {"f:template": {"f:spec": owned}}}
    known = {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": fields, **entry}
    metadata = {"name": "x"} | ({} if owned is None else {"managedFields": [known]})
    return {"metadata": metadata, "spec": {"replicas": 3, "template": {"spec": pod}}}


def containers(**owned: Object) -> Object:
    return {"f:containers": {f'k:{{"name":"{name}"}}': fields for name, fields in owned.items()}}


BOTH = {"containers": [AGENT, SIDE]}
TRACKED = [
    live({"containers": [AGENT]}, None),
    # Defaults of the API server have no manager after server-side apply.
    live({"containers": [AGENT | {"imagePullPolicy": "Always"}], "dnsPolicy": "ClusterFirst"}, containers(agent={})),
    live({"containers": [AGENT], "enableServiceLinks": True, "securityContext": {}}, containers(agent={})),
    live({"containers": [AGENT | {"ports": [{"containerPort": 8000, "protocol": "TCP"}]}]}, containers(agent={})),
    live(BOTH, containers(side={".": {}, "f:name": {}, "f:image": {}, "f:command": {}})),
    live(BOTH, {"f:containers": {}}),
]
NOT_TRACKED = [
    live(BOTH, None),
    live(BOTH, containers(agent={})),
    live(BOTH, containers(side={"f:name": {}, "f:command": {}}), apiVersion="apps/v1beta1"),
    live(BOTH, containers(side={"f:name": {}, "f:command": {}}), subresource="status"),
    live(BOTH, containers(side={"f:name": {}, "f:image": {}})),
    live(BOTH, {"f:containers": {"k:side": {"f:name": {}}, 'k:["side"]': {}}}),
    live({"containers": [AGENT], "initContainers": [SIDE]}, containers(agent={"f:name": {}})),
    live({"containers": [AGENT], "volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, None),
    live({"containers": [AGENT], "hostNetwork": True}, None),
    live({"containers": [AGENT | {"args": ["x"]}]}, None),
    live({"containers": [AGENT | {"env": [*AGENT["env"], {"name": "MORE", "value": "c"}]}]}, None),
    live({"containers": [AGENT | {"securityContext": {"privileged": True}}]}, None),
    live({"containers": [AGENT | {"lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}]}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("obj", "expected"), [*((it, True) for it in TRACKED), *((it, False) for it in NOT_TRACKED)], ids=str
)
def test_what_runs_has_a_manager_or_is_in_the_manifest(obj: Object, expected: bool) -> None:
    assert is_tracked(MANIFEST, obj) is expected


def test_only_the_chosen_fields_count() -> None:
    service = {"metadata": {"name": "x"}, "spec": {"externalIPs": ["192.0.2.1"], "loadBalancerSourceRanges": ["a"]}}
    manifest = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": []}}

    assert not is_tracked(manifest, service, ("ports", "externalIPs"))
    assert is_tracked(manifest, service, ("ports",))


def test_each_key_of_data_counts() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    entry = {"manager": "m", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:b": {}}}}

    assert not is_tracked(manifest, {"metadata": {}, "data": {"a": "1", "b": "2"}})
    assert is_tracked(manifest, {"metadata": {"managedFields": [entry]}, "data": {"a": "1", "b": "2"}})
