"""Imports the package `cel` without its command line.

`cel/__init__` imports the command line with prompt_toolkit, pygments and rich. This import would take more than half of
the run time of a command that validates one object. Therefore an empty package replaces `cel` while the two modules
that evaluate rules are imported.
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
        # A later import of `cel` gets the real package, with the same extension module.
        del sys.modules[_PACKAGE]


if TYPE_CHECKING:
    import cel
    from cel import stdlib
else:
    cel = _import("cel.cel")
    stdlib = _import("cel.stdlib")
