"""How likely a programmer is to make each mistake: weights for drawing synthetic bugs.

Real bugs are not uniform over edits: ``<`` for ``<=`` is common, ``<`` for ``!=`` is not, and a
wrong name is mostly one of the same function that is spelled alike. The numbers are judgements,
in proportion to each other within one table; they shape what a model sees, never how it is judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from codemtl.syntax.actions import ACTIONS, ATTRIBUTE, COMPARISON, CONSTANT, NAME, NEGATION, Site

FAMILY_WEIGHTS: dict[str, float] = {
    NAME: 5.0,
    ATTRIBUTE: 2.0,
    COMPARISON: 2.0,
    "binary-operator": 1.2,
    "boolean-operator": 0.8,
    "augmented-assignment": 0.7,
    NEGATION: 1.2,
    CONSTANT: 0.7,
    "integer": 1.0,
    "offset": 0.8,
    "argument-swap": 1.2,
}

_PAIRS: dict[frozenset[str], float] = {
    frozenset(pair.split(",")): weight
    for pair, weight in {
        "<,<=": 4, ">,>=": 4, "<,>": 2, "<=,>=": 2, "<,>=": 1.5, "<=,>": 1.5, "==,!=": 3,
        "+,-": 4, "*,/": 2, "/,//": 3, "%,//": 1.5, "*,**": 1, "&,|": 3, "<<,>>": 2, "|,^": 1,
        "=,+=": 4, "=,-=": 1.5, "=,|=": 1, "+=,-=": 3, "*=,/=": 2, "/=,//=": 2, "&=,|=": 3,
        "<<=,>>=": 2, "True,False": 3, ",+ 1": 1.5, ",- 1": 1.5,
    }.items()
}  # fmt: skip
_OTHERWISE = 0.4
_ALWAYS = frozenset({"is", "is not", "in", "not in", "and", "or", "not"})  # one alternative each
_SPECIAL = frozenset({"self", "cls", "super"})
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def option_weights(site: Site, group: Sequence[str] = ()) -> list[float]:
    """A weight >= 0 for each alternative of a site: ``site.options``, or for a name site the
    names of its ``group`` (the current name has weight 0). All 0 where no mutant should be made.
    """
    if site.candidates < 0:
        return [_operator_weight(site.state, ACTIONS[action].label) for action in site.options]
    if site.alone:
        return [0.0] * len(group)
    return [
        0.0 if name == site.state else _name_weight(site.state, name, rank)
        for rank, name in enumerate(group)
    ]


def _operator_weight(state: str, label: str) -> float:
    if label in _ALWAYS or state in _ALWAYS:
        return 1.0 if state or label != "not" else 0.5  # a lost `not` is the commoner slip
    if label in ("increment", "decrement", "swapped"):
        return 1.0
    return _PAIRS.get(frozenset((state, label)), _OTHERWISE)


def _name_weight(current: str, other: str, rank: int) -> float:
    """Names nearer in scope and alike in spelling are confused more often."""
    if current.strip("_") == other.strip("_"):
        return 0.0  # ``x.name`` is mostly a property of ``x._name``: the mutant would be right
    weight = 1.0 / (1.0 + rank / 8.0)
    if other in _SPECIAL or current in _SPECIAL:
        weight *= 0.05
    if current.isupper() != other.isupper() or current[:1].isupper() != other[:1].isupper():
        weight *= 0.2  # a constant for a variable, a class for a function
    return weight * (1.0 + 3.0 * similarity(current, other))


def similarity(one: str, two: str) -> float:
    """Share of words that two names have in common, 0 to 1; ``start_row``, ``end_row``: 1/3."""
    first, second = _words(one), _words(two)
    union = first | second
    return len(first & second) / len(union) if union else 0.0


@lru_cache(maxsize=1 << 16)
def _words(name: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(name.lower()))


def integer_weight(text: str) -> float:
    """Weight of an integer as the place of a bug: an arbitrary number one more or less is no bug
    that anybody could see.
    """
    size = abs(int(text.replace(" ", "")))
    return 1.0 if size <= 2 else 0.3 if size <= 4 else 0.03
