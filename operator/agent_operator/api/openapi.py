"""The schemas of the CRDs as package data. Offline checks read them without importing the models, which is slow."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

FILE = "schemas.json"


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return `openAPIV3Schema` by kind. `make crds` writes the file from the models."""
    by_kind: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return by_kind
