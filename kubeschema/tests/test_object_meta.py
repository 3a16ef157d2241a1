"""The packaged definitions of ObjectMeta are the published ones."""

import pytest

from kubeschema import schema


@pytest.mark.parametrize("name", sorted(schema._object_meta()))
def test_matches_the_published_schema(name: str) -> None:
    """If this fails, write object_meta.json again from the definitions of kubernetes-validate."""
    assert schema._object_meta()[name] == schema._definitions()[name]
