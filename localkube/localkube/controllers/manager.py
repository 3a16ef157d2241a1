"""Runs the controllers that are switched on."""

import asyncio
from collections.abc import Collection
from typing import Self

from localkube.controllers.autoscaler import AutoscalerController
from localkube.controllers.controller import Context, Controller
from localkube.controllers.deployment import DeploymentController
from localkube.controllers.disruption import DisruptionController
from localkube.controllers.endpoint_controllers import EndpointsController, EndpointSliceController
from localkube.controllers.endpoints import PortLookup
from localkube.controllers.event_expiry import EventExpiryController
from localkube.controllers.job import JobController
from localkube.controllers.job_expiry import JobExpiryController
from localkube.controllers.namespaces import RootCAController, ServiceAccountController
from localkube.controllers.replicaset import ReplicaSetController
from localkube.controllers.scheduler import Scheduler

ALL = frozenset(
    {
        "autoscaler",
        "deployment",
        "disruption",
        "endpoints",
        "endpointslice",
        "event-expiry",
        "job",
        "job-expiry",
        "replicaset",
        "root-ca",
        "scheduler",
        "serviceaccount",
    }
)


class ControllerManager:
    """An async context manager: the controllers named in `enabled` run inside it.

    `node` is the node that the scheduler binds pods to; `lookup` tells where a pod's port really is;
    `certificate` is the API server's authority (PEM), which pods are told.
    """

    def __init__(
        self, context: Context, *, node: str, lookup: PortLookup, certificate: str = "", enabled: Collection[str] = ALL
    ) -> None:
        unknown = sorted(set(enabled) - ALL)
        if unknown:
            raise ValueError(f"unknown controllers {', '.join(unknown)}; known are {', '.join(sorted(ALL))}")
        makers: dict[str, Controller] = {
            "serviceaccount": ServiceAccountController(context),
            "root-ca": RootCAController(context, certificate),
            "deployment": DeploymentController(context),
            "replicaset": ReplicaSetController(context),
            "scheduler": Scheduler(context, node),
            "endpoints": EndpointsController(context, lookup),
            "endpointslice": EndpointSliceController(context, lookup),
            "disruption": DisruptionController(context),
            "autoscaler": AutoscalerController(context),
            "event-expiry": EventExpiryController(context),
            "job": JobController(context),
            "job-expiry": JobExpiryController(context),
        }
        self.controllers = {name: controller for name, controller in makers.items() if name in enabled}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(controller.run(), name=controller.name) for controller in self.controllers.values()
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether no key waits to be reconciled now."""
        return not any(len(controller.queue) for controller in self.controllers.values())
