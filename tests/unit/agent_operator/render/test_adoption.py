"""The annotation for adoption, and the patch that makes an agent the owner of an object."""

from typing import Any

import pytest

from agent_operator.api.constants import ANNOTATION_ADOPT
from agent_operator.kube.objects import Key, Ref
from agent_operator.render.adoption import Adoption, parse, patch, problems
from agent_operator.render.plan import Owner

Object = dict[str, Any]
OWNER = Owner("new", Key("ns", "x"), "ns")
ELSEWHERE = Owner("new", Key("ns", "x"), "own")
SERVICE = Ref("Service", "ns", "x")
LABELS = {"agent-operator.dev/agent": "x", "agent-operator.dev/owner-uid": "old"}
BY_LABEL, BY_NAME = Adoption(labeled=True), Adoption(named=frozenset({("Service", "x")}))


def agent(value: str) -> Object:
    return {"metadata": {"name": "x", "annotations": {ANNOTATION_ADOPT: value}}}


def controller(kind: str, name: str, uid: str = "old", group: str = "agent-operator.dev/v1alpha1") -> Object:
    return {"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": True}


@pytest.mark.parametrize(
    ("value", "labeled", "named"),
    [
        ("", False, set()),
        ("labeled", True, set()),
        ("Service/x", False, {("Service", "x")}),
        (" labeled , Deployment/x,Service/x,", True, {("Deployment", "x"), ("Service", "x")}),
    ],
)
def test_the_annotation_names_objects(value: str, labeled: bool, named: set[tuple[str, str]]) -> None:
    assert parse(agent(value)) == Adoption(labeled, frozenset(named))
    assert parse(agent(value)).problems == ()


@pytest.mark.parametrize(
    "value", ["labelled", "all", "service/x", "Pod/x", "Service/", "Service/a/b", "/x", "ClusterRole/admin", "x" * 9000]
)
def test_an_entry_without_effect_is_a_warning_with_the_remedy(value: str) -> None:
    found = parse(agent(f"labeled,{value}"))

    assert found == Adoption(labeled=True)
    (problem,) = found.problems
    assert problem.reason == "AdoptionInvalid"
    assert problem.field == f"metadata.annotations[{ANNOTATION_ADOPT}]"
    assert "such as Deployment/support" in problem.message
    assert len(problem.message) < 600


@pytest.mark.parametrize("value", ["labeled", "Service/x", "labelled"])
def test_a_warning_says_that_the_operator_adopts_nothing(value: str) -> None:
    (problem,) = problems(agent(value), allowed=False)

    assert problem.reason == "AdoptionInvalid"
    assert "--no-allow-adoption" in problem.message
    assert problems(agent(""), allowed=False) == ()
    assert problems(agent("labeled"), allowed=True) == ()


def test_a_long_annotation_has_no_effect() -> None:
    found = parse(agent(",".join(f"Service/x{number}" for number in range(100_000))))

    assert not found
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    ("allowed", "meta", "expected"),
    [
        (BY_NAME, {}, True),
        (BY_LABEL, {}, False),
        (BY_LABEL, {"labels": LABELS}, True),
        (BY_LABEL, {"labels": LABELS | {"agent-operator.dev/agent": "y"}}, False),
        (BY_LABEL, {"labels": LABELS | {"agent-operator.dev/agent-namespace": "other"}}, False),
        (BY_NAME, {"labels": LABELS}, True),
        (BY_NAME, {"labels": LABELS | {"agent-operator.dev/agent": "y"}}, False),
        (BY_NAME, {"labels": LABELS | {"agent-operator.dev/agent-namespace": "other"}}, False),
        (BY_NAME, {"ownerReferences": [controller("Deployment", "x", group="apps/v1")]}, False),
        (BY_NAME, {"ownerReferences": [controller("AgentDeployment", "y")]}, False),
        (BY_NAME, {"ownerReferences": [controller("AgentDeployment", "x", group="other.dev/v1")]}, False),
        (BY_NAME, {"ownerReferences": [controller("AgentDeployment", "x")]}, True),
        (BY_NAME, {"ownerReferences": [{**controller("Team", "a"), "controller": False}]}, True),
    ],
)
def test_only_objects_without_another_controller_are_adopted(allowed: Adoption, meta: Object, expected: bool) -> None:
    assert allowed.allows(SERVICE, {"metadata": {"namespace": "ns"} | meta}, OWNER) is expected


