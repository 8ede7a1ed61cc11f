"""Which operators may replace which.

The relation is symmetric: what leads from one operator to another leads back.
"""

from __future__ import annotations

_ORDER = ("<", "<=", ">", ">=", "==", "!=")
ARITHMETIC = ("+", "-", "*", "/", "//", "%")
_BITS = ("&", "|", "^", "<<", ">>")


def _complete(*groups: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {x: tuple(y for y in group if y != x) for group in groups for x in group}


COMPARISON_OPTIONS = _complete(_ORDER, ("is", "is not"), ("in", "not in"))
EQUALITY_OPTIONS = _complete(("==", "!="), ("is", "is not"), ("in", "not in"))
SAME_FOR_COUNTS = {frozenset((">", "!=")), frozenset(("<=", "=="))}  # the same where x >= 0
BINARY_OPTIONS = _complete(ARITHMETIC, _BITS)
BINARY_OPTIONS["*"] += ("**",)
BINARY_OPTIONS["**"] = ("*",)
_REBINDING = ("+=", "-=", "*=", "/=", "//=", "%=", "|=", "&=")
AUGMENTED_OPTIONS = _complete(tuple(o + "=" for o in ARITHMETIC), tuple(o + "=" for o in _BITS))
AUGMENTED_OPTIONS["*="] += ("**=",)
AUGMENTED_OPTIONS["**="] = ("*=",)
for _label in _REBINDING:
    AUGMENTED_OPTIONS[_label] += ("=",)
AUGMENTED_OPTIONS["="] = _REBINDING
APPENDING_OPTIONS = _complete(("=", "+="))
TRUTH_OPTIONS = _complete(("True", "False"))
