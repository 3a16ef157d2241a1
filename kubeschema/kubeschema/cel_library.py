"""The package `cel` without its command line.

`cel/__init__` imports it: prompt_toolkit, pygments and rich, more than half of what a check takes. So the two modules
that evaluate rules are imported by themselves, while an empty package holds the place of `cel`.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["cel", "stdlib"]

_PACKAGE = "cel"


def _import(name: str) -> ModuleType:
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None:
        return import_module(name)
    sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        return import_module(name)
    finally:
        # What imports `cel` later gets the real one, with the same extension.
        del sys.modules[_PACKAGE]


if TYPE_CHECKING:
    import cel
    from cel import stdlib
else:
    cel = _import("cel.cel")
    stdlib = _import("cel.stdlib")
