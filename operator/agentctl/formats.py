"""The values of the option --output."""

from enum import StrEnum


class Format(StrEnum):
    """Values of `-o` for commands that print only objects."""

    YAML = "yaml"
    JSON = "json"


class View(StrEnum):
    """Values of `-o` for commands that also have text output."""

    TEXT = "text"
    YAML = "yaml"
    JSON = "json"


class LogFormat(StrEnum):
    """Values of `-o` for lines that are printed one by one."""

    TEXT = "text"
    JSON = "json"
