"""What is known about the pods of an agent. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic_core import from_json

from agent_operator.api.constants import CONTAINER
from agent_operator.diagnosis.usage import BudgetUse, parse_usage
from agent_operator.kube.shapes import mapping, mappings, text
from agent_runtime.config.terminal import one_line

LARGEST_REPORT = 64 * 1024
"""Bytes of a response to /health. The runtime writes less than 4 KiB."""
_MOST_COMPONENTS = 64
# Faults of a pod, and of an agent. A condition has room for fewer.
_MOST_POD_FAULTS = 8
_MOST_FAULTS = 32
_LONGEST_NAME = 63
_LONGEST_MESSAGE = 512
_REASON = re.compile(r"[A-Z][A-Za-z]{1,63}")
_UNSPECIFIC = "Unhealthy"
_NUMBERS = re.compile(r"\d+(\.\d+)?")


class UnreadableReportError(ValueError):
    """A response to /health is not that of the runtime."""


@dataclass(frozen=True, slots=True)
class ComponentFault:
    """A component of an agent that does not work, such as a model or Redis.

    Attributes:
        name: name of the component.
        reason: reason in PascalCase, such as ConnectionRefused.
        message: the cause and the remedy.
        pod: name of the pod that reports it; empty if the cluster reports it.
        is_vital: whether a new pod stays unready until the component works.
    """

    name: str
    reason: str
    message: str
    pod: str = ""
    is_vital: bool = False

    def __str__(self) -> str:
        """Return the text for conditions."""
        return f"{self.name}: {self.message}" + (f" (pod {self.pod})" if self.pod else "")

    @property
    def kind(self) -> tuple[str, ...]:
        """What differs between two faults that need another report. Numbers in messages, such as times, may vary."""
        return self.name, self.reason, self.pod, _NUMBERS.sub("", self.message)

    @property
    def failure(self) -> dict[str, Any]:
        """status.lastFailure of the pod that this component keeps unready."""
        return {
            "pod": self.pod,
            "container": CONTAINER,
            "reason": self.reason,
            "message": f"{self.name}: {self.message}",
        }


@dataclass(frozen=True, slots=True)
class PodReport:
    """What a pod reports.

    Attributes:
        faults: the components that do not work.
        usage: how much of each budget the agent has used.
    """

    faults: tuple[ComponentFault, ...] = ()
    usage: tuple[BudgetUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found out about the pods of an agent.

    Attributes:
        components: the components that do not work; None if no pod has reported.
        unknown: why no pod has reported; empty if it is not known either.
        failure: status.lastFailure of a pod that does not start, from its Events; None if no pod has such an Event.
        is_complete: whether the pods that start now have been looked at.
        usage: how much of each budget the agent has used; None if no pod has reported.
    """

    components: tuple[ComponentFault, ...] | None = None
    unknown: str = ""
    failure: Mapping[str, Any] | None = None
    is_complete: bool = False
    usage: tuple[BudgetUse, ...] | None = None

    def differs(self, other: "Diagnosis") -> bool:
        """Return whether the status of the agent must change."""
        return self.kind != other.kind

    @property
    def kind(self) -> tuple[object, ...]:
        """What differs between two diagnoses that need another report."""
        faults = None if self.components is None else tuple(fault.kind for fault in self.components)
        failure = self.failure and (self.failure["pod"], self.failure["message"])
        return faults, self.unknown, failure, self.usage


UNKNOWN = Diagnosis()


def parse_report(pod: str, body: bytes) -> PodReport:
    """Return what is in the response of a pod to /health. Any program may have written it.

    Raises:
        UnreadableReportError: it is no report of the runtime.
    """
    try:
        report = mapping(from_json(body))
    except ValueError:
        raise UnreadableReportError from None
    components = list(mappings(report.get("components")))[:_MOST_COMPONENTS]
    if not components:
        raise UnreadableReportError
    faults = (
        _fault(pod, component, is_vital=position == 0)
        for position, component in enumerate(components)
        if component.get("status") != "healthy"
    )
    return PodReport(tuple(islice(faults, _MOST_POD_FAULTS)), parse_usage(report.get("budgets")))


def _fault(pod: str, component: Mapping[str, Any], *, is_vital: bool) -> ComponentFault:
    details = mapping(component.get("details"))
    reason = text(details.get("reason"))
    return ComponentFault(
        name=one_line(text(component.get("name"))[:_LONGEST_NAME]) or "component",
        reason=reason if _REASON.fullmatch(reason) else _UNSPECIFIC,
        message=one_line(text(details.get("error"))[:_LONGEST_MESSAGE]) or "it is unhealthy: see the log of the pod",
        pod=pod,
        is_vital=is_vital,
    )


def merge(reports: Iterable[tuple[ComponentFault, ...]]) -> tuple[ComponentFault, ...]:
    """Return one fault for each component and reason, of the first pod that reports it."""
    found: dict[tuple[str, str], ComponentFault] = {}
    for report in reports:
        for fault in report:
            found.setdefault((fault.name, fault.reason), fault)
    return tuple(sorted(found.values(), key=lambda fault: (not fault.is_vital, fault.name, fault.reason)))[
        :_MOST_FAULTS
    ]
