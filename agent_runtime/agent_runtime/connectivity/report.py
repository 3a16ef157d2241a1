"""The report of `check-network`, as JSON and as text. It contains no credentials. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent_runtime.connectivity.steps import Step
from agent_runtime.connectivity.targets import Target


@dataclass(frozen=True, slots=True)
class Result:
    """What was found out about a server."""

    target: Target
    steps: Sequence[Step]

    @property
    def is_reached(self) -> bool:
        """Whether no step failed."""
        return not any(step.reason for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the report."""
        target = self.target
        found: dict[str, Any] = {"component": target.component, "field": target.field, "address": target.address}
        if target.proxy is not None:
            found["proxy"] = f"{target.proxy.host}:{target.proxy.port}"
        return found | {"steps": [step.to_json() for step in self.steps]}


def to_json(version: str, health: dict[str, Any], results: Iterable[Result]) -> dict[str, Any]:
    """Return the report."""
    return {"version": version, "health": health, "endpoints": [result.to_json() for result in results]}


def to_text(health: dict[str, Any], results: Sequence[Result]) -> str:
    """Return the report for people."""
    lines = [f"agent  {health.get('status') or health.get('message', '')}"]
    for component in health.get("components", ()):
        message = component.get("message")
        lines += [f"  {component.get('name')}  {component.get('status')}" + (f": {message}" if message else "")]
    for result in results:
        lines += _lines(result)
    if not results:
        lines.append("the config names no server")
    return "\n".join(lines) + "\n"


def _lines(result: Result) -> Iterator[str]:
    target = result.target
    proxy = f" through the proxy {target.proxy.host}:{target.proxy.port}" if target.proxy else ""
    yield f"{target.component}  {target.address}{proxy}  ({target.field})"
    for step in result.steps:
        outcome = f"{step.reason}: {step.message}" if step.reason else step.detail or "ok"
        yield f"  {step.name:<5}  {step.milliseconds:7.1f} ms  {outcome}"
