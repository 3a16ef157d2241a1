"""The Deployment controller: creates and scales ReplicaSets."""

from localkube.controllers import deployment_status, revisions, rollout
from localkube.controllers.controller import Controller
from localkube.controllers.ownership import claim
from localkube.controllers.rollout import Resize, replicas_of
from localkube.meta.objects import Key, annotations_of, controller_of, find_condition, is_deleting
from localkube.meta.pods import is_finished
from localkube.meta.status import ApiError, Object

DEFAULT_HISTORY = 10  # default of spec.revisionHistoryLimit


class DeploymentController(Controller):
    """Rolls out the template of a Deployment."""

    name = "deployment-controller"

    def start(self) -> None:
        """Watch Deployments and ReplicaSets, and pods, because the strategy Recreate waits until they are deleted."""
        self.watch("deployments.apps", self.enqueue)
        self.watch("replicasets.apps", self.enqueue_controller("Deployment"))
        self.watch("pods", self._on_pod)

    def _on_pod(self, event: str, pod: Object) -> None:
        owner = controller_of(pod)
        if event != "DELETED" or owner is None or owner["kind"] != "ReplicaSet":
            return
        replicaset = self.registry.find("replicasets.apps", pod["metadata"]["namespace"], owner["name"])
        if replicaset is not None:
            self.enqueue_controller("Deployment")(event, replicaset)

    def reconcile(self, key: Key) -> float | None:
        """Take the next step of the rollout, then update the status."""
        found = self.registry.find("deployments.apps", *key)
        if found is None:
            return None
        deployment = dict(found)  # writes replace its metadata and status
        replicasets = claim(self.registry, deployment, "replicasets.apps", self.manager)
        if is_deleting(deployment):
            return self._report(deployment, None, replicasets)
        if self._set_paused(deployment):
            return None  # the write of the condition queues the Deployment again
        new = revisions.find_new(deployment, replicasets)
        old = [rs for rs in replicasets if rs is not new]
        if new is not None:
            new = self._update_revision(deployment, new, old)
        if deployment["spec"].get("paused") or rollout.is_scaling(deployment, replicasets):
            return self._scale(deployment, new, old)
        return self._roll(deployment, new, old)

    def _scale(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        self._apply(deployment, rollout.scale(deployment, new, old))
        if deployment["spec"].get("paused"):
            self._clean_up(deployment, new, old)
        return self._report(deployment, new, old, rolling=False)

    def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> float | None:
        recreate = deployment["spec"].get("strategy", {}).get("type") == "Recreate"
        if recreate and not self._has_scaled_down(deployment, old):
            return self._report(deployment, new, old)
        if new is None:
            new = self._create(deployment, old)
            if new is None:
                return None
        self._apply(deployment, rollout.roll(deployment, new, old))
        if deployment_status.is_complete(deployment, deployment_status.counts(deployment, new, [new, *old], 0)):
            self._clean_up(deployment, new, old)
        return self._report(deployment, new, old)

    def _has_scaled_down(self, deployment: Object, old: list[Object]) -> bool:
        """Recreate: scale the old ReplicaSets down; True once all their pods are gone."""
        active = [rs for rs in old if replicas_of(rs) > 0]
        self._apply(deployment, [Resize(rs, 0) for rs in active])
        if active:
            return False
        pods = (pod for rs in old for pod in self.registry.owned("pods", rs["metadata"]["uid"]))
        return all(is_finished(pod) for pod in pods)

    def _update_revision(self, deployment: Object, new: Object, old: list[Object]) -> Object:
        """Give the new ReplicaSet, and with it the Deployment, the highest revision."""
        annotations = revisions.revised_annotations(deployment, new, revisions.next_revision(old))
        minimum = deployment["spec"].get("minReadySeconds", 0)
        if annotations != annotations_of(new) or new["spec"].get("minReadySeconds", 0) != minimum:
            new = self._update_replicaset(
                {
                    **new,
                    "metadata": {**new["metadata"], "annotations": annotations},
                    "spec": {**new["spec"], "minReadySeconds": minimum},
                }
            )
        self._set_revision(deployment, new)
        if not self._progressing(deployment):
            message = f'Found new replica set "{new["metadata"]["name"]}"'
            self._set_progressing(deployment, "True", "FoundNewReplicaSet", message)
        return new

    def _set_revision(self, deployment: Object, new: Object) -> None:
        number = annotations_of(new).get(revisions.REVISION, "")
        if annotations_of(deployment).get(revisions.REVISION) == number:
            return
        annotations = {**annotations_of(deployment), revisions.REVISION: number}
        fresh = {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}
        # Like the real controller, write to the status subresource: a write to the spec would increase the generation.
        stored = self.registry.update(
            "deployments.apps",
            deployment["metadata"]["namespace"],
            fresh,
            manager=self.manager,
            subresource="status",
        )
        deployment["metadata"] = stored["metadata"]

    def _create(self, deployment: Object, old: list[Object]) -> Object | None:
        replicas = rollout.new_replicas(deployment, None, old)
        wanted = revisions.new_replicaset(deployment, revisions.next_revision(old), replicas)
        wanted["metadata"]["annotations"] |= rollout.sizes(deployment)
        namespace = deployment["metadata"]["namespace"]
        name = wanted["metadata"]["name"]
        try:
            new = self.registry.create("replicasets.apps", namespace, wanted, manager=self.manager)
        except ApiError as error:
            if error.status.get("reason") == "AlreadyExists":
                self._count_collision(deployment)
                return None
            message = f'Failed to create new replica set "{name}": {error}'
            self._set_progressing(deployment, "False", "ReplicaSetCreateError", message)
            raise
        if replicas:
            self.events.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        self._set_revision(deployment, new)
        self._set_progressing(deployment, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        return new

    def _count_collision(self, deployment: Object) -> None:
        """Another object has the name: increase collisionCount. The write queues the Deployment, which hashes again."""
        count = deployment.get("status", {}).get("collisionCount", 0) + 1
        self._write_status(deployment, {**deployment.get("status", {}), "collisionCount": count})

    def _apply(self, deployment: Object, resizes: list[Resize]) -> None:
        for resize in resizes:
            old = resize.replicaset
            annotations = {**annotations_of(old), **rollout.sizes(deployment)}
            before = replicas_of(old)
            if before == resize.replicas and annotations == annotations_of(old):
                continue
            self._update_replicaset(
                {
                    **old,
                    "metadata": {**old["metadata"], "annotations": annotations},
                    "spec": {**old["spec"], "replicas": resize.replicas},
                }
            )
            if before != resize.replicas:
                up = "up" if resize.replicas > before else "down"
                message = f"Scaled {up} replica set {old['metadata']['name']} from {before} to {resize.replicas}"
                self.events.normal(deployment, "ScalingReplicaSet", message)

    def _update_replicaset(self, replicaset: Object) -> Object:
        namespace = replicaset["metadata"]["namespace"]
        return self.registry.update("replicasets.apps", namespace, replicaset, manager=self.manager)

    def _clean_up(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """Delete old ReplicaSets without replicas beyond revisionHistoryLimit, the oldest first."""
        limit = deployment["spec"].get("revisionHistoryLimit", DEFAULT_HISTORY)
        known = sorted((rs for rs in old if not is_deleting(rs)), key=revisions.revision_of)
        for rs in known[: max(len(known) - limit, 0)]:
            status = rs.get("status", {})
            if replicas_of(rs) or status.get("replicas") or rs is new:
                continue
            metadata = rs["metadata"]
            self.registry.delete("replicasets.apps", metadata["namespace"], metadata["name"], uid=metadata["uid"])

    def _set_paused(self, deployment: Object) -> bool:
        """Set the condition once when the Deployment is paused, and once when it is resumed."""
        progressing = self._progressing(deployment)
        paused = bool(deployment["spec"].get("paused"))
        if not deployment_status.has_deadline(deployment):
            return False
        if progressing and progressing["reason"] == deployment_status.TIMED_OUT:
            return False
        noted = progressing is not None and progressing["reason"] == deployment_status.PAUSED
        if paused == noted:
            return False
        word = "paused" if paused else "resumed"
        self._set_progressing(deployment, "Unknown", f"Deployment{word.title()}", f"Deployment is {word}")
        return True

    def _set_progressing(self, deployment: Object, status: str, reason: str, message: str) -> None:
        if not deployment_status.has_deadline(deployment):
            return
        changed = dict(deployment.get("status", {}))
        now = self.clock()
        deployment_status.put_condition(
            changed, deployment_status.condition("Progressing", status, reason, message, now)
        )
        self._write_status(deployment, changed)

    @staticmethod
    def _progressing(deployment: Object) -> Object | None:
        return find_condition(deployment.get("status", {}).get("conditions"), "Progressing")

    def _report(
        self, deployment: Object, new: Object | None, old: list[Object], *, rolling: bool = True
    ) -> float | None:
        """Update the status from the ReplicaSets; returns the seconds until the rollout times out."""
        now = self.clock()
        current = self._refreshed([*([new] if new else []), *old])
        fresh = current[0] if new and current else None
        status = deployment_status.counts(deployment, fresh, current, now)
        if rolling:
            deployment_status.progress(deployment, fresh, status, now)
        self._write_status(deployment, deployment_status.without_zeros(status))
        left = deployment_status.seconds_left(deployment, status, now)
        return None if left is None else left + 1  # timestamps have whole seconds

    def _refreshed(self, replicasets: list[Object]) -> list[Object]:
        keys = [(rs["metadata"]["namespace"], rs["metadata"]["name"]) for rs in replicasets]
        return [rs for key in keys if (rs := self.registry.find("replicasets.apps", *key)) is not None]

    def _write_status(self, deployment: Object, status: Object) -> None:
        if status == deployment.get("status", {}):
            return
        changed = {**deployment, "status": status}
        namespace = deployment["metadata"]["namespace"]
        stored = self.registry.update(
            "deployments.apps", namespace, changed, manager=self.manager, subresource="status"
        )
        deployment.update(stored)
