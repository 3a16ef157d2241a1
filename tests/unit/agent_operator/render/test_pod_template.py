"""spec.podTemplate: what it may change, and what it may not."""

from dataclasses import replace
from typing import Any

import pytest

from agent_operator.api import constants
from agent_operator.api.problems import ProblemError
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.render import Inputs, Platform, render

AGENT = "spec.containers[agent]"
UNCONFINED = {"type": "Unconfined"}


def inputs(template: Any) -> Inputs:
    spec = {"config": {"models": [{"name": "e", "provider": "echo"}]}, "podTemplate": template}
    return Inputs(AgentDeployment.model_validate({"metadata": {"name": "bot", "namespace": "team"}, "spec": spec}))


def render_pods(template: Any, **platform: Any) -> dict[str, Any]:
    rendered = render(replace(inputs(template), platform=Platform(**platform)))
    found = next(manifest for manifest in rendered.manifests if manifest["kind"] == "Deployment")
    return dict(found["spec"]["template"])


def pod(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def agent(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "agent", **fields}])


def sidecar(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "log", "image": "log:1", **fields}])


def _projected(**token: Any) -> dict[str, Any]:
    return {"projected": {"sources": [{"configMap": {"name": "c"}}, {"serviceAccountToken": token}]}}


# The volume of the preset kubernetes of auth.jwt, which this agent does not have.
API_SERVER = dict(constants.API_SERVER_VOLUME)
OTHER_AGENT = {"name": "service-account-tokens", **_projected(path="t", audience="other-agent")}
TOKEN = {"name": "t", **_projected(path="token")}
UNSAFE: list[tuple[dict[str, Any], str]] = [
    (pod(hostNetwork=True), "spec.hostNetwork"),
    (pod(hostPID=True), "spec.hostPID"),
    (pod(hostIPC=True), "spec.hostIPC"),
    (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "spec.volumes[v].hostPath"),
    (pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]), "spec.volumes[v].nfs"),
    (pod(automountServiceAccountToken=True), "spec.automountServiceAccountToken"),
    (pod(automountServiceAccountToken=None), "spec.automountServiceAccountToken"),
    (pod(serviceAccountName="admin"), "spec.serviceAccountName"),
    (pod(serviceAccount="admin"), "spec.serviceAccountName"),
    (pod(serviceAccountName=None), "spec.serviceAccountName"),
    (pod(serviceAccountName=""), "spec.serviceAccountName"),
    (pod(serviceAccountName=None, serviceAccount="admin"), "spec.serviceAccountName"),
    (pod(serviceAccountName=None, serviceAccount="bot"), "spec.serviceAccountName"),
    (pod(volumes=[TOKEN]), "spec.volumes[t].projected.serviceAccountToken"),
    (pod(volumes=[API_SERVER]), "spec.volumes[api-server].projected.serviceAccountToken"),
    (pod(volumes=[OTHER_AGENT]), "spec.volumes[service-account-tokens].projected.serviceAccountToken"),
    (pod(volumes=[{"name": "config", "configMap": None, **_projected(path="t")}]), "spec.volumes[config].projected"),
    (pod(volumes=[{"$patch": "replace"}, TOKEN]), "spec.volumes[t].projected.serviceAccountToken"),
    (pod(volumes=[_projected(path="t", audience="api://AzureADTokenExchange") | {"name": "t"}]), "spec.volumes[t]"),
    (pod(securityContext={"runAsUser": 0}), "spec.securityContext.runAsUser"),
    (pod(securityContext={"runAsNonRoot": False}), "spec.securityContext.runAsNonRoot"),
    (pod(securityContext={"runAsNonRoot": None}), f"{AGENT}.securityContext.runAsNonRoot"),
    (pod(securityContext={"seccompProfile": UNCONFINED}), "spec.securityContext.seccompProfile"),
    (pod(securityContext={"appArmorProfile": UNCONFINED}), "spec.securityContext.appArmorProfile"),
    (pod(securityContext={"sysctls": [{"name": "a", "value": "b"}]}), "spec.securityContext.sysctls"),
    (pod(securityContext={"seLinuxOptions": {"type": "spc_t"}}), "spec.securityContext.seLinuxOptions"),
    (pod(securityContext={"$patch": "delete"}), f"{AGENT}.securityContext.runAsNonRoot"),
    (agent(securityContext={"privileged": True}), f"{AGENT}.securityContext.privileged"),
    (agent(securityContext={"runAsUser": 0}), f"{AGENT}.securityContext.runAsUser"),
    (agent(securityContext={"procMount": "Unmasked"}), f"{AGENT}.securityContext.procMount"),
    (agent(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}), f"{AGENT}.securityContext.capabilities.add"),
    (agent(securityContext={"capabilities": None}), f"{AGENT}.securityContext.capabilities.drop"),
    (agent(securityContext=None), f"{AGENT}.securityContext.allowPrivilegeEscalation"),
    (agent(ports=[{"containerPort": 8000, "hostPort": 80}]), f"{AGENT}.ports[8000].hostPort"),
    (agent(lifecycle={"preStop": {"httpGet": {"port": 1, "host": "169.254.169.254"}}}), f"{AGENT}.lifecycle.preStop"),
    (sidecar(securityContext={"privileged": True}), "spec.containers[log].securityContext.privileged"),
    (
        sidecar(securityContext={"allowPrivilegeEscalation": True}),
        "spec.containers[log].securityContext.allowPrivilegeEscalation",
    ),
    (
        sidecar(securityContext={"windowsOptions": {"hostProcess": True}}),
        "spec.containers[log].securityContext.windowsOptions.hostProcess",
    ),
    (
        pod(initContainers=[{"name": "i", "image": "i:1", "securityContext": {"capabilities": {"drop": ["KILL"]}}}]),
        "spec.initContainers[i].securityContext.capabilities.drop",
    ),
    (
        {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/agent": "unconfined"}}},
        "metadata.annotations[container.apparmor.security.beta.kubernetes.io/agent]",
    ),
]
INVALID: list[tuple[dict[str, Any], str]] = [
    (pod(volumes=[{"name": "t", "emptyDir": {}}, TOKEN | {"emptyDir": None}]), "spec.volumes[t]"),
    (pod(volumes=[TOKEN, {"name": "t"}]), "spec.volumes[t]"),
    (pod(containers=[{"name": "log", "image": "log:1"}, {"name": "log", "image": "log:2"}]), "spec.containers[log]"),
    (sidecar(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "spec.containers[log].env[A]"),
    (
        sidecar(ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]),
        "spec.containers[log].ports[80]",
    ),
    (agent(volumeMounts=[{"name": "a", "mountPath": "/a"}] * 2), "spec.containers[agent].volumeMounts[/a]"),
    (agent(image="evil"), f"{AGENT}.image"),
    (agent(env=[{"name": "AGENT_REVISION", "value": "x"}]), f"{AGENT}.env[AGENT_REVISION]"),
    (pod(containers=[{"name": "agent", "$patch": "delete"}]), "spec.containers"),
    (pod(containers=[{"$patch": "replace"}, {"name": "log", "image": "log:1"}]), "spec.containers"),
    (pod(containers=None), "spec.containers"),
    (pod(containers="x"), "spec.containers"),
    (pod(hostNetwrok=True), "spec.hostNetwrok"),
    (pod(securityContext="none"), "spec.securityContext"),
    (sidecar(resources={"limits": {"cpu": ["1"]}}), "spec.containers"),
    ({"spec": None}, "spec"),
    ({"spec": {"$patch": "remove"}}, "spec"),
    ({"template": {}}, "template"),
    ({"metadata": {"labels": {"app": "other"}}}, "metadata.labels[app]"),
    ({"metadata": {"labels": None}}, "metadata.labels[agent-operator.dev/agent]"),
    ({"metadata": {"name": "x"}}, "metadata.name"),
    (
        {"metadata": {"labels": {"azure.workload.identity/use": "true"}}},
        "metadata.labels[azure.workload.identity/use]",
    ),
    ({"metadata": {"annotations": {"agent-operator.dev/secret-hash": "x"}}}, "metadata.annotations[agent-operator.dev"),
]


