"""The schemas of our kinds as package data, so that a check offline need not import the models to generate them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

FILE = "schemas.json"


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return `openAPIV3Schema` by kind. `make crds` writes the file from the models."""
    found: dict[str, dict[str, Any]] = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return found
