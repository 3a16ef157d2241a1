"""The Job controller: creates pods until enough have succeeded or too many have failed."""

from localkube.controllers.controller import Context
from localkube.controllers.job_pods import TRACKING, is_tracked, new_pod, waits_for_end
from localkube.controllers.job_status import (
    COMPLETIONS_REACHED,
    Backoff,
    JobCounts,
    JobResult,
    count_pods,
    desired_active,
    failure,
    free_indexes,
    is_complete,
    is_over,
    is_suspended,
    seconds_left,
    status_of,
    with_job_condition,
    without_new_pods,
)
from localkube.controllers.ownership import claim
from localkube.controllers.pod_owner import BURST, PodOwnerController, RetryError, surplus
from localkube.meta.objects import Key, controller_of, find_condition, is_deleting, timestamp
from localkube.meta.status import Object

OURS = "kubernetes.io/job-controller"  # spec.managedBy of Jobs that this controller reconciles


class JobController(PodOwnerController):
    """Creates the pods of Jobs. It ignores backoffLimitPerIndex and successPolicy."""

    name = "job-controller"
    resource = "jobs.batch"
    kind = "Job"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._scale = context.backoff_scale
        self._backoffs: dict[str, Backoff] = {}  # by the Job's uid

    def _on_owner(self, event: str, owner: Object) -> None:
        super()._on_owner(event, owner)
        if event == "DELETED":
            self._backoffs.pop(owner["metadata"]["uid"], None)

    def reconcile(self, key: Key) -> float | None:
        """Create or delete pods, then update the status."""
        job = self.registry.find("jobs.batch", *key)
        if job is None:
            self._release_orphans(key[0])
            return None
        if is_over(job) or job["spec"].get("managedBy", OURS) != OURS:
            return None
        if not job.get("status", {}).get("startTime") and not is_suspended(job):
            job = {**job, "status": {**job.get("status", {}), "startTime": timestamp(self.clock())}}
        found = count_pods(job, claim(self.registry, job, "pods", self.manager))
        result = failure(job, found, self.clock())
        if result is not None:
            self._end(job, found, result)
            return None
        return self._continue(job, found)

    def _end(self, job: Object, found: JobCounts, result: JobResult) -> None:
        """Set the first condition and delete active pods, which count as failed if the Job fails."""
        self._write(job, status_of(job, without_new_pods(job, found), self._with_target(job, result)))
        for pod in found.active:
            self.delete_pod(job, pod)
        self._finish(job["metadata"], result)

    def _finish(self, metadata: Object, result: JobResult) -> None:
        """Count all pods. The Job gets its final condition once no pod is terminating."""
        job = self.registry.find("jobs.batch", metadata["namespace"], metadata["name"])
        if job is None:
            return
        pods = claim(self.registry, job, "pods", self.manager)
        found = count_pods(job, pods)
        if result.final == "Failed":
            known = {p["metadata"]["uid"] for p in found.ended}
            found.failures += sum(is_tracked(p) and p["metadata"]["uid"] not in known for p in pods)
        for pod in pods:
            self._release(pod)
        self._conclude(job, found, result)

    def _conclude(self, job: Object, found: JobCounts, result: JobResult) -> None:
        conditions = self._with_target(job, result)
        now = self.clock()
        over = not found.terminating and not found.active
        if over:
            conditions = with_job_condition(conditions, result.final, (result.reason, result.message), now)
        status = status_of(job, found, conditions)
        if over and result.final == "Complete":
            status["completionTime"] = timestamp(now)
        self._write(job, status)
        if over and result.final == "Complete":
            self.events.normal(job, "Completed", "Job completed")
        elif over:
            self.events.warning(job, result.reason, result.message)

    def _with_target(self, job: Object, result: JobResult) -> list[Object]:
        conditions = job.get("status", {}).get("conditions")
        return with_job_condition(conditions, result.target, (result.reason, result.message), self.clock())

    def _continue(self, job: Object, found: JobCounts) -> float | None:
        uid = job["metadata"]["uid"]
        backoff = self._backoffs.setdefault(uid, Backoff())
        backoff.observe(found.ended, self.clock())
        wait, problem = 0.0, ""
        complete = is_complete(job, found)
        if not complete and not is_deleting(job):
            wait, problem = self._scale_pods(job, found, backoff)
        if complete:
            self._end(job, found, COMPLETIONS_REACHED)
            return None
        self._report(job, found)
        if problem:
            raise RetryError(problem)
        left = seconds_left(job, self.clock())
        times = ([wait] if wait else []) + ([] if left is None else [left])
        return min(times, default=None)

    def _report(self, job: Object, counted: JobCounts) -> None:
        """Write the counts, then remove the finalizers of the counted pods, so that no pod is missed."""
        present = count_pods(job, claim(self.registry, job, "pods", self.manager))
        found = JobCounts(
            present.active,
            terminating=present.terminating,
            ready=present.ready,
            successes=counted.successes,
            failures=counted.failures,
            completed=counted.completed,
        )
        conditions = list(job.get("status", {}).get("conditions") or ())
        if not is_deleting(job):
            job, conditions = self._suspension(job, conditions)
        self._write(job, status_of(job, found, conditions))
        for pod in counted.ended:
            self._release(pod)

    def _suspension(self, job: Object, conditions: list[Object]) -> tuple[Object, list[Object]]:
        """The condition Suspended. When a Job is resumed, its deadline starts again."""
        old = find_condition(conditions, "Suspended")
        suspended = is_suspended(job)
        if (old is None and not suspended) or (old and (old["status"] == "True") == suspended):
            return job, conditions
        reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
        now = self.clock()
        start = None if suspended else timestamp(now)
        self.events.normal(job, "Suspended" if suspended else "Resumed", message)
        job = {**job, "status": {**job["status"], "startTime": start}} if "status" in job else job
        return job, with_job_condition(conditions, "Suspended", (reason, message), now, yes=suspended)

    def _scale_pods(self, job: Object, found: JobCounts, backoff: Backoff) -> tuple[float, str]:
        """Create or delete pods; returns the seconds until the next creation, and why a creation failed."""
        want = 0 if is_suspended(job) else desired_active(job, found)
        extra = surplus(found.active, want)[:BURST]
        for pod in extra:
            self._release(pod)  # a pod that the controller deletes counts neither as succeeded nor as failed
            self.delete_pod(job, pod)
        missing = want - len(found.active) - (found.terminating if waits_for_end(job) else 0)
        if extra or missing <= 0:
            return 0.0, ""
        wait = backoff.wait(self.clock(), self._scale)
        if wait:
            return wait, ""
        return 0.0, self._create(job, free_indexes(job, found, min(missing, BURST)))

    def _create(self, job: Object, indexes: list[int | None]) -> str:
        for index in indexes:
            if failure := self.create_pod(job, new_pod(job, index)):
                return failure
        return ""

    def _release(self, pod: Object) -> None:
        """Remove the tracking finalizer from a counted pod."""
        live = self.registry.find("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        if live is None or live["metadata"]["uid"] != pod["metadata"]["uid"] or not is_tracked(live):
            return
        left = [f for f in live["metadata"]["finalizers"] if f != TRACKING]
        metadata = {k: v for k, v in live["metadata"].items() if k != "finalizers"}
        changed = {**live, "metadata": {**metadata, **({"finalizers": left} if left else {})}}
        self.registry.update("pods", live["metadata"]["namespace"], changed, manager=self.manager)

    def _release_orphans(self, namespace: str) -> None:
        """Remove the finalizers from pods whose Job is deleted: no Job will count them."""
        for pod in self.registry.list("pods", namespace):
            owner = controller_of(pod)
            if is_tracked(pod) and (owner is None or not self._exists(namespace, owner)):
                self._release(pod)

    def _exists(self, namespace: str, owner: Object) -> bool:
        job = self.registry.find("jobs.batch", namespace, owner["name"])
        return job is not None and bool(job["metadata"]["uid"] == owner["uid"])

    def _write(self, job: Object, status: Object) -> None:
        live = self.registry.find("jobs.batch", job["metadata"]["namespace"], job["metadata"]["name"])
        if live is not None and status != live.get("status"):
            changed = {**live, "status": status}
            namespace = live["metadata"]["namespace"]
            self.registry.update("jobs.batch", namespace, changed, manager=self.manager, subresource="status")
