"""Real kubectl against the local cluster's API."""

import asyncio
import json
from typing import Any

import pytest

from tests.patience import DEADLINE

pytestmark = pytest.mark.local_only

LABELS = {"app": "web"}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": LABELS},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}},
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": LABELS, "ports": [{"port": 80}]},
}
SPEC = {
    "type": "object",
    "description": "What the widget shall be.",
    "properties": {
        "size": {"type": "integer", "description": "How big it is.", "minimum": 1},
        "replicas": {"type": "integer"},
    },
}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A thing for tests.",
                        "properties": {
                            "spec": SPEC,
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}
WIDGET: dict[str, Any] = {
    "apiVersion": "example.org/v1",
    "kind": "Widget",
    "metadata": {"name": "w"},
    "spec": {"size": 3, "replicas": 1},
}


def image(tag: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(DEPLOYMENT))
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = f"nginx:{tag}"
    return changed


async def test_apply_creates_changes_and_then_changes_nothing(api: Any) -> None:
    assert "deployment.apps/web created" in await api.apply(DEPLOYMENT, SERVICE)
    assert "deployment.apps/web unchanged" in await api.apply(DEPLOYMENT, SERVICE)
    assert "deployment.apps/web configured" in await api.apply(image("2"), SERVICE)
    assert api.registry.get("deployments.apps", "default", "web")["metadata"]["generation"] == 2


async def test_a_list_of_objects_is_applied_and_deleted(api: Any) -> None:
    objects = {"apiVersion": "v1", "kind": "List", "items": [DEPLOYMENT, SERVICE]}
    assert await api.apply(objects) == "deployment.apps/web created\nservice/web created\n"
    assert await api.apply(objects) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    assert "deleted" in await api.kubectl("delete", "-f", "-", stdin=json.dumps(objects))


async def test_apply_reports_a_misspelt_field(api: Any) -> None:
    wrong = {**SERVICE, "spec": {**SERVICE["spec"], "selektor": {}}}
    assert "selektor" in await api.kubectl("apply", "-f", "-", stdin=json.dumps(wrong), code=1)


async def test_server_side_apply_conflicts_and_forces(api: Any) -> None:
    server = ("--server-side", "--field-manager=one")
    assert "serverside-applied" in await api.apply(DEPLOYMENT, options=server)
    other = [json.dumps(image("2"))]
    assert "conflict" in await api.kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=other[0], code=1
    )
    await api.apply(image("2"), options=("--server-side", "--field-manager=two", "--force-conflicts"))
    managers = {
        m["manager"] for m in api.registry.get("deployments.apps", "default", "web")["metadata"]["managedFields"]
    }
    assert managers == {"one", "two"}


async def test_diff_shows_what_would_change(api: Any) -> None:
    await api.apply(DEPLOYMENT)
    out = await api.kubectl("diff", "-f", "-", stdin=json.dumps(image("2")), code=1)
    assert "-      - image: nginx:1" in out
    assert "+      - image: nginx:2" in out


async def test_get_prints_tables_yaml_and_columns(api: Any) -> None:
    await api.apply(DEPLOYMENT, SERVICE)
    assert (await api.kubectl("get", "deploy")).split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert "nginx:1" in await api.kubectl("get", "deploy", "-o", "wide")
    assert "image: nginx:1" in await api.kubectl("get", "deploy", "web", "-o", "yaml")
    columns = "custom-columns=N:.metadata.name,R:.spec.replicas"
    assert (await api.kubectl("get", "deploy", "-o", columns)).split() == ["N", "R", "web", "2"]
    everything = await api.kubectl("get", "all")
    assert "service/web" in everything
    assert "deployment.apps/web" in everything
    assert "No resources found" in await api.kubectl("get", "pods", "-l", "app=none")


async def test_describe_shows_the_object_and_its_events(api: Any) -> None:
    await api.apply(DEPLOYMENT)
    uid = api.registry.get("deployments.apps", "default", "web")["metadata"]["uid"]
    involved = {"kind": "Deployment", "name": "web", "namespace": "default", "uid": uid, "apiVersion": "apps/v1"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": involved,
        "reason": "Scaled",
        "message": "to two",
        "type": "Normal",
        "source": {"component": "test"},
    }
    api.registry.create("events", "default", event, manager="test")
    out = await api.kubectl("describe", "deployment", "web")
    assert "2 desired" in out
    assert "to two" in out
    assert "to two" in await api.kubectl("events")


async def test_explain_knows_built_in_and_custom_kinds(api: Any) -> None:
    assert "Number of desired pods" in await api.kubectl("explain", "deployment.spec.replicas")
    await api.apply(CRD)
    assert "A thing for tests." in await api.kubectl("explain", "widget")
    assert "How big it is." in await api.kubectl("explain", "widget.spec.size")


async def test_api_resources_lists_short_names_and_custom_kinds(api: Any) -> None:
    await api.apply(CRD)
    out = await api.kubectl("api-resources", "--no-headers")
    lines = {line.split()[0]: line.split() for line in out.splitlines()}
    assert lines["deployments"][1:] == ["deploy", "apps/v1", "true", "Deployment"]
    assert lines["widgets"][1:] == ["wd", "example.org/v1", "true", "Widget"]
    assert "autoscaling/v2" in await api.kubectl("api-versions")


