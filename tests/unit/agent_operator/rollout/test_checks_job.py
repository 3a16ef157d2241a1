"""The Job that runs the checks against a canary."""

import json
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from agent_operator.api import constants
from agent_operator.api.v1alpha1 import AgentDeployment
from agent_operator.inputs.agent_inputs import Inputs
from agent_operator.render import render
from agent_operator.render.compare import covers
from agent_operator.render.revision import Revision
from agent_operator.rollout import checks_job
from agent_runtime.command import _parser
from agent_runtime.config.checks import ChecksConfig
from kubeschema import decode, schema
from kubeschema.kinds import defaults
from tests import pod_security

GREETS = {"name": "greets", "prompt": "Say hello", "contains": ["hello"]}
QUICK = {"name": "quick", "prompt": "Now", "maxLatencySeconds": 5, "judge": {"model": "echo", "criterion": "polite"}}


def make_inputs(canary: dict[str, Any] | None = None, text: str | None = None, **spec: Any) -> Inputs:
    rollout = {"strategy": "Canary", "canary": {"checks": [GREETS]} if canary is None else canary}
    body = {
        "metadata": {"name": "web", "namespace": "team", "uid": "u-1"},
        "spec": {"config": {"models": [{"name": "echo", "provider": "echo"}]}, "rollout": rollout, **spec},
    }
    return Inputs(AgentDeployment.model_validate(body), checks_text=text)


def revision(agent: Inputs) -> Revision:
    return render(agent).revision


def config_map_and_job(agent: Inputs) -> tuple[dict[str, Any], dict[str, Any]]:
    config_map, job = checks_job.manifests(agent, revision(agent))
    return config_map, job


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def option(job: dict[str, Any], name: str) -> str:
    args: list[str] = pod_of(job)["containers"][0]["args"]
    return args[args.index(name) + 1]


