"""Notices a candidate that changed pytest, unittest or this harness to look as if it passed.

The functions of those modules, and their code, are remembered before a candidate is loaded and
compared after its tests have passed. It is no wall: a program that is written to deceive can put
everything back in time.
"""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

_WATCHED = ("_pytest", "pluggy", "pytest", "unittest", "doctest", "_codemtl_child")
_VALUES = (types.FunctionType, types.BuiltinFunctionType, type, property, classmethod, staticmethod)

Seal = dict[tuple[str, str], tuple[Any, Any]]


def seal() -> Seal:
    """Everything that decides whether a test passed."""
    found: Seal = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _WATCHED and isinstance(module, types.ModuleType):
            _remember(found, name, module.__dict__, name.partition(".")[0])
    _remember(found, "builtins", vars(builtins), "")
    return found


def _remember(found: Seal, where: str, names: Any, top: str) -> None:
    for name, value in list(names.items()):
        if not isinstance(value, _VALUES):
            continue
        found[where, name] = (value, getattr(value, "__code__", None))
        own = bool(top) and isinstance(value, type) and value.__module__ == where
        if own and isinstance(value, type) and "." not in value.__qualname__:
            _remember(found, f"{where}.{name}", vars(value), "")


def altered(before: Seal) -> list[str]:
    """The things that are not what they were."""
    after = seal()
    gone = (None, None)
    return [
        ".".join(key)
        for key, (value, code) in before.items()
        if after.get(key, gone)[0] is not value or after[key][1] is not code
    ]


def equals_everything(value: Any, depth: int = 2) -> bool:
    """Whether an object, or one inside it, claims to equal an object that nobody knows."""
    kind = type(value)
    if kind in (bool, int, float, complex, str, bytes, bytearray, type(None), type, range):
        return False
    if kind in (list, tuple, set, frozenset, dict):
        if depth == 0:
            return False
        parts = list(value.values()) if kind is dict else list(value)[:100]
        return any(equals_everything(one, depth - 1) for one in parts[:100])
    try:
        return bool(value == object())
    except BaseException:
        return False
