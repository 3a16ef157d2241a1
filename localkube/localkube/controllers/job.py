"""Job → Pods, until enough of them have succeeded or too many failed."""

from localkube.controllers.controller import Context
from localkube.controllers.job_pods import TRACKING, is_tracked, new_pod, waits_for_end
from localkube.controllers.job_status import (
    REACHED,
    Backoff,
    End,
    Tally,
    before,
    failure,
    is_complete,
    is_over,
    is_suspended,
    places,
    seconds_left,
    status_of,
    tally,
    told,
    wanted,
)
from localkube.controllers.ownership import claim
from localkube.controllers.pod_owner import BURST, PodOwnerController, RetryError, surplus
from localkube.meta.objects import Key, controller_of, find_condition, is_deleting, timestamp
from localkube.meta.status import Object

OURS = "kubernetes.io/job-controller"  # the spec.managedBy that means this controller


class JobController(PodOwnerController):
    """Runs the pods of Jobs. Not known: backoffLimitPerIndex, successPolicy."""

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
        """Make or delete pods, then say what they have come to."""
        job = self.registry.find("jobs.batch", *key)
        if job is None:
            self._release_orphans(key[0])
            return None
        if is_over(job) or job["spec"].get("managedBy", OURS) != OURS:
            return None
        if not job.get("status", {}).get("startTime") and not is_suspended(job):
            job = {**job, "status": {**job.get("status", {}), "startTime": timestamp(self.clock())}}
        found = tally(job, claim(self.registry, job, "pods", self.manager))
        end = failure(job, found, self.clock())
        if end is not None:
            self._fail(job, found, end)
            return None
        return self._carry_on(job, found)

    def _fail(self, job: Object, found: Tally, end: End) -> None:
        """End the Job: what still runs is deleted, and counts as failed."""
        self._write(job, status_of(job, before(job, found), self._told(job, end.target, end)))
        for pod in found.active:
            self.delete_pod(job, pod)
        self._finish(job["metadata"], end)

    def _finish(self, metadata: Object, end: End) -> None:
        """Count all pods; say that the Job is over once none of them is on its way out any more."""
        job = self.registry.find("jobs.batch", metadata["namespace"], metadata["name"])
        if job is None:
            return
        pods = claim(self.registry, job, "pods", self.manager)
        found = tally(job, pods)
        if end.final == "Failed":
            known = {p["metadata"]["uid"] for p in found.ended}
            found.failures += sum(is_tracked(p) and p["metadata"]["uid"] not in known for p in pods)
        for pod in pods:
            self._release(pod)
        self._conclude(job, found, end)

    def _conclude(self, job: Object, found: Tally, end: End) -> None:
        conditions = self._told(job, end.target, end)
        now = self.clock()
        over = not found.terminating and not found.active
        if over:
            conditions = told(conditions, end.final, (end.reason, end.message), now)
        status = status_of(job, found, conditions)
        if over and end.final == "Complete":
            status["completionTime"] = timestamp(now)
        self._write(job, status)
        if over and end.final == "Complete":
            self.events.normal(job, "Completed", "Job completed")
        elif over:
            self.events.warning(job, end.reason, end.message)

    def _told(self, job: Object, kind: str, end: End) -> list[Object]:
        return told(job.get("status", {}).get("conditions"), kind, (end.reason, end.message), self.clock())

    def _carry_on(self, job: Object, found: Tally) -> float | None:
        uid = job["metadata"]["uid"]
        backoff = self._backoffs.setdefault(uid, Backoff())
        backoff.observe(found.ended, self.clock())
        wait, problem = 0.0, ""
        complete = is_complete(job, found)
        if not complete and not is_deleting(job):
            wait, problem = self._scale_pods(job, found, backoff)
        if complete:
            self._write(job, status_of(job, before(job, found), self._told(job, REACHED.target, REACHED)))
            for pod in found.active:
                self.delete_pod(job, pod)
            self._finish(job["metadata"], REACHED)
            return None
        self._report(job, found)
        if problem:
            raise RetryError(problem)
        left = seconds_left(job, self.clock())
        times = ([wait] if wait else []) + ([] if left is None else [left])
        return min(times, default=None)

    def _report(self, job: Object, counted: Tally) -> None:
        """Write the counts; only then let go of the pods that are in them."""
        present = tally(job, claim(self.registry, job, "pods", self.manager))
        found = Tally(
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
        """The Suspended condition; a Job that goes on starts its deadline anew."""
        old = find_condition(conditions, "Suspended")
        suspended = is_suspended(job)
        if (old is None and not suspended) or (old and (old["status"] == "True") == suspended):
            return job, conditions
        reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
        now = self.clock()
        start = None if suspended else timestamp(now)
        self.events.normal(job, "Suspended" if suspended else "Resumed", message)
        job = {**job, "status": {**job["status"], "startTime": start}} if "status" in job else job
        return job, told(conditions, "Suspended", (reason, message), now, yes=suspended)

    def _scale_pods(self, job: Object, found: Tally, backoff: Backoff) -> tuple[float, str]:
        """Make or delete pods; returns the seconds to wait before the next may be made, and why one could not be."""
        want = 0 if is_suspended(job) else wanted(job, found)
        extra = surplus(found.active, want)[:BURST]
        for pod in extra:
            self._release(pod)  # what is deleted on purpose counts as nothing
            self.delete_pod(job, pod)
        missing = want - len(found.active) - (found.terminating if waits_for_end(job) else 0)
        if extra or missing <= 0:
            return 0.0, ""
        wait = backoff.wait(self.clock(), self._scale)
        if wait:
            return wait, ""
        return 0.0, self._create(job, places(job, found, min(missing, BURST)))

    def _create(self, job: Object, places: list[int | None]) -> str:
        for index in places:
            if failure := self.create_pod(job, new_pod(job, index)):
                return failure
        return ""

    def _release(self, pod: Object) -> None:
        """Take the finalizer from a pod that is counted."""
        live = self.registry.find("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        if live is None or live["metadata"]["uid"] != pod["metadata"]["uid"] or not is_tracked(live):
            return
        left = [f for f in live["metadata"]["finalizers"] if f != TRACKING]
        metadata = {k: v for k, v in live["metadata"].items() if k != "finalizers"}
        changed = {**live, "metadata": {**metadata, **({"finalizers": left} if left else {})}}
        self.registry.update("pods", live["metadata"]["namespace"], changed, manager=self.manager)

    def _release_orphans(self, namespace: str) -> None:
        """Nobody will count the pods of a Job that is gone."""
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