async def test_kubectl_handles_custom_resources_like_built_in_ones(api: Any) -> None:
    await api.apply(CRD)
    await api.kubectl("wait", "--for=condition=Established", "crd/widgets.example.org", "--timeout=120s")
    await api.apply(WIDGET)
    assert (await api.kubectl("get", "wd", "--no-headers")).split() == ["w", "3"]
    await api.kubectl("scale", "widget/w", "--replicas=5")
    assert api.registry.get("widgets.example.org", "default", "w")["spec"]["replicas"] == 5
    bad = json.dumps({**WIDGET, "spec": {"size": 0}})
    assert "should be greater than or equal to 1" in await api.kubectl("apply", "-f", "-", stdin=bad, code=1)
    assert "widget.example.org/w" in await api.kubectl("get", "all", "-o", "name")
    await api.kubectl("delete", "crd", "widgets.example.org", "--timeout=120s")
    assert "could not find the requested resource" in await api.kubectl("get", "widgets", code=1)


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x:2"}]}}}}'),
        ("merge", '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x:2"}]}}}}'),
        ("json", '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"x:2"}]'),
    ],
)
async def test_patch_of_every_type(api: Any, kind: str, patch: str) -> None:
    await api.apply(DEPLOYMENT)
    await api.kubectl("patch", "deploy", "web", f"--type={kind}", "-p", patch)
    spec = api.registry.get("deployments.apps", "default", "web")["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == "x:2"


async def test_label_annotate_and_set_change_the_object(api: Any) -> None:
    await api.apply(DEPLOYMENT)
    await api.kubectl("label", "deploy", "web", "tier=front", "app-")
    await api.kubectl("annotate", "deploy", "web", "note=x")
    await api.kubectl("set", "image", "deploy/web", "c=nginx:9")
    await api.kubectl("scale", "deploy/web", "--replicas=7")
    found = api.registry.get("deployments.apps", "default", "web")
    assert found["metadata"]["labels"] == {"tier": "front"}
    assert found["metadata"]["annotations"]["note"] == "x"
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:9"
    assert found["spec"]["replicas"] == 7


@pytest.mark.parametrize(
    ("arguments", "resource"),
    [
        (("configmap", "x", "--from-literal=k=v"), "configmaps"),
        (("secret", "generic", "x", "--from-literal=k=v"), "secrets"),
        (("deployment", "x", "--image=i", "--replicas=2", "--port=80"), "deployments.apps"),
        (("serviceaccount", "x"), "serviceaccounts"),
        (("service", "clusterip", "x", "--tcp=80:8080"), "services"),
        (("job", "x", "--image=i"), "jobs.batch"),
        (("role", "x", "--verb=get", "--resource=pods"), "roles.rbac.authorization.k8s.io"),
        (("ingress", "x", "--rule=a.example.org/*=svc:80"), "ingresses.networking.k8s.io"),
        (("poddisruptionbudget", "x", "--selector=a=b", "--min-available=1"), "poddisruptionbudgets.policy"),
    ],
)
async def test_create_sends_protobuf_that_the_server_reads(api: Any, arguments: tuple[str, ...], resource: str) -> None:
    await api.kubectl("create", *arguments)
    assert api.registry.get(resource, "default", "x")


async def test_a_deleted_namespace_is_emptied_first(api: Any) -> None:
    await api.kubectl("create", "namespace", "team")
    await api.kubectl("create", "configmap", "c", "-n", "team", "--from-literal=k=v")
    await api.kubectl("delete", "namespace", "team", "--timeout=120s")
    assert "NotFound" in await api.kubectl("get", "namespace", "team", code=1)


async def test_delete_and_wait_wait_for_finalizers(api: Any) -> None:
    await api.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "finalizers": ["example.org/f"]}}
    )
    deleting = asyncio.create_task(api.kubectl("delete", "configmap", "c", "--timeout=120s"))
    waiting = asyncio.create_task(api.kubectl("wait", "--for=delete", "configmap/c", "--timeout=120s"))
    async with asyncio.timeout(DEADLINE):
        while "deletionTimestamp" not in api.registry.get("configmaps", "default", "c")["metadata"]:  # noqa: ASYNC110 - kubectl does it
            await asyncio.sleep(0.02)
    await api.kubectl("patch", "configmap", "c", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    await deleting
    await waiting
    assert api.registry.find("configmaps", "default", "c") is None


async def test_get_watch_shows_changes(api: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        *api.command, "get", "configmaps", "-w", "--output-watch-events", "--no-headers", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE):
            await api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}, "data": {"k": "v"}})
            assert (await process.stdout.readline()).split()[:3] == [b"ADDED", b"seen", b"1"]
            await api.kubectl("delete", "configmap", "seen")
            assert (await process.stdout.readline()).split()[:2] == [b"DELETED", b"seen"]
    finally:
        process.terminate()
        await process.communicate()


async def test_auth_can_i_and_whoami_are_answered(api: Any) -> None:
    assert (await api.kubectl("auth", "can-i", "create", "pods")).strip() == "yes"
    assert "kubernetes-admin" in await api.kubectl("auth", "whoami")
    assert "Unauthorized" in await api.kubectl("--token=wrong", "get", "pods", code=1)
    assert "Forbidden" in await api.kubectl("--as=nobody", "get", "pods", code=1)


async def test_unsupported_requests_are_answered_with_501(api: Any) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await api.apply(pod)
    assert "does not implement pods/exec" in await api.kubectl("exec", "p", "--", "true", code=1)
    assert "does not implement pod logs without a node" in await api.kubectl("logs", "p", code=1)
