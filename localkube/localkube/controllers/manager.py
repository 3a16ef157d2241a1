"""Runs the controllers."""

import asyncio
from typing import Self

from localkube.controllers.autoscaler import AutoscalerController
from localkube.controllers.controller import Context, Controller
from localkube.controllers.deployment import DeploymentController
from localkube.controllers.disruption import DisruptionController
from localkube.controllers.endpoint_slice import EndpointSliceController
from localkube.controllers.endpoint_slices import PortLookup
from localkube.controllers.job import JobController
from localkube.controllers.job_expiry import JobExpiryController
from localkube.controllers.namespaces import RootCAController, ServiceAccountController
from localkube.controllers.pod_gc import PodGarbageCollector
from localkube.controllers.replicaset import ReplicaSetController
from localkube.controllers.scheduler import Scheduler


class ControllerManager:
    """An async context manager: the controllers run inside it.

    The scheduler binds pods to `node`; without a node it does not run, and pods stay Pending. `lookup` gives the port
    on which a pod listens in place of a containerPort. `certificate` is the API server's authority (PEM), for pods.
    """

    def __init__(self, context: Context, *, node: str, lookup: PortLookup, certificate: str = "") -> None:
        self._controllers: list[Controller] = [
            ServiceAccountController(context),
            RootCAController(context, certificate),
            DeploymentController(context),
            ReplicaSetController(context),
            EndpointSliceController(context, lookup),
            DisruptionController(context),
            AutoscalerController(context),
            JobController(context),
            JobExpiryController(context),
            PodGarbageCollector(context, node),
        ]
        if node:
            self._controllers.append(Scheduler(context, node))
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(each.run(), name=each.name) for each in self._controllers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether no key waits to be reconciled now."""
        return not any(len(controller.queue) for controller in self._controllers)
