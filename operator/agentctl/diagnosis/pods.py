"""Pods that do not start, do not become ready, or restart. Pure."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from agent_operator.api.constants import CONTAINER
from agent_operator.diagnosis import start_failures
from agent_operator.kube import pod_failures
from agent_operator.kube.shapes import mapping, mappings, number, text
from agentctl.diagnosis import start_causes
from agentctl.diagnosis.evidence import (
    Evidence,
    condition,
    name_of,
    parse_time,
    spec_of,
    status_of,
    template_of,
)
from agentctl.diagnosis.findings import Area, Finding, Severity
from agentctl.diagnosis.start_causes import Explanation

# A pod may take so long to start before it is remarkable.
_START = timedelta(seconds=60)
_DELETION = timedelta(seconds=60)
_MANY_RESTARTS = 3
_CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_START_REASONS = frozenset({"StartError", "RunContainerError", "ContainerCannotRun"})


def find(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is wrong with the pods."""
    for pod in evidence.pods():
        yield from _of_pod(evidence, pod)
    yield from _stuck(evidence)


def image_field(container: str) -> str:
    """Return the field of the image of a container."""
    own = "spec.runtime.image or spec.runtime.version"
    return own if container == CONTAINER else f"spec.podTemplate.spec.containers[{container}].image"


def resources_field(container: str) -> str:
    """Return the field of the resources of a container."""
    return "spec.resources" if container == CONTAINER else f"spec.podTemplate.spec.containers[{container}].resources"


def subject(pod: Mapping[str, Any], container: str = "") -> str:
    """Return how findings name a pod, or a container other than the agent's."""
    return f"Pod {name_of(pod)}" + (f", container {container}" if container not in ("", CONTAINER) else "")


def _of_pod(evidence: Evidence, pod: Mapping[str, Any]) -> Iterator[Finding]:
    failure = pod_failures.of_pod(pod) if name_of(pod) else None
    if failure is not None:
        yield _failed(evidence, pod, failure)
        return
    events = evidence.events(name_of(pod))
    uid = text(mapping(pod.get("metadata")).get("uid"))
    from_events = start_failures.start_failure(name_of(pod), uid, events) if not status_of(pod).get("podIP") else None
    if from_events is not None:
        yield _not_started(evidence, pod, from_events)
    elif condition(pod, "Ready").get("status") != "True":
        yield from _unready(evidence, pod)
    yield from _restarts(evidence, pod)


def _failed(evidence: Evidence, pod: Mapping[str, Any], failure: Mapping[str, Any]) -> Finding:
    reason, container = text(failure.get("reason")), text(failure.get("container"))
    message = text(failure.get("message"))
    explained = _explain(evidence, pod, failure)
    log = evidence.logs.get((name_of(pod), container), "")
    code = f" with exit code {failure['exitCode']}" if "exitCode" in failure else ""
    parts = [f"{reason}{code}", message, f"end of the log: {log}" if log and log[-80:] not in message else ""]
    return Finding(
        Severity.ERROR,
        Area.PODS,
        reason,
        subject(pod, container),
        ": ".join(part for part in parts if part),
        explained.cause,
        explained.remedy,
    )


def _explain(evidence: Evidence, pod: Mapping[str, Any], failure: Mapping[str, Any]) -> Explanation:
    reason, container = text(failure.get("reason")), text(failure.get("container"))
    message, fields = text(failure.get("message")), {"image_field": image_field(container)}
    fields |= {"resources_field": resources_field(container or CONTAINER), "namespace": evidence.namespace}
    if reason in start_causes.IMAGE_REASONS:
        return start_causes.find(start_causes.IMAGES, message, start_causes.ANY_IMAGE, **fields)
    if reason == pod_failures.UNSCHEDULABLE:
        return start_causes.find(start_causes.SCHEDULING, message, start_causes.ANY_SCHEDULING, **fields)
    return _explain_container(evidence, pod, failure)


def _explain_container(evidence: Evidence, pod: Mapping[str, Any], failure: Mapping[str, Any]) -> Explanation:
    reason, container, message = (text(failure.get(field)) for field in ("reason", "container", "message"))
    if reason in _CONFIG_REASONS:
        return start_causes.find(start_causes.CONFIG, message, start_causes.ANY_CONFIG)
    if reason in _START_REASONS:
        remedy = f"correct the command of the container {container} in spec.podTemplate, or its image"
        return Explanation("the kubelet cannot run the command of the container", remedy)
    if reason == "OOMKilled":
        cause, _, remedy = message.partition(": ")
        return Explanation(cause or "the container used more memory than its limit", remedy)
    if "exitCode" in failure:
        return _crash(evidence, pod, container, number(failure["exitCode"]))
    return Explanation("the container failed" if container else "the pod failed", _describe(evidence, pod))


