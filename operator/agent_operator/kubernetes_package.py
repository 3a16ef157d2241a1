"""Imports only the parts of the package `kubernetes` that the process uses."""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType

_PACKAGES = ("kubernetes", "kubernetes.aio")


def import_lazily() -> None:
    """Replace the packages by ones that import each of their modules when it is used.

    They import all clients, which took a third of the CPU time of the operator's start and 25 MiB. kopf imports one
    model of them, and `kube.access` the loader of kubeconfigs. Packages that are already imported stay.
    """
    for name in _PACKAGES:
        spec = None if name in sys.modules else find_spec(name)
        if spec is None:
            return
        package = sys.modules[name] = module_from_spec(spec)
        _add_modules(package)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, package)


def _add_modules(package: ModuleType) -> None:
    def find(name: str) -> ModuleType:
        try:
            return import_module(f"{package.__name__}.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}") from error

    setattr(package, "__getattr__", find)  # noqa: B010  (mypy: a module has no such method)
