"""Errors and warnings about objects of the input, with their position."""

import re
from dataclasses import asdict, dataclass

from agentctl.objects import Object
from agentctl.offline.documents import Document, Unreadable


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning.

    Attributes:
        file: path as given on the command line, or `-`.
        line: line of the field, counted from 1.
        document: number of the document in the file, counted from 1.
        agent: name of the AgentDeployment or AgentRuntimeChannel; empty if it has none.
        field: path such as `spec.replicas`; empty for the whole object.
        message: what is wrong, then the remedy, on one line.
    """

    file: str
    line: int
    document: int
    agent: str
    field: str
    message: str

    @classmethod
    def of(cls, document: Document, field: str, message: str) -> "Diagnostic":
        """Return a diagnostic for a field of a document, at the line of that field."""
        name = document.metadata.get("name")
        agent = name if isinstance(name, str) else ""
        return cls(document.file, document.line(field), document.number, agent, field, " ".join(message.split()))

    @classmethod
    def of_unreadable(cls, document: Unreadable) -> "Diagnostic":
        """Return a diagnostic for a document that cannot be parsed."""
        found = re.match(rf"{re.escape(document.file)}(?::(\d+))?: ", document.message)
        line = int(found[1]) if found and found[1] else document.line
        message = document.message[found.end() :] if found else document.message
        return cls(document.file, line, document.number, "", "", message)

    def __str__(self) -> str:
        parts = [f"{self.file}:{self.line}", self.agent, self.field, self.message]
        return ": ".join(part for part in parts if part)

    def to_json(self) -> Object:
        """Return the diagnostic as `validate -o json` prints it."""
        return asdict(self)
