"""How likely a programmer is to make each mistake: weights for drawing synthetic bugs.

Real bugs are not uniform over edits: ``<`` for ``<=`` is common, ``<`` for ``!=`` is not, and a
wrong name is mostly one of the same function that is spelled alike. For names the numbers are
fitted to real fixes of training projects (``scripts/fit_plausibility.py``), all others are
judgements, in proportion to each other within one table. They shape what a model sees, never how
it is judged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from operator import mul

from codemtl.syntax.actions import ACTIONS, ATTRIBUTE, COMPARISON, CONSTANT, NAME, NEGATION, Site
from codemtl.syntax.edits import common_prefix

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
# Coefficients of `name_features`, and the factor for a name that stands for another kind of thing
# (variable, function, import, builtin): a conditional logit over the names that fit a place.
NAME_COEFFICIENTS = (-1.5, -1.4, 2.8, 5.0)
OTHER_CATEGORY = 0.18
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def option_weights(site: Site, group: Sequence[str] = ()) -> list[float]:
    """A weight >= 0 for each alternative of a site: ``site.options``, or for a name site the
    names of its ``group`` (the current name has weight 0). All 0 where no mutant should be made.
    """
    if site.candidates < 0:
        return [_operator_weight(site.state, ACTIONS[action].label) for action in site.options]
    if site.alone:
        return [0.0] * len(group)
    near = _nearness_weights(len(group))
    return [w * _likeness_weight(site.state, name) for w, name in zip(near, group, strict=True)]


def _operator_weight(state: str, label: str) -> float:
    if label in _ALWAYS or state in _ALWAYS:
        return 1.0 if state or label != "not" else 0.5  # a lost `not` is the commoner slip
    if label in ("increment", "decrement", "swapped"):
        return 1.0
    return _PAIRS.get(frozenset((state, label)), _OTHERWISE)


@lru_cache(maxsize=1 << 10)
def _nearness_weights(count: int) -> list[float]:
    """Of the names that fit a place, nearest scope first: near ones are confused more often."""
    return [math.exp(NAME_COEFFICIENTS[0] * _nearness(rank)) for rank in range(count)]


@lru_cache(maxsize=1 << 20)  # the names of a file are compared in each of its functions
def _likeness_weight(current: str, other: str) -> float:
    """Names alike in spelling are confused more often; a name is not confused with itself."""
    if is_same_but_underscores(current, other):
        return 0.0  # ``x.name`` is mostly a property of ``x._name``: the mutant would be right
    return math.exp(sum(map(mul, NAME_COEFFICIENTS[1:], _likeness(current, other))))


def is_same_but_underscores(current: str, other: str) -> bool:
    """``name``, ``_name`` and ``name_``."""
    return current.strip("_") == other.strip("_")


def name_features(current: str, other: str, rank: int) -> tuple[float, ...]:
    """By what one name is confused with another: distance, another case, common words and ends.

    ``rank`` is the place of the other name among those that fit, nearest scope first.
    """
    return _nearness(rank), *_likeness(current, other)


def _nearness(rank: int) -> float:
    return math.log1p(rank / 8)


def _likeness(current: str, other: str) -> tuple[float, ...]:
    return (
        float(_case(current) != _case(other)),
        similarity(current, other),
        common_ends(current, other),
    )


def common_ends(one: str, two: str) -> float:
    """Share of the longer name that both begin and end with; ``start_row``, ``end_row``: 4/9."""
    head = common_prefix(one, two)
    rest = min(len(one), len(two)) - head
    tail = common_prefix(one[::-1][:rest], two[::-1][:rest]) if one[-1:] == two[-1:] else 0
    return (head + tail) / max(len(one), len(two))


def similarity(one: str, two: str) -> float:
    """Share of words that two names have in common, 0 to 1; ``start_row``, ``end_row``: 1/3."""
    first, second = _words(one), _words(two)
    return 0.0 if first.isdisjoint(second) else len(first & second) / len(first | second)


@lru_cache(maxsize=1 << 16)
def _words(name: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(name.lower()))


@lru_cache(maxsize=1 << 16)
def _case(name: str) -> tuple[bool, bool]:
    """Whether all of a name is in capitals, and whether it begins with one."""
    return name.isupper(), name[:1].isupper()


def integer_weight(text: str) -> float:
    """Weight of an integer as the place of a bug: an arbitrary number one more or less is no bug
    that anybody could see.
    """
    size = abs(int(text.replace(" ", "")))
    return 1.0 if size <= 2 else 0.3 if size <= 4 else 0.03