def test_an_object_in_another_namespace_must_name_the_namespace_of_the_agent() -> None:
    target = Ref("Service", "own", "x")
    named = {"namespace": "own", "labels": LABELS | {"agent-operator.dev/agent-namespace": "ns"}}

    assert BY_LABEL.allows(target, {"metadata": named}, ELSEWHERE)
    assert not BY_LABEL.allows(target, {"metadata": {"namespace": "own", "labels": LABELS}}, ELSEWHERE)
    # An owner reference cannot name an agent of another namespace.
    assert not BY_LABEL.allows(
        target, {"metadata": named | {"ownerReferences": [controller("AgentDeployment", "x")]}}, ELSEWHERE
    )


def entry(manager: str, fields: Object, operation: str = "Update", **more: str) -> Object:
    known = {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1"}
    return {**known, "fieldsV1": fields, **more}


def deployment(**spec: Any) -> Object:
    owner = controller("AgentDeployment", "x", "new")
    meta = {"name": "x", "namespace": "ns", "labels": {"a": "new"}, "ownerReferences": [owner]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def patched(manifest: Object, entries: list[Object], **meta: Any) -> Object:
    live = {"metadata": {"resourceVersion": "7", "uid": "u", "managedFields": entries, **meta}}
    return {operation["path"]: operation["value"] for operation in patch(manifest, live, OWNER)}


def test_the_operator_takes_over_the_spec_but_not_the_labels() -> None:
    """The apply that follows removes what is in the spec but not in the manifest. The number of pods stays."""
    kubectl = entry(
        "kubectl",
        {
            "f:metadata": {"f:labels": {"f:team": {}}},
            "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:nodeName": {}}}},
        },
    )
    helm = entry("helm", {"f:spec": {"f:template": {"f:spec": {"f:hostname": {}}}}})
    scale = entry("hpa", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    status = entry("controller", {"f:status": {}}, subresource="status")

    found = patched(deployment(), [kubectl, helm, scale, status], labels={"team": "t", "a": "old"})

    assert found["/metadata/resourceVersion"] == "7"
    assert found["/metadata/labels"] == {"team": "t", "a": "new"}
    own, *rest = found["/metadata/managedFields"]
    assert (own["manager"], own["operation"]) == ("agent-operator", "Apply")
    assert own["fieldsV1"] == {"f:spec": {"f:template": {"f:spec": {"f:nodeName": {}, "f:hostname": {}}}}}
    assert rest == [
        entry("kubectl", {"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": {"f:replicas": {}}}),
        scale,
        status,
    ]


@pytest.mark.parametrize(("spec", "owned"), [({}, False), ({"replicas": 3}, True)])
def test_the_replicas_of_a_former_agent_stay_unless_the_manifest_sets_them(spec: Object, owned: bool) -> None:
    former = entry("agent-operator", {"f:spec": {"f:replicas": {}, "f:selector": {}}}, "Apply")

    own, *rest = patched(deployment(**spec), [former])["/metadata/managedFields"]

    assert rest == []
    assert ("f:replicas" in own["fieldsV1"]["f:spec"]) is owned


BALANCED = ("loadBalancerIP", "loadBalancerSourceRanges", "loadBalancerClass")
ROUTING = ("ports", "selector", "externalIPs", "externalName", "sessionAffinity", "publishNotReadyAddresses")


@pytest.mark.parametrize(
    ("kind", "kept"), [("ClusterIP", ("clusterIP",)), ("LoadBalancer", ("clusterIP", "clusterIPs", *BALANCED))]
)
def test_the_address_of_a_service_stays(kind: str, kept: tuple[str, ...]) -> None:
    """What routes traffic becomes that of the agent. A load balancer keeps its address and its restrictions."""
    manifest = {**deployment(type=kind), "apiVersion": "v1", "kind": "Service"}
    fields: Object = {"f:spec": {f"f:{name}": {} for name in (*kept, *BALANCED, *ROUTING)}}

    own, left = patched(manifest, [entry("kubectl", fields, apiVersion="v1")])["/metadata/managedFields"]

    assert left["fieldsV1"]["f:spec"].keys() == {f"f:{name}" for name in kept}
    assert own["fieldsV1"]["f:spec"].keys() == fields["f:spec"].keys() - left["fieldsV1"]["f:spec"].keys()


def test_a_former_agent_is_replaced_as_the_owner_and_other_owners_stay() -> None:
    team = {**controller("Team", "a", "t"), "controller": False}

    found = patched(deployment(), [], ownerReferences=[team, controller("AgentDeployment", "x")])

    assert found["/metadata/ownerReferences"] == [team, controller("AgentDeployment", "x", "new")]
