"""The cells of the campaign: one fault of one request or event of one scenario. Pure.

The cells come from the traffic of runs without faults. A new kind, request or event needs no change here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from tests.faults.campaign.traffic import Event, Request, Traffic

# The first responses to a verb and kind that are a fault: more than the attempts of a request, so that a pass fails.
REPEATED = 6


class Fault(StrEnum):
    """What happens to a request or to an event."""

    KILLED_BEFORE = "killed before"
    """The request is not sent, and the operator is killed."""
    KILLED_AFTER = "killed after"
    LOST = "response lost"
    """The API server executes the request; the connection breaks without a response."""
    DROPPED = "event dropped"
    """The watch breaks before the event, and the API server has compacted its history: 410 on the next watch."""
    DUPLICATED = "event duplicated"
    LATE = "event late"
    """The event and all later ones of this watch arrive when the operator no longer waits for them."""
    REORDERED = "event reordered"
    """The event arrives after the next one of this watch. No API server does that."""
    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    CONFLICT = "409"
    GONE = "410"
    TOO_LARGE = "413"
    UNPROCESSABLE = "422"
    THROTTLED = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    TIMEOUT = "timeout"
    """No response until the operator closes the connection."""
    RESET = "connection reset"
    TRUNCATED = "body truncated"
    """The API server executes the request; the connection breaks in the middle of the response."""
    HTML = "HTML body"
    """Status 200 with a page, as from a captive portal or a wrong load balancer."""
    LATE_RESPONSE = "response late"
    """The watch delivers the write before its response."""
    FORMER_LEADER = "write of a former leader"
    """The operator loses the Lease unnoticed; the write arrives when the next leader has finished."""
    OUTAGE = "outage of a minute"
    """From this write on, the API server is unreachable."""
    LONG_OUTAGE = "outage of 10 minutes"
    """From the first write on."""
    STALE = "restart on a stale view"
    """The operator is killed, and the next process sees lists of the time before the change for a minute."""
    POISON = "poison"
    """Objects that a careless or hostile tenant creates, before the change and again after it."""
    TWO_LEADERS = "two leaders"
    """Two operators work all the time."""
    CLOCK = "clock jumps"
    """Each reading of the wall clock differs by years."""


WRITE_FAULTS = (
    Fault.KILLED_BEFORE,
    Fault.KILLED_AFTER,
    Fault.LOST,
    Fault.FORMER_LEADER,
    Fault.OUTAGE,
    Fault.STALE,
)
EVENT_FAULTS = (Fault.DROPPED, Fault.DUPLICATED, Fault.LATE, Fault.REORDERED)
RUN_FAULTS = (Fault.LONG_OUTAGE, Fault.TWO_LEADERS, Fault.CLOCK)
# Faults of every write of one run, each at its first attempt.
ALL_WRITES = (
    Fault.KILLED_BEFORE,
    Fault.KILLED_AFTER,
    Fault.LOST,
    Fault.RESET,
    Fault.TRUNCATED,
    Fault.LATE_RESPONSE,
    Fault.CONFLICT,
    Fault.THROTTLED,
    Fault.INTERNAL,
    Fault.UNAVAILABLE,
)
RESPONSE_FAULTS = (
    Fault.BAD_REQUEST,
    Fault.UNAUTHORIZED,
    Fault.FORBIDDEN,
    Fault.NOT_FOUND,
    Fault.CONFLICT,
    Fault.GONE,
    Fault.TOO_LARGE,
    Fault.UNPROCESSABLE,
    Fault.THROTTLED,
    Fault.INTERNAL,
    Fault.UNAVAILABLE,
    Fault.GATEWAY_TIMEOUT,
    Fault.TIMEOUT,
    Fault.RESET,
    Fault.TRUNCATED,
    Fault.HTML,
)


class Group(StrEnum):
    """What the cells of some rows of the table have in common."""

    WRITE = "one write"
    LIST = "one kind"
    """The end of the run is reached; then the operator is restarted."""
    EVENT = "one event"
    RESPONSE = "a verb and kind"
    ALL_WRITES = "all writes"
    RUN = "the whole run"
    POISON = "poison"


@dataclass(frozen=True)
class Cell:
    """One fault in one run.

    Attributes:
        scenario: name of the scenario.
        group: of the fault.
        fault: the fault.
        target: the request or the event with the fault. For a fault of responses only verb and kind count.
        number: of the target among its equals, from 1.
        poison: name of the case.
    """

    scenario: str
    group: Group
    fault: Fault
    target: Request | Event | None = None
    number: int = 0
    poison: str = ""

    @property
    def row(self) -> str:
        """The row of the table."""
        return f"{self.group}: {self.poison or self.fault}"

    def __str__(self) -> str:
        number = f"#{self.number}" if self.number else ""
        return f"{self.scenario}: {' '.join(part for part in self.target or () if part)}{number}: {self.row}"

    @property
    def order(self) -> bytes:
        """A sort key that looks random and depends on nothing else."""
        return blake2b(str(self).encode(), digest_size=8).digest()


def cells(traffics: Mapping[str, Traffic], poisons: Iterable[str]) -> Iterator[Cell]:
    """Yield all cells of scenarios with this traffic, and of these cases of poison."""
    covered: set[tuple[str, str]] = set()
    lists = dict.fromkeys(request for it in traffics.values() for request, _ in it.requests if request.verb == "list")
    for scenario, traffic in traffics.items():
        yield from (Cell(scenario, Group.ALL_WRITES, fault) for fault in ALL_WRITES)
        write = next((item for item in traffic.requests if item[0].writes), (None, 0))
        yield from (Cell(scenario, Group.RUN, fault, *write) for fault in RUN_FAULTS)
        yield from (Cell(scenario, Group.POISON, Fault.POISON, poison=case) for case in poisons)
        yield from (Cell(scenario, Group.LIST, Fault.STALE, request) for request in lists)
        for request, number in traffic.requests:
            if request.writes:
                # Two leaders emit an Event twice.
                faults = [it for it in WRITE_FAULTS if request.counts or it is not Fault.FORMER_LEADER]
                yield from (Cell(scenario, Group.WRITE, fault, request, number) for fault in faults)
            if request[:2] not in covered:
                covered.add(request[:2])
                target = Request(request.verb, request.kind)
                yield from (Cell(scenario, Group.RESPONSE, fault, target) for fault in RESPONSE_FAULTS)
        for event, number in traffic.events:
            yield from (Cell(scenario, Group.EVENT, fault, event, number) for fault in EVENT_FAULTS)


def rows(poisons: Iterable[str]) -> Iterator[str]:
    """Yield the rows of the table."""
    groups = {
        Group.WRITE: WRITE_FAULTS,
        Group.LIST: (Fault.STALE,),
        Group.EVENT: EVENT_FAULTS,
        Group.RESPONSE: RESPONSE_FAULTS,
        Group.ALL_WRITES: ALL_WRITES,
        Group.RUN: RUN_FAULTS,
    }
    yield from (f"{group}: {fault}" for group, faults in groups.items() for fault in faults)
    yield from (f"{Group.POISON}: {case}" for case in poisons)


def sample(cells_of_row: Iterable[Cell], size: int) -> list[Cell]:
    """Return some cells. Cells that are added elsewhere do not change the choice."""
    return sorted(cells_of_row, key=lambda cell: cell.order)[:size]