def _crash(evidence: Evidence, pod: Mapping[str, Any], container: str, code: int) -> Explanation:
    command = f"`kubectl logs -n {evidence.namespace} {name_of(pod)} -c {container} --previous`"
    probe = next(_probe_failures(evidence, pod, "Liveness"), "") or next(_probe_failures(evidence, pod, "Startup"), "")
    if probe and code in (0, 137, 143):
        cause = f"the kubelet restarts the container because a probe fails: {probe}"
        return Explanation(cause, f"see {command}; correct spec.probes, or what keeps the container from answering")
    meaning = start_causes.EXIT_CODES.get(code, "it ended with an error; the end of its log has the cause")
    return Explanation(f"the container ends after its start: {meaning}", f"see {command}; correct the named setting")


def _probe_failures(evidence: Evidence, pod: Mapping[str, Any], probe: str) -> Iterator[str]:
    uid = text(mapping(pod.get("metadata")).get("uid"))
    for event in evidence.events(name_of(pod)):
        note = text(event.get("note"))
        if note.startswith(f"{probe} probe failed") and text(mapping(event.get("regarding")).get("uid")) == uid:
            yield note


def _not_started(evidence: Evidence, pod: Mapping[str, Any], failure: Mapping[str, Any]) -> Finding:
    message = text(failure.get("message"))
    what, _, remedy = message.rpartition(": ") if message.count(": ") else (message, "", "")
    return Finding(
        Severity.ERROR,
        Area.PODS,
        text(failure.get("reason")),
        subject(pod),
        message,
        f"the kubelet cannot prepare the pod: {what or message}",
        remedy if remedy.startswith(("create ", "add ")) else _describe(evidence, pod),
    )


def _describe(evidence: Evidence, pod: Mapping[str, Any]) -> str:
    return f"see `kubectl describe pod -n {evidence.namespace} {name_of(pod)}`"


def _unready(evidence: Evidence, pod: Mapping[str, Any]) -> Iterator[Finding]:
    created = parse_time(mapping(pod.get("metadata")).get("creationTimestamp"))
    for name in pod_failures.unready_sidecars(pod) if name_of(pod) else ():
        event = next(_probe_failures(evidence, pod, "Readiness"), "the container is not ready")
        field = f"spec.podTemplate.spec.containers[{name}].readinessProbe"
        yield Finding(
            Severity.ERROR,
            Area.PODS,
            "SidecarNotReady",
            subject(pod, name),
            event,
            f"the container {name} is not ready, so that the pod gets no requests: see its readiness probe",
            f"correct {field}, or what the container waits for: `kubectl logs -n {evidence.namespace} {name_of(pod)} "
            f"-c {name}`",
        )
    if created is None or evidence.now - created < _START:
        return
    reason = text(condition(pod, "Ready").get("reason")) or "NotReady"
    event = next(_probe_failures(evidence, pod, "Readiness"), "")
    yield Finding(
        Severity.WARNING,
        Area.PODS,
        "NotReady",
        subject(pod),
        event or f"the condition Ready of the pod is False: {reason}",
        "the agent in the pod is not ready; findings about components and the network have the cause"
        if status_of(pod).get("podIP")
        else "the pod has not started yet, and no Event says why",
        f"{_describe(evidence, pod)} and `kubectl logs -n {evidence.namespace} {name_of(pod)}`",
    )


def _restarts(evidence: Evidence, pod: Mapping[str, Any]) -> Iterator[Finding]:
    for container in mappings(status_of(pod).get("containerStatuses")):
        count, name = number(container.get("restartCount")), text(container.get("name"))
        last = mapping(mapping(container.get("lastState")).get("terminated"))
        if last.get("reason") == "OOMKilled":
            continue  # the check of resources reports it
        if count >= _MANY_RESTARTS and container.get("ready"):
            explained = _crash(evidence, pod, name, number(last.get("exitCode")))
            code = last.get("exitCode")
            text_of_last = f", last with exit code {code}" if code is not None else ""
            yield Finding(
                Severity.WARNING,
                Area.PODS,
                "Restarts",
                subject(pod, name),
                f"restarted {count} times{text_of_last}",
                explained.cause,
                explained.remedy,
            )


def _stuck(evidence: Evidence) -> Iterator[Finding]:
    for pod in evidence.of("pods"):
        deleted = parse_time(mapping(pod.get("metadata")).get("deletionTimestamp"))
        if deleted is None or evidence.now - deleted < _DELETION:
            continue
        finalizers = mapping(pod.get("metadata")).get("finalizers")
        why = f"finalizers {finalizers}" if finalizers else f"the node {text(spec_of(pod).get('nodeName'))}"
        yield Finding(
            Severity.WARNING,
            Area.PODS,
            "TerminationStuck",
            subject(pod),
            f"deleted at {deleted:%Y-%m-%dT%H:%M:%SZ}, and still there",
            f"{why} keeps the pod: its kubelet may be unreachable",
            f"see `kubectl get nodes`; as a last resort `kubectl delete pod -n {evidence.namespace} {name_of(pod)} "
            "--force`",
        )


def serving_spec(evidence: Evidence) -> Mapping[str, Any]:
    """Return the spec of the pods of the stable Deployment; an empty one without a Deployment."""
    deployment = evidence.named("deployments", evidence.name)
    return template_of(deployment) if deployment else {}