@pytest.mark.parametrize(("template", "path"), UNSAFE, ids=[path for _, path in UNSAFE])
def test_a_template_that_breaks_the_hardening_needs_permission(template: dict[str, Any], path: str) -> None:
    with pytest.raises(ProblemError) as caught:
        render_pods(template)
    first = caught.value.problems[0]
    assert first.field.startswith(f"spec.podTemplate.{path}")
    assert first.reason == "PodTemplateUnsafe"
    assert "--allow-unsafe-pod-templates" in first.message

    assert render_pods(template, allow_unsafe_pod_templates=True)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (sidecar(volumeMounts=[{"name": "api-server", "mountPath": "/t"}]), "containers[log].volumeMounts[api-server]"),
        (pod(volumes=[{"name": "api-server", **_projected(path="t", audience="x")}]), "volumes[api-server].projected"),
    ],
)
def test_only_the_agent_reads_its_token_for_the_api_server(template: dict[str, Any], path: str) -> None:
    agent = inputs(template).agent.model_dump(by_alias=True, exclude_none=True)
    agent["spec"]["config"]["auth"] = {"jwt": {"preset": "kubernetes", "audiences": ["support"]}}

    with pytest.raises(ProblemError) as caught:
        render(Inputs(AgentDeployment.model_validate(agent)))

    assert caught.value.problems[0].field.startswith(f"spec.podTemplate.spec.{path}")


