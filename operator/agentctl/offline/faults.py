"""What is wrong with an object of the input, and where."""

from dataclasses import asdict, dataclass
from typing import Any

from agentctl.offline.documents import Document


@dataclass(frozen=True, slots=True)
class Fault:
    """One error or warning; `document` counts from 1 within the file, `field` is a path such as `spec.replicas`."""

    file: str
    line: int
    document: int
    agent: str
    field: str
    message: str

    @classmethod
    def of(cls, document: Document, field: str, message: str) -> "Fault":
        """Put a message to the place in the file where the field stands."""
        name = document.metadata.get("name")
        agent = name if isinstance(name, str) else ""
        return cls(document.file, document.line(field), document.number, agent, field, " ".join(message.split()))

    def __str__(self) -> str:
        parts = [f"{self.file}:{self.line}", self.agent, self.field, self.message]
        return ": ".join(part for part in parts if part)

    def to_json(self) -> dict[str, Any]:
        """Return it as `validate -o json` prints it."""
        return asdict(self)
