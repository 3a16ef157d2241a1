"""PyYAML with libyaml. In a checkout of the whole project tests/fast_yaml.py replaces this file."""

from collections.abc import Iterator
from typing import IO, Any

import yaml


def safe_load(stream: str | bytes | IO[str]) -> Any:
    """The only document."""
    return yaml.load(stream, yaml.CSafeLoader)


def safe_load_all(stream: str | bytes | IO[str]) -> Iterator[Any]:
    """All documents."""
    return yaml.load_all(stream, yaml.CSafeLoader)


def safe_dump(value: Any, **options: Any) -> str:
    """One document as text."""
    text: str = yaml.dump(value, Dumper=yaml.CSafeDumper, **options)
    return text


def safe_dump_all(values: Any, **options: Any) -> str:
    """All documents as text."""
    text: str = yaml.dump_all(values, Dumper=yaml.CSafeDumper, **options)
    return text
