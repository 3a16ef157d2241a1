"""The Services that an agent connects to: which pods they select, and the ports of these pods. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_operator.kube import shapes

# A Service of others can have any number of labels and ports.
_MOST_LABELS = 32
_MOST_PORTS = 256
_SELECTOR, _PORT = "selector/", "port/"


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """What a Service forwards to.

    Attributes:
        selector: labels of its pods; empty if it selects none, or too many labels.
        ports: number of its port -> number or name of the port of the pods.
    """

    selector: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[int, int | str], ...] = ()

    def port(self, number: int) -> int | str:
        """Return the port of the pods for a port of the Service."""
        return dict(self.ports).get(number, number)


def content(service: Mapping[str, object]) -> Mapping[str, str]:
    """Return the part of a live Service that `parse` needs, for a cache of strings."""
    spec = shapes.mapping(service.get("spec"))
    selector = shapes.mapping(spec.get("selector"))
    if len(selector) > _MOST_LABELS or spec.get("type") == "ExternalName":
        selector = {}
    ports = tuple(shapes.mappings(spec.get("ports")))[:_MOST_PORTS]
    return {f"{_SELECTOR}{key}": shapes.text(value) for key, value in selector.items()} | {
        f"{_PORT}{port.get('port')}": str(port.get("targetPort", port.get("port"))) for port in ports
    }


def parse(found: Mapping[str, str]) -> ServiceTarget:
    """Return the target of a Service from its cached content."""
    selector = {key.removeprefix(_SELECTOR): value for key, value in found.items() if key.startswith(_SELECTOR)}
    ports = {key.removeprefix(_PORT): value for key, value in found.items() if key.startswith(_PORT)}
    targets = {int(key): int(value) if value.isdecimal() else value for key, value in ports.items() if key.isdecimal()}
    return ServiceTarget(tuple(sorted(selector.items())), tuple(sorted(targets.items())))