NO_ROOT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
USERS = ("runAsUser", "runAsGroup", "fsGroup")


@pytest.mark.parametrize(
    "context",
    [dict.fromkeys(USERS), {"$patch": "replace", **NO_ROOT}],
    ids=["null", "replace"],
)
def test_user_and_groups_can_be_left_to_the_cluster(context: dict[str, Any]) -> None:
    """OpenShift assigns them. The pods still never run as root."""
    assert render_pods(pod(securityContext=context))["spec"]["securityContext"] == NO_ROOT


def test_the_operator_can_leave_user_and_groups_of_all_agents_to_the_cluster() -> None:
    assert render_pods({}, set_pod_user=False)["spec"]["securityContext"] == NO_ROOT
    assert render_pods({})["spec"]["securityContext"] == NO_ROOT | dict.fromkeys(USERS, 1000)
    # An agent may still name a user of its own, but not root.
    assert (
        render_pods(pod(securityContext={"runAsUser": 7}), set_pod_user=False)["spec"]["securityContext"]["runAsUser"]
        == 7
    )
    with pytest.raises(ProblemError):
        render_pods(pod(securityContext={"runAsUser": 0}), set_pod_user=False)


@pytest.mark.parametrize(("template", "path"), INVALID, ids=[path for _, path in INVALID])
def test_a_template_that_does_not_run_the_agent_is_refused(template: dict[str, Any], path: str) -> None:
    for allowed in (False, True):
        with pytest.raises(ProblemError) as caught:
            render_pods(template, allow_unsafe_pod_templates=allowed)
        assert caught.value.problems[0].field.startswith(f"spec.podTemplate.{path}")
        assert caught.value.problems[0].reason == "PodTemplateInvalid"
        assert not caught.value.problem.retry


def test_an_added_container_is_hardened_by_default() -> None:
    given = sidecar(securityContext={"readOnlyRootFilesystem": True, "capabilities": {"add": ["NET_BIND_SERVICE"]}})

    found = next(container for container in render_pods(given)["spec"]["containers"] if container["name"] == "log")

    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_quantities_are_written_as_the_api_server_writes_them() -> None:
    found = render_pods(sidecar(resources={"limits": {"cpu": 0.1, "memory": "1024Mi"}}))

    log = next(container for container in found["spec"]["containers"] if container["name"] == "log")
    assert log["resources"]["limits"] == {"cpu": "100m", "memory": "1Gi"}


def test_kubectl_logs_selects_the_agent() -> None:
    assert render_pods(sidecar())["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "agent"


def test_an_empty_template_changes_nothing() -> None:
    assert render(inputs({})) == render(inputs(None))


def test_no_value_is_quoted_in_an_error() -> None:
    with pytest.raises(ProblemError) as caught:
        render_pods(agent(env=[{"name": "A", "value": {"canary-7": 1}}], stdin="canary-8"))

    assert "canary" not in str(caught.value)
