"""What Python's own modules have, as the running Python says."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec

_ACTING = {"antigravity", "idlelib", "test", "this", "turtle", "turtledemo"}  # when imported


@cache
def members_of(name: str) -> frozenset[str]:
    """What one of Python's modules has, or what is in it; nothing of what is not there."""
    root, _, rest = name.partition(".")
    if root not in sys.stdlib_module_names or root in _ACTING or root.startswith("_"):
        return frozenset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of modules that will go
            found: object = import_module(root)
        for part in filter(None, rest.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return frozenset()
    return frozenset(dir(found))


def has(name: str, member: str) -> bool:
    """Whether one of Python's modules has a member, or is a package with a module of that name."""
    return member in members_of(name) or submodule(name, (member,)) != name


def submodule(name: str, chain: tuple[str, ...]) -> str:
    """The module of one of Python's packages that attributes of it name: ``urllib.parse``."""
    module = name
    for part in chain if "__path__" in members_of(name) else ():
        try:
            there = find_spec(f"{module}.{part}")
        except (ImportError, ValueError):  # the one above is no package
            break
        if there is None:
            break
        module = f"{module}.{part}"
    return module
