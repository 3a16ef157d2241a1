"""Each thing that can be wrong with an agent is named, with its evidence, cause and remedy."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_operator.status.usage import usage_warnings
from agentctl.diagnosis.evidence import Certificate, Evidence, Gap, SecretFacts
from agentctl.diagnosis.examination import examine
from agentctl.diagnosis.findings import Area, Finding, Severity
from tests.unit.agentctl.diagnosis.cases import (
    NAMESPACE,
    NOW,
    Object,
    ago,
    condition,
    make_agent,
    make_deployment,
    make_evidence,
    make_lease,
    make_operator,
    make_pod,
    named,
)

CLIENT = "11111111-1111-1111-1111-111111111111"
IDENTITY = {"azureWorkloadIdentity": {"clientId": CLIENT}}
INGRESS = {"ingress": {"host": "a.example.com", "tls": {}}}
ANNOTATED = {"azure.workload.identity/client-id": CLIENT}
TOKEN = {
    "name": "azure-identity-token",
    "projected": {"sources": [{"serviceAccountToken": {"audience": "api://AzureADTokenExchange"}}]},
}


def waiting(reason: str, message: str = "", name: str = "agent", **more: Any) -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": name, "ready": False, "restartCount": 1, "state": state, **more}


def crashed(code: int, reason: str = "Error", message: str = "", name: str = "agent") -> Object:
    ended = {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": ago(minutes=1)}}
    return waiting("CrashLoopBackOff", "back-off", name, lastState=ended)


def failing(*containers: Object, **status: Any) -> Evidence:
    return make_evidence(pods=[make_pod(ready=False, containerStatuses=list(containers), **status)])


def unscheduled(message: str) -> Evidence:
    found = [condition("PodScheduled", "False", "Unschedulable", message)]
    return failing(phase="Pending", podIP=None, conditions=found)


def rejected(message: str) -> Evidence:
    failure = condition("ReplicaFailure", "True", "FailedCreate", message)
    return make_evidence(pods=[], deployments=[make_deployment(failure)], endpointslices=[])


def event(note: str, reason: str = "Unhealthy", reporter: str = "kubelet") -> Object:
    regarding = {"kind": "Pod", "name": "support-1", "uid": ""}
    return {"regarding": regarding, "note": note, "reason": reason, "reportingController": reporter}


def variable(key: str, *, optional: bool = False) -> Object:
    reference = {"name": "azure", "key": key, "optional": optional}
    container = {"name": "agent", "env": [{"name": key, "valueFrom": {"secretKeyRef": reference}}]}
    return make_deployment(containers=[container])


def with_secret(facts: SecretFacts | None, agent: Object | None = None, **changes: Any) -> Evidence:
    return make_evidence(agent, deployments=[variable("KEY")], secrets={"azure": facts}, **changes)


def endpoint(step: str, reason: str = "", message: str = "", **more: Any) -> Object:
    steps = [
        {"name": "dns", "status": "ok", "detail": "10.0.0.9"},
        {"name": step, "reason": reason, "message": message},
    ]
    field = "agent.models[0].base_url"
    return {"component": "gpt", "field": field, "address": "api.example.com:443", "steps": steps, **more}


def network(*endpoints: Object, **health: Any) -> Evidence:
    return make_evidence(network={"health": {"status": "healthy", **health}, "endpoints": list(endpoints)})


def exposed(facts: SecretFacts | None = None, **changes: Any) -> Evidence:
    backend = {"service": {"name": "support", "port": {"name": "http"}}}
    spec = {
        "ingressClassName": "nginx",
        "rules": [{"host": "a.example.com", "http": {"paths": [{"backend": backend}]}}],
        "tls": [{"hosts": ["a.example.com"], "secretName": "support-tls"}],
    } | changes.pop("ingress_spec", {})
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}} if changes.pop("address", True) else {}
    objects = {"ingresses": [named("support", spec=spec, status=status)], "ingressclasses": [named("nginx")]}
    return make_evidence(make_agent(**INGRESS), **objects | changes, secrets={"support-tls": facts})


def certificate(days: float = 90, *names: str) -> SecretFacts:
    found = Certificate(NOW + timedelta(days=days), names or ("*.example.com",))
    return SecretFacts("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}, None, found)


def scaled(*conditions: Object, target: str = "support", **status: Any) -> Object:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": target}, "maxReplicas": 3}
    return named("support", spec=spec, status={"conditions": list(conditions), **status})


def pod_with_identity(*, label: bool = True, volumes: list[Object] | None = None) -> Object:
    pod = make_pod()
    pod["metadata"]["labels"] |= {"azure.workload.identity/use": "true"} if label else {}
    pod["spec"]["volumes"] = volumes or []
    return pod


def reported(kind: str, status: str, reason: str, message: str) -> Evidence:
    return make_evidence(make_agent({"conditions": [condition(kind, status, reason, message)]}))


def rolled_back(*, manual: bool) -> Evidence:
    conditions = [
        condition("Ready", "False", "RolledBack", "revision a runs instead of b"),
        condition("Progressing", "False", "RolledBack", "revision a runs instead of b"),
        condition("Stalled", "True", "RolledBack", "revision a runs instead of b"),
    ]
    rollback = {"revision": "2bc306c175", "to": "071b76ed9c"} | ({"manual": True} if manual else {})
    return make_evidence(make_agent({"conditions": conditions, "rollout": {"rolledBack": rollback}}))


def operator_pod(name: str, container: Object) -> Object:
    pod = make_pod(ready=False, containerStatuses=[container])
    return pod | {"metadata": pod["metadata"] | {"name": name}}


def behind(**changes: Any) -> Evidence:
    agent = make_agent()
    agent["metadata"]["generation"] = 2
    return make_evidence(agent, **changes)


def budget(**status: Any) -> Evidence:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "support"}}}
    return make_evidence(poddisruptionbudgets=[named("support", spec=spec, status=status)])


OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": ago(minutes=5)}}
RUNNING_AFTER_OOM = {"name": "agent", "ready": True, "restartCount": 2, "state": {"running": {}}, "lastState": OOM}
DENY = named("deny", spec={"podSelector": {}, "policyTypes": ["Egress"]})
QUOTA = named("compute", status={"hard": {"pods": "2", "services": "1"}, "used": {"pods": "2", "services": "1"}})
HIGH = named("support-1", containers=[{"name": "agent", "usage": {"memory": "120Mi", "cpu": "950m"}}])
NODE = named("node-1", status={"conditions": [condition("Ready", "Unknown", "NodeStatusUnknown", "stopped posting")]})
NO_METRICS = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned"


# name: the evidence, the severity and the reason of the finding, and words in it.
def spent(percent: int) -> Evidence:
    """An agent that has used this share of its daily budget."""
    usage = {"budget": "tokensPerDay", "since": "2026-11-27", "limit": "9", "used": "9", "usedPercent": percent}
    (warning,) = usage_warnings([usage])
    found = {"reason": warning.reason, "field": warning.field, "message": warning.message}
    return make_evidence(make_agent({"warnings": [found]}))


CASES: dict[str, tuple[Evidence, Severity, str, tuple[str, ...]]] = {
    "image unauthorized": (
        failing(waiting("ErrImagePull", "401 Unauthorized")),
        Severity.ERROR,
        "ImagePullBackOff",
        ("refuses the node's credentials", "imagePullSecrets"),
    ),
    "image unknown": (
        failing(waiting("ImagePullBackOff", 'Back-off pulling image "a/b:9": ErrImagePull: manifest unknown')),
        Severity.ERROR,
        "ImagePullBackOff",
        ("does not exist in the registry", "spec.runtime"),
    ),
    "image of a sidecar": (
        failing(waiting("ErrImagePull", "dial tcp: lookup reg.example.com: no such host", "proxy")),
        Severity.ERROR,
        "ImagePullBackOff",
        ("container proxy", "spec.podTemplate.spec.containers[proxy].image"),
    ),
    "config refused": (
        failing(crashed(2, message="agent.models: required")),
        Severity.ERROR,
        "CrashLoopBackOff",
        ("refuses its config", "agent.models: required", "--previous"),
    ),
    "killed by the liveness probe": (
        make_evidence(
            pods=[make_pod(ready=False, containerStatuses=[crashed(137)])],
            events=[event("Liveness probe failed: Get http://10.0.0.1: timeout")],
        ),
        Severity.ERROR,
        "CrashLoopBackOff",
        ("a probe fails: Liveness probe failed", "spec.probes"),
    ),
    "out of memory": (
        failing(crashed(137, "OOMKilled")),
        Severity.ERROR,
        "OOMKilled",
        ("memory limit of 128Mi", "raise spec.resources.limits.memory"),
    ),
    "out of memory before": (
        make_evidence(pods=[make_pod(containerStatuses=[RUNNING_AFTER_OOM])]),
        Severity.WARNING,
        "OOMKilled",
        ("restarted 2 times", "raise spec.resources.limits.memory"),
    ),
    "key of a variable": (
        failing(waiting("CreateContainerConfigError", "couldn't find key KEY in Secret team/azure")),
        Severity.ERROR,
        "CreateContainerConfigError",
        ("lacks the key KEY",),
    ),
    "command": (
        failing(waiting("RunContainerError", 'exec: "/no": no such file')),
        Severity.ERROR,
        "RunContainerError",
        ("correct the command",),
    ),
    "cpu": (
        unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
        Severity.ERROR,
        "Unschedulable",
        ("free cpu", "spec.resources.requests"),
    ),
    "taint": (
        unscheduled("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}."),
        Severity.ERROR,
        "Unschedulable",
        ("taints", "spec.scheduling.tolerations"),
    ),
    "selector": (
        unscheduled("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
        Severity.ERROR,
        "Unschedulable",
        ("labels", "spec.scheduling"),
    ),
    "quota exceeded": (
        rejected('pods "x" is forbidden: exceeded quota: compute, requested: cpu=2, used: cpu=3, limited: cpu=4'),
        Severity.ERROR,
        "QuotaExceeded",
        ("ResourceQuota compute", "describe resourcequota -n team"),
    ),
    "quota without requests": (
        rejected('pods "x" is forbidden: failed quota: compute: must specify limits.cpu'),
        Severity.ERROR,
        "QuotaExceeded",
        ("requires a value",),
    ),
    "limit range": (
        rejected('pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'),
        Severity.ERROR,
        "LimitRangeViolated",
        ("LimitRange", "spec.resources"),
    ),
    "pod security": (
        rejected('pods "x" is forbidden: violates PodSecurity "restricted:latest": hostPath volumes'),
        Severity.ERROR,
        "PodSecurityViolated",
        ("Pod Security Standard", "spec.podTemplate"),
    ),
    "admission webhook": (
        rejected('admission webhook "validate.kyverno.svc" denied the request: label team is missing'),
        Severity.ERROR,
        "AdmissionDenied",
        ("label team is missing", "admission policy"),
    ),
    "no pods": (make_evidence(pods=[]), Severity.WARNING, "NoPods", ("kube-controller-manager",)),
    "scaled to zero": (
        make_evidence(pods=[], deployments=[make_deployment() | {"spec": {"replicas": 0}}]),
        Severity.INFO,
        "ScaledToZero",
        ("agentctl scale -n team support --replicas=3",),
    ),
    "volume": (
        make_evidence(
            pods=[make_pod(ready=False, podIP=None, phase="Pending", containerStatuses=[])],
            events=[event('MountVolume.SetUp failed: configmap "rules" not found', "FailedMount")],
        ),
        Severity.ERROR,
        "FailedMount",
        ("create the ConfigMap rules",),
    ),
    "stuck pod": (
        make_evidence(
            pods=[make_pod(), make_pod("old") | {"metadata": {"name": "old", "deletionTimestamp": ago(hours=1)}}]
        ),
        Severity.WARNING,
        "TerminationStuck",
        ("--force",),
    ),
    "node": (make_evidence(nodes=[NODE]), Severity.ERROR, "NodeNotReady", ("Node node-1", "stopped posting")),
    "memory near its limit": (
        make_evidence(podmetrics=[HIGH]),
        Severity.WARNING,
        "MemoryNearLimit",
        ("120Mi of 128Mi", "spec.resources.limits.memory"),
    ),
    "cpu near its limit": (make_evidence(podmetrics=[HIGH]), Severity.WARNING, "CpuNearLimit", ("0.95 of 1.00 CPU",)),
    "quota full": (make_evidence(resourcequotas=[QUOTA]), Severity.WARNING, "QuotaFull", ("pods 2 of 2",)),
    "secret missing": (with_secret(None), Severity.ERROR, "SecretMissing", ("create secret generic -n team azure",)),
    "key missing": (
        with_secret(SecretFacts(faults={"OTHER": ""})),
        Severity.ERROR,
        "SecretKeyMissing",
        ("lacks the key KEY", "the keys: OTHER"),
    ),
    "value empty": (with_secret(SecretFacts(faults={"KEY": "empty"})), Severity.ERROR, "SecretValueEmpty", ("KEY",)),
    "value with newline": (
        with_secret(SecretFacts(faults={"KEY": "newline"})),
        Severity.WARNING,
        "SecretValueNewline",
        ("newline", "kubectl patch secret -n team azure"),
    ),
    "value encoded twice": (
        with_secret(SecretFacts(faults={"KEY": "base64"})),
        Severity.WARNING,
        "SecretValueBase64",
        ("encoded twice",),
    ),
    "rotated, seen by the operator": (
        with_secret(
            SecretFacts(faults={"KEY": ""}), make_agent({"secrets": [{"name": "azure", "inUseBy": "1/2 pods"}]})
        ),
        Severity.WARNING,
        "SecretNotLoaded",
        ("1/2 pods", "rollout restart"),
    ),
    "rotated, not seen": (
        with_secret(SecretFacts(faults={"KEY": ""}, changed=NOW - timedelta(minutes=10))),
        Severity.WARNING,
        "SecretNotLoaded",
        ("after the start of 1 pods",),
    ),
    "vault": (
        make_evidence(
            externalsecrets=[named("x", status={"conditions": [condition("Ready", "False", "E", "no key")]})]
        ),
        Severity.ERROR,
        "SecretNotSynced",
        ("no key", "describe externalsecret"),
    ),
    "service account": (
        make_evidence(serviceaccounts=[]),
        Severity.ERROR,
        "ServiceAccountMissing",
        ("create serviceaccount -n team support",),
    ),
    "identity not annotated": (
        make_evidence(make_agent(identity=IDENTITY), pods=[pod_with_identity(volumes=[TOKEN])]),
        Severity.ERROR,
        "IdentityNotAnnotated",
        ("missing", f"client-id={CLIENT}"),
    ),
    "identity label": (
        make_evidence(make_agent(identity=IDENTITY), pods=[pod_with_identity(label=False)]),
        Severity.ERROR,
        "IdentityLabelMissing",
        ("azure.workload.identity/use",),
    ),
    "identity token": (
        make_evidence(make_agent(identity=IDENTITY), pods=[pod_with_identity()]),
        Severity.ERROR,
        "IdentityTokenMissing",
        ("webhook", "--enable-workload-identity"),
    ),
    "federation": (
        make_evidence(
            make_agent(
                identity=IDENTITY,
            ),
            network={"endpoints": [endpoint("http", "CredentialsRefused", "Microsoft Entra ID refuses")]},
        ),
        Severity.ERROR,
        "FederationRefused",
        ("system:serviceaccount:team:support", "api://AzureADTokenExchange", "federated-credential"),
    ),
    "unknown host": (
        network(endpoint("dns", "HostUnknown", "the host name does not resolve")),
        Severity.ERROR,
        "HostUnknown",
        ("spec.config.models[0].baseUrl", "CoreDNS", "component gpt"),
    ),
    "unreachable": (
        network(endpoint("tcp", "Unreachable", "is unreachable")),
        Severity.ERROR,
        "Unreachable",
        ("dns ok (10.0.0.9)", "tcp failed", "NetworkPolicies with egress rules: support", "extraEgress"),
    ),
    "untrusted": (
        network(endpoint("tls", "CertificateUntrusted", "self-signed", proxy="proxy:3128")),
        Severity.ERROR,
        "CertificateUntrusted",
        ("spec.trustedCA", "through the proxy proxy:3128"),
    ),
    "unhealthy component": (
        network(components=[{"name": "redis", "status": "unhealthy", "reason": "ReadOnly", "message": "a replica"}]),
        Severity.ERROR,
        "ReadOnly",
        ("component redis", "a replica", "failover"),
    ),
    "no answer of the agent": (
        network(reason="ConnectionRefused", message="refuses connections"),
        Severity.ERROR,
        "AgentNotAnswering",
        ("kubectl logs -n team support-1",),
    ),
    "policy of others": (
        make_evidence(networkpolicies=[DENY]),
        Severity.WARNING,
        "EgressRestricted",
        ("NetworkPolicy deny", "spec.networkPolicy"),
    ),
    "service": (make_evidence(services=[]), Severity.ERROR, "ServiceMissing", ("agentctl status support",)),
    "selector of the service": (
        make_evidence(services=[named("support", spec={"selector": {"app": "other"}})]),
        Severity.ERROR,
        "ServiceSelectsNothing",
        ("other",),
    ),
    "class": (
        exposed(certificate(), ingressclasses=[named("traefik")]),
        Severity.ERROR,
        "IngressClassMissing",
        ("class nginx; the cluster has: traefik", "spec.ingress.className"),
    ),
    "no default class": (
        exposed(certificate(), ingress_spec={"ingressClassName": None}),
        Severity.ERROR,
        "IngressClassMissing",
        ("names no class",),
    ),
    "address": (exposed(certificate(), address=False), Severity.WARNING, "IngressWithoutAddress", ("controller",)),
    "backend": (exposed(certificate(), services=[]), Severity.ERROR, "BackendMissing", ("Service support",)),
    "certificate missing": (
        exposed(None),
        Severity.ERROR,
        "CertificateMissing",
        ("create secret tls -n team support-tls",),
    ),
    "certificate unreadable": (exposed(SecretFacts()), Severity.ERROR, "CertificateInvalid", ("tls.crt",)),
    "certificate expired": (exposed(certificate(-1)), Severity.ERROR, "CertificateExpired", ("2026-11-26",)),
    "certificate expires": (exposed(certificate(5)), Severity.WARNING, "CertificateExpires", ("5 days",)),
    "certificate of another host": (
        exposed(certificate(90, "b.example.com")),
        Severity.ERROR,
        "CertificateHostMismatch",
        ("host a.example.com", "b.example.com"),
    ),
    "certificate not issued": (
        exposed(
            certificate(),
            certificates=[
                named(
                    "support-tls",
                    spec={"secretName": "support-tls"},
                    status={"conditions": [condition("Ready", "False", "Pending", "the order is pending")]},
                )
            ],
        ),
        Severity.ERROR,
        "CertificateNotIssued",
        ("the order is pending",),
    ),
    "route": (
        make_evidence(
            httproutes=[
                named(
                    "support",
                    status={"parents": [{"conditions": [condition("Accepted", "False", "NotAllowed", "no")]}]},
                )
            ]
        ),
        Severity.ERROR,
        "RouteNotAccepted",
        ("NotAllowed", "spec.gateway"),
    ),
    "autoscaler without metrics": (
        make_evidence(
            horizontalpodautoscalers=[
                scaled(condition("ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS))
            ]
        ),
        Severity.ERROR,
        "FailedGetResourceMetric",
        ("gets no metrics", "metrics-server"),
    ),
    "autoscaler at its maximum": (
        make_evidence(
            horizontalpodautoscalers=[
                scaled(condition("ScalingLimited", "True", "TooManyReplicas", "at most 3"), currentReplicas=3)
            ]
        ),
        Severity.WARNING,
        "MaxReplicasReached",
        ("3 of at most 3 pods", "spec.autoscaling.maxReplicas"),
    ),
    "two autoscalers": (
        make_evidence(horizontalpodautoscalers=[scaled(), scaled()]),
        Severity.ERROR,
        "SeveralAutoscalers",
        ("delete all but one",),
    ),
    "drain": (
        budget(expectedPods=1, currentHealthy=1, disruptionsAllowed=0),
        Severity.WARNING,
        "DrainBlocked",
        ("0 disruptions allowed", "spec.disruptionBudget"),
    ),
    "operator not ready": (
        make_evidence(operators=[make_operator(ready=0)]),
        Severity.ERROR,
        "OperatorNotRunning",
        ("0 of 2 pods",),
    ),
    "no leader": (make_evidence(leases=[make_lease(300)]), Severity.ERROR, "NoLeader", ("operator-1",)),
    "operator missing": (
        make_evidence(make_agent() | {"status": {}}, operators=[], leases=[]),
        Severity.ERROR,
        "OperatorMissing",
        ("install the operator",),
    ),
    "namespace not watched": (
        behind(operators=[make_operator("--namespaces", "a,b")]),
        Severity.ERROR,
        "NamespaceNotWatched",
        ("only: a, b", "--namespaces"),
    ),
    "read-only operator": (
        make_evidence(operators=[make_operator("--read-only")]),
        Severity.ERROR,
        "OperatorReadOnly",
        ("remove --read-only",),
    ),
    "not reconciled": (behind(), Severity.ERROR, "NotReconciled", ("generation is 2", "observedGeneration is 1")),
    "invalid spec": (
        reported("ConfigValid", "False", "EndpointInvalid", "spec.config.models[0].baseUrl: no host: use https://host"),
        Severity.ERROR,
        "EndpointInvalid",
        ("use https://host",),
    ),
    "rolled back": (
        reported("Progressing", "False", "RolledBack", "rolled back from revision a to b: checks failed"),
        Severity.ERROR,
        "RolledBack",
        ("checks failed", "agentctl history -n team support"),
    ),
    "rolled back from a known revision": (
        rolled_back(manual=False),
        Severity.ERROR,
        "RolledBack",
        ("the revision in the spec failed", "`agentctl diff -n team support 2bc306c175`"),
    ),
    "rolled back by a user": (
        rolled_back(manual=True),
        Severity.INFO,
        "RolledBack",
        ("a user rolled back", "`agentctl retry -n team support`"),
    ),
    "image of the operator": (
        make_evidence(operatorpods=[operator_pod(name, waiting("ImagePullBackOff")) for name in ("one", "two")]),
        Severity.ERROR,
        "OperatorImagePullBackOff",
        ("Pod team/one (and 1 more pods)", "correct the image of the operator or its pull secret"),
    ),
    "operator that ends": (
        make_evidence(operatorpods=[operator_pod("one", crashed(1))]),
        Severity.ERROR,
        "OperatorCrashLoopBackOff",
        ("kubectl logs -n team one --previous",),
    ),
    "unexplained": (
        reported("Ready", "False", "Conflict", "Service support exists: delete or rename it"),
        Severity.ERROR,
        "Conflict",
        ("delete or rename it",),
    ),
    "warning that matters": (
        make_evidence(
            make_agent({"warnings": [{"reason": "VariableUnset", "field": "spec.env", "message": "x: set it"}]})
        ),
        Severity.WARNING,
        "VariableUnset",
        ("spec.env", "set it"),
    ),
    "spent budget": (
        spent(100),
        Severity.WARNING,
        "BudgetSpent",
        ("spec.config.budget.tokensPerDay", "raise it, or wait"),
    ),
    "nearly spent budget": (
        spent(80),
        Severity.INFO,
        "BudgetNearlySpent",
        ("raise it, or limit callers",),
    ),
    "warning as advice": (
        make_evidence(make_agent({"warnings": [{"reason": "SessionsNotShared", "message": "no Redis: add one"}]})),
        Severity.INFO,
        "SessionsNotShared",
        ("add one",),
    ),
    "suspended": (
        make_evidence(make_agent(suspend=True)),
        Severity.WARNING,
        "Suspended",
        ("set spec.suspend to false",),
    ),
    "forbidden": (
        make_evidence(gaps=(Gap(Area.SECRETS, "secrets", "Error from server (Forbidden)", "kubectl auth can-i"),)),
        Severity.INFO,
        "Forbidden",
        ("you may not read secrets", "kubectl auth can-i"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_problem_is_named(name: str) -> None:
    evidence, severity, reason, words = CASES[name]
    found = examine(evidence).findings
    named_findings = [finding for finding in found if finding.reason == reason]
    assert [finding.severity for finding in named_findings[:1]] == [severity], found
    text = " ".join(f"{it.subject} {it.evidence} {it.cause} {it.remedy}" for it in named_findings)
    assert not [word for word in words if word not in text], text
    assert all(finding.evidence and finding.cause and finding.remedy for finding in found)
    assert "CheckFailed" not in {finding.reason for finding in found}


def test_a_rollback_by_a_user_is_no_problem() -> None:
    assert examine(rolled_back(manual=True)).problems == 0


def test_replicas_of_the_operator_that_fail_in_the_same_way_are_one_finding() -> None:
    pods = [operator_pod(name, waiting("ImagePullBackOff")) for name in ("one", "two", "three")]

    assert examine(make_evidence(operatorpods=pods)).problems == 1


def test_an_agent_that_works_has_no_findings() -> None:
    diagnosis = examine(make_evidence())
    assert (diagnosis.findings, diagnosis.problems) == ((), 0)
    assert all(diagnosis.checked.values())


def test_a_healthy_exposed_agent_with_an_identity_has_no_problems() -> None:
    accounts = [named("support") | {"metadata": {"name": "support", "annotations": ANNOTATED}}]
    agent = make_agent(identity=IDENTITY)
    diagnosis = examine(make_evidence(agent, serviceaccounts=accounts, pods=[pod_with_identity(volumes=[TOKEN])]))
    assert diagnosis.problems == 0, diagnosis.findings
    assert [finding.reason for finding in diagnosis.findings] == ["Federation"]
    assert examine(exposed(certificate())).problems == 0


def test_a_change_of_a_moment_ago_is_not_behind() -> None:
    evidence = behind()
    evidence.agent["metadata"]["managedFields"] = [
        {"time": ago(seconds=5), "manager": "kubectl"},
        {"time": ago(hours=1), "manager": "agent-operator", "subresource": "status"},
    ]
    assert examine(evidence).findings == ()


def test_causes_come_before_symptoms() -> None:
    found = examine(unscheduled("0/3 nodes are available: 3 Insufficient memory.")).findings
    assert [finding.reason for finding in found] == ["Unschedulable"]


def test_a_missing_permission_makes_its_area_incomplete_and_is_no_problem() -> None:
    evidence, *_ = CASES["forbidden"]
    diagnosis = examine(evidence)
    assert diagnosis.problems == 0
    assert diagnosis.to_json("support", NAMESPACE)["areas"]["secrets"] == "incomplete"


def test_texts_of_others_are_bounded_and_without_control_characters() -> None:
    hostile = "\x1b]0;title\x07" + "x" * 5_000_000 + "\n\u202ecause"
    found = examine(failing(waiting("Odd" * 1000, hostile))).findings
    assert len(found) == 1
    texts = found[0].to_json()
    assert all(len(text) <= 1024 for text in texts.values())
    assert not any(character in text for text in texts.values() for character in "\x1b\x07\n\u202e")
    assert found[0].evidence.endswith("cause")


def test_the_number_of_findings_is_bounded() -> None:
    pods = [make_pod(f"support-{n}", ready=False, containerStatuses=[waiting("ErrImagePull")]) for n in range(300)]
    diagnosis = examine(make_evidence(pods=pods))
    assert (len(diagnosis.findings), diagnosis.left_out) == (100, 200)


_LEAVES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just([{}]) | st.just({"a": [None]})
)


def _mutations(value: Any) -> list[tuple[str | int, ...]]:
    """The paths of all values within a value."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [path for key, item in items for path in [(key,), *((key, *rest) for rest in _mutations(item))]]


def _replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copied


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_objects_of_any_shape_do_not_break_a_check(data: st.DataObject) -> None:
    """Any value of any object is replaced by another type."""
    name = data.draw(st.sampled_from(sorted(CASES)))
    evidence = CASES[name][0]
    whole = {"agent": evidence.agent, "objects": dict(evidence.objects), "network": evidence.network or {}}
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(
            st.sampled_from(
                [path for path in _mutations(whole) if len(path) > 2 or path[0] == "network"] or [("network",)]
            )
        )
        whole = _replaced(whole, path, data.draw(_LEAVES))
    agent = whole["agent"] if isinstance(whole["agent"], dict) else evidence.agent
    mutated = Evidence(
        now=NOW,
        agent=agent,
        namespace=NAMESPACE,
        objects={key: value if isinstance(value, list) else [] for key, value in whole["objects"].items()},
        secrets=evidence.secrets,
        network=whole["network"] if isinstance(whole["network"], dict) else None,
    )
    found: tuple[Finding, ...] = examine(mutated).findings
    assert "CheckFailed" not in {finding.reason for finding in found}, found