SIDECAR = {
    "metadata": {"labels": {"team": "a"}, "annotations": {"example.com/note": "x"}},
    "spec": {
        "containers": [
            {"name": "agent", "volumeMounts": [{"name": "keys", "mountPath": "/keys", "readOnly": True}]},
            {"name": "proxy", "image": "envoy", "volumeMounts": [{"name": "scratch", "mountPath": "/s"}]},
        ],
        "initContainers": [
            {"name": "prepare", "image": "p", "volumeMounts": [{"name": "prepared", "mountPath": "/p"}]},
            {"name": "sidecar", "image": "b", "restartPolicy": "Always"},
        ],
        "volumes": [
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "prepared", "emptyDir": {}},
        ],
        "readinessGates": [{"conditionType": "example.com/ready"}],
    },
}
CASES: dict[str, Inputs] = {
    "plain": make_inputs(),
    "from a ConfigMap": make_inputs(
        {"checksFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, json.dumps({"checks": [QUICK]})
    ),
    "with sidecars": make_inputs(podTemplate=SIDECAR),
    "with spec.namespace": make_inputs(namespace={"name": "agents"}),
    "with Azure workload identity": make_inputs(identity={"azureWorkloadIdentity": {"clientId": "c"}}),
    "with scheduling": make_inputs(
        scheduling={"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]}, dns={"policy": "Default"}
    ),
    "with the longest name": replace(
        make_inputs(),
        agent=make_inputs().agent.model_copy(
            update={
                "metadata": make_inputs().agent.metadata.model_copy(update={"name": "a" * constants.MAX_NAME_LENGTH})
            }
        ),
    ),
}


@pytest.fixture(params=CASES)
def agent(request: pytest.FixtureRequest) -> Inputs:
    return CASES[request.param]


@pytest.mark.parametrize("version", ["1.25", kubernetes_validate.latest_version()])
def test_manifests_are_valid_in_every_version(agent: Inputs, version: str) -> None:
    for manifest in config_map_and_job(agent):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_api_server_stores_manifests_unchanged(agent: Inputs) -> None:
    """If the stored Job differed, each reconcile would try to update it, but a Job is immutable."""
    for manifest in config_map_and_job(agent):
        group, _, version = manifest["apiVersion"].rpartition("/")
        gvk = (group, version, manifest["kind"])
        kind = schema.builtin(*gvk)
        assert kind
        decoded = decode.decode(kind, manifest, gvk)
        stored = defaults.default(gvk, decoded.obj)
        assert decoded.problems == []
        assert covers(stored["spec"] if "spec" in manifest else stored, manifest.get("spec", manifest))


def test_pod_meets_the_restricted_standard(agent: Inputs) -> None:
    assert list(pod_security.violations(config_map_and_job(agent)[1]["spec"]["template"])) == []


def test_names_fit_into_labels(agent: Inputs) -> None:
    """Kubernetes labels pods with the name of their Job."""
    config_map, job = config_map_and_job(agent)
    assert len(job["metadata"]["name"]) <= 63
    assert config_map["metadata"]["name"] == job["metadata"]["name"]
    assert job["metadata"]["namespace"] == agent.namespace


def test_selectors_of_the_agent_do_not_match_the_pod(agent: Inputs) -> None:
    """The pod has neither the labels that these selectors need nor labels of the user."""
    labels = config_map_and_job(agent)[1]["spec"]["template"]["metadata"]["labels"]
    assert constants.LABEL_APP not in labels
    assert labels[constants.LABEL_COMPONENT] == "checks"
    assert labels[constants.LABEL_AGENT] == agent.name
    assert constants.LABEL_REVISION not in labels
    assert "team" not in labels


def test_runtime_accepts_the_arguments(agent: Inputs) -> None:
    arguments = _parser().parse_args(pod_of(config_map_and_job(agent)[1])["containers"][0]["args"])
    assert arguments.url == f"http://{agent.name}-canary.{agent.namespace}.svc:80"
    assert str(arguments.config) == "/app/config/agent.toml"
    assert str(arguments.checks) == "/app/checks/checks.json"


def test_runtime_reads_the_checks(agent: Inputs) -> None:
    config_map, _ = config_map_and_job(agent)
    found = ChecksConfig.model_validate_json(config_map["data"]["checks.json"])
    assert found.checks[0].name in ("greets", "quick")


def test_volumes_match_their_mounts(agent: Inputs) -> None:
    pod = pod_of(config_map_and_job(agent)[1])
    mounts = {m["name"] for c in [*pod["containers"], *pod.get("initContainers", [])] for m in c["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_pod_has_the_fields_of_the_agent_without_those_of_a_server() -> None:
    agent = make_inputs(env=[{"name": "TEAM", "value": "a"}], credentials={"secretRef": {"name": "s", "keys": ["K"]}})
    template = revision(agent).template["spec"]
    pod = pod_of(config_map_and_job(agent)[1])
    (container,) = pod["containers"]
    for field in ("image", "env", "imagePullPolicy", "securityContext"):
        assert container[field] == template["containers"][0][field]
    for field in ("serviceAccountName", "automountServiceAccountToken", "securityContext", "enableServiceLinks"):
        assert pod[field] == template[field]
    assert pod["automountServiceAccountToken"] is False
    assert not {"ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} & set(container)
    assert container["resources"] == checks_job.RESOURCES
    assert pod["restartPolicy"] == "Never"


def test_sidecars_are_dropped_and_init_containers_kept() -> None:
    """A sidecar would keep the Job from completing."""
    template = config_map_and_job(CASES["with sidecars"])[1]["spec"]["template"]
    assert [it["name"] for it in template["spec"]["containers"]] == ["agent"]
    assert [it["name"] for it in template["spec"]["initContainers"]] == ["prepare"]
    assert {it["name"] for it in template["spec"]["volumes"]} == {"config", "tmp", "keys", "prepared", "agent-checks"}
    assert "readinessGates" not in template["spec"]
    assert template["metadata"]["annotations"]["example.com/note"] == "x"
    assert "prometheus.io/scrape" not in template["metadata"]["annotations"]


def test_pod_has_the_scheduling_of_the_agent_and_cluster_dns() -> None:
    pod = pod_of(config_map_and_job(CASES["with scheduling"])[1])
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert "topologySpreadConstraints" not in pod
    assert "affinity" not in pod
    assert pod["dnsPolicy"] == "ClusterFirst"


def test_only_node_affinity_is_kept() -> None:
    """Pod anti-affinity of the agent could leave no node for this pod."""
    nodes = {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]
        }
    }
    apart = {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
        ]
    }
    agent = make_inputs(scheduling={"affinity": {"nodeAffinity": nodes, "podAntiAffinity": apart}})
    assert pod_of(config_map_and_job(agent)[1])["affinity"] == {"nodeAffinity": nodes}


def test_judge_can_use_azure_workload_identity() -> None:
    labels = config_map_and_job(CASES["with Azure workload identity"])[1]["spec"]["template"]["metadata"]["labels"]
    assert labels[constants.LABEL_WORKLOAD_IDENTITY] == "true"


def test_checks_send_an_api_key_of_the_agent() -> None:
    agent = make_inputs(
        podTemplate=SIDECAR,
        config={"models": [{"name": "echo", "provider": "echo"}], "server": {"apiKeysFile": "/keys/file"}},
    )
    _, job = config_map_and_job(agent)
    assert option(job, "--api-keys-file") == "/keys/file"
    assert {"name": "keys", "mountPath": "/keys", "readOnly": True} in pod_of(job)["containers"][0]["volumeMounts"]


def test_checks_use_the_port_of_the_service() -> None:
    assert (
        option(config_map_and_job(make_inputs(service={"port": 8080}))[1], "--url") == "http://web-canary.team.svc:8080"
    )


TIMES = [
    ("limit of the agent", [GREETS], 300, 413),
    ("limit of the check", [GREETS | {"maxLatencySeconds": 10}], 300, 50),
    ("limit of the judge", [QUICK], 100, 169),
    ("four concurrent checks", [GREETS | {"name": f"c{n}", "maxLatencySeconds": 10} for n in range(8)], 300, 120),
    ("at most a day", [GREETS | {"name": f"c{n}", "judge": QUICK["judge"]} for n in range(50)], 3600, 86400),
]


@pytest.mark.parametrize(("_case", "checks", "timeout", "seconds"), TIMES, ids=[case for case, *_ in TIMES])
def test_timeout_is_computed_from_the_checks(_case: str, checks: list[Any], timeout: int, seconds: int) -> None:
    """The deadline of the Job covers the timeout of the command in each try."""
    config = {"models": [{"name": "echo", "provider": "echo"}], "limits": {"requestTimeoutSeconds": timeout}}
    _, job = config_map_and_job(make_inputs({"checks": checks}, config=config))
    assert option(job, "--timeout") == str(seconds)
    assert job["spec"]["activeDeadlineSeconds"] == 2 * (seconds + 120)
