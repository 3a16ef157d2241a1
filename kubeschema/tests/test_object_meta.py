"""The packaged definitions of ObjectMeta are the published ones."""

from typing import Any

import pytest

from kubeschema import schema


def _without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_descriptions(item)
            for key, item in value.items()
            if key != "description" or not isinstance(item, str)
        }
    return [_without_descriptions(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(schema._object_meta()))
def test_matches_the_published_schema(name: str) -> None:
    """If it does not: write object_meta.json again from kubernetes-validate's definitions, without descriptions."""
    assert schema._object_meta()[name] == _without_descriptions(schema._definitions()[name])
