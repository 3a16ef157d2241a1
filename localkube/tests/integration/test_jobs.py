"""Jobs whose pods are processes, driven by the real kubectl."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from localkube.cluster import LocalCluster

pytestmark = pytest.mark.local_only

Object = dict[str, Any]


@pytest.fixture
def job(shell: Any) -> Callable[..., Object]:
    """Make a Job `one` that runs a shell script; keywords are fields of its spec."""

    def make(script: str, *, container: Object | None = None, pod: Object | None = None, **spec: Any) -> Object:
        template = {
            "spec": {"restartPolicy": "Never", "containers": [shell(script, **(container or {}))], **(pod or {})}
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "one"},
            "spec": {"template": template, **spec},
        }

    return make


def terminated(pod: Object) -> Object:
    """The terminated state of the container of a pod."""
    found: Object = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return found


async def test_a_job_completes_and_kubectl_shows_it(
    kubectl: Any, job: Any, pods: Any, observed: Any, until: Any
) -> None:
    await kubectl.apply(job("echo working; echo '{\"passed\": 3}' > $TERMINATION_LOG"))
    assert "condition met" in await kubectl("wait", "--for=condition=complete", "job/one", "--timeout=120s")
    (pod,) = pods()
    assert pod["status"]["phase"] == "Succeeded"
    assert terminated(pod) | {"startedAt": "", "finishedAt": ""} == {
        "exitCode": 0,
        "reason": "Completed",
        "message": '{"passed": 3}\n',
        "startedAt": "",
        "finishedAt": "",
    }
    assert {c["reason"] for c in pod["status"]["conditions"] if c["type"] != "PodScheduled" and "reason" in c} == {
        "PodCompleted"
    }
    assert "finalizers" not in pod["metadata"]
    assert await kubectl("logs", "job/one") == "working\n"
    assert "Complete   1/1" in await kubectl("get", "jobs")
    described = await kubectl("describe", "job", "one")
    assert "1 Succeeded" in described
    await until(lambda: observed.events("Completed") == ["Job completed"])
    assert observed.events("SuccessfulCreate") == [f"Created pod: {pod['metadata']['name']}"]
    await kubectl("delete", "job", "one")
    await until(lambda: pods() == [])


async def test_termination_message_path_names_the_file(kubectl: Any, job: Any, pods: Any) -> None:
    """Paths in args are rewritten. Like in a kubelet, a long message is truncated at its beginning."""
    script = "i=0; while [ $i -lt 1000 ]; do echo line-$i; i=$((i+1)); done > /tmp/last-words"
    await kubectl.apply(job(script, container={"terminationMessagePath": "/tmp/last-words"}))
    await kubectl("wait", "--for=condition=complete", "job/one", "--timeout=120s")
    message = terminated(pods()[0])["message"]
    assert len(message) == 4096
    assert message.endswith("line-999\n")


async def test_a_failing_job_is_retried_until_its_backoff_limit(
    kubectl: Any, job: Any, pods: Any, cluster: LocalCluster, observed: Any, until: Any
) -> None:
    words = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    await kubectl.apply(job("echo the model is away; exit 3", backoffLimit=1, container=words))
    assert "condition met" in await kubectl("wait", "--for=condition=failed", "job/one", "--timeout=120s")
    assert [(p["status"]["phase"], terminated(p)["exitCode"]) for p in pods()] == [("Failed", 3)] * 2
    assert {terminated(p)["message"] for p in pods()} == {"the model is away\n"}
    status = cluster.registry.get("jobs.batch", "default", "one")["status"]
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [
        ("FailureTarget", "BackoffLimitExceeded"),
        ("Failed", "BackoffLimitExceeded"),
    ]
    assert status["failed"] == 2
    await until(lambda: observed.events("BackoffLimitExceeded"))
    assert "Failed   0/1" in await kubectl("get", "jobs")


async def test_a_container_is_restarted_in_place_on_failure(kubectl: Any, job: Any, pods: Any) -> None:
    """A restart keeps the volumes and empties the root directory of the container."""
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/data"}]}
    pod = {"restartPolicy": "OnFailure", "volumes": [{"name": "work", "emptyDir": {}}]}
    await kubectl.apply(job("test -e /data/x || { touch /data/x; exit 1; }", container=mount, pod=pod))
    await kubectl("wait", "--for=condition=complete", "job/one", "--timeout=120s")
    (found,) = pods()
    assert found["status"]["containerStatuses"][0]["restartCount"] == 1


async def test_a_job_past_its_deadline_fails_after_its_process_ends(
    kubectl: Any, job: Any, pods: Any, cluster: LocalCluster, until: Any
) -> None:
    """The condition Failed is set only after the process has ended."""
    script = "trap 'sleep 0.5; exit 0' TERM; while true; do sleep 0.05; done"
    await kubectl.apply(job(script, activeDeadlineSeconds=1))
    states: list[tuple[list[str], list[str]]] = []

    def note(_event: str, found: Object) -> None:
        types = [c["type"] for c in found["status"].get("conditions") or ()]
        states.append((types, [p["status"]["phase"] for p in pods()]))

    cluster.registry.subscribe("jobs.batch", note)
    await kubectl("wait", "--for=condition=failed", "job/one", "--timeout=120s")
    assert (["FailureTarget"], ["Running"]) in states
    assert states[-1][0] == ["FailureTarget", "Failed"]
    assert "Running" not in states[-1][1]
    assert cluster.registry.get("jobs.batch", "default", "one")["status"]["failed"] == 1


async def test_an_evicted_pod_is_replaced_and_the_job_completes(
    kubectl: Any, job: Any, pods: Any, cluster: LocalCluster, until: Any
) -> None:
    mount = {"volumeMounts": [{"name": "gate", "mountPath": "/gate"}]}
    gate = {"name": "gate", "configMap": {"name": "gate", "optional": True}}
    script = "until [ -e /gate/open ]; do sleep 0.05; done"
    await kubectl.apply(job(script, container=mount, pod={"volumes": [gate], "terminationGracePeriodSeconds": 1}))
    await until(lambda: pods() and pods()[0]["status"]["phase"] == "Running")
    name = pods()[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    path = f"/api/v1/namespaces/default/pods/{name}/eviction"
    assert "Success" in await kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
    await until(lambda: pods() and pods()[0]["metadata"]["name"] != name)
    await kubectl("create", "configmap", "gate", "--from-literal=open=yes")
    await kubectl("wait", "--for=condition=complete", "job/one", "--timeout=120s")
    status = cluster.registry.get("jobs.batch", "default", "one")["status"]
    assert (status["succeeded"], status["failed"]) == (1, 1)


async def test_a_finished_job_and_its_pods_are_deleted_after_the_ttl(
    kubectl: Any, job: Any, pods: Any, cluster: LocalCluster, until: Any
) -> None:
    await kubectl.apply(job("exit 0", ttlSecondsAfterFinished=0))
    await until(lambda: cluster.registry.list("jobs.batch") == [] and pods() == [])


async def test_a_job_with_an_unknown_image_fails_at_its_deadline(kubectl: Any, job: Any, until: Any, pods: Any) -> None:
    given = job("exit 0", activeDeadlineSeconds=2, container={"image": "no:1"})
    await kubectl.apply(given)
    reasons = ("ErrImagePull", "ImagePullBackOff")
    await until(
        lambda: (
            pods()
            and pods()[0]["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {}).get("reason")
            in reasons
        )
    )
    await kubectl("wait", "--for=condition=failed", "job/one", "--timeout=120s")
    await until(lambda: pods() == [])


async def test_a_suspended_job_runs_when_it_is_resumed(kubectl: Any, job: Any, pods: Any, until: Any) -> None:
    await kubectl.apply(job("exit 0", suspend=True))
    await kubectl("wait", "--for=condition=Suspended", "job/one", "--timeout=120s")
    assert pods() == []
    await kubectl("patch", "job", "one", "-p", '{"spec": {"suspend": false}}')
    await kubectl("wait", "--for=condition=complete", "job/one", "--timeout=120s")


async def test_kubectl_shows_controller_revisions(kubectl: Any) -> None:
    revision = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "a-1"}, "revision": 4}
    await kubectl.apply({**revision, "data": {"image": "web:1"}})
    assert (await kubectl("get", "controllerrevisions")).splitlines()[-1].split()[:3] == ["a-1", "<none>", "4"]
    refused = await kubectl("apply", "-f", "-", given=json.dumps({**revision, "data": {"image": "web:2"}}), fails=True)
    assert "field is immutable" in refused
