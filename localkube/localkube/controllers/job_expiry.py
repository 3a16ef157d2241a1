"""The TTL-after-finished controller: deletes finished Jobs and their pods after `ttlSecondsAfterFinished`."""

from localkube.apiserver.options import DeleteOptions
from localkube.controllers.controller import Controller
from localkube.controllers.job_status import finished_at
from localkube.meta.objects import Key, is_deleting, unix_seconds
from localkube.meta.status import Object


class JobExpiryController(Controller):
    """Deletes finished Jobs."""

    name = "ttl-after-finished-controller"

    def start(self) -> None:
        """Watch Jobs."""
        self.watch("jobs.batch", self._on_job)

    def _on_job(self, event: str, job: Object) -> None:
        if event != "DELETED" and finished_at(job) and "ttlSecondsAfterFinished" in job["spec"]:
            self.enqueue(event, job)

    def reconcile(self, key: Key) -> float | None:
        """Delete a Job whose TTL has expired."""
        job = self.registry.find("jobs.batch", *key)
        if job is None or is_deleting(job):
            return None
        seconds, ended = job["spec"].get("ttlSecondsAfterFinished"), finished_at(job)
        if seconds is None or not ended:
            return None
        left = unix_seconds(ended) + float(seconds) - self.clock()
        if left > 0:
            return left
        resource = self.registry.resource("jobs.batch")
        record = self.registry.writer.live(resource, *key)
        options = DeleteOptions(uid=job["metadata"]["uid"], propagation="Foreground")
        self.registry.remove(resource, record, options)
        return None
