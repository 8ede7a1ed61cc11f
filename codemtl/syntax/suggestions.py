"""What an undefined name was probably meant to be.

First ``self.name`` where the class has such an attribute; then the first parameter for a ``self``
outside a method; then ``module.name`` where the file says so elsewhere. After these, by how far
off: a visible name that is spelled nearly like it (in keystrokes), ``x.name`` where the file says
so elsewhere, a variable of the function that nothing uses and that shares a word with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from codemtl.syntax.builtin_names import COMMON_CALLABLES, EXCEPTIONS
from codemtl.syntax.names import (
    ANNOTATION,
    CALLEE,
    CLASS,
    FUNCTION,
    Occurrence,
    Scope,
)

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

MAX_SUGGESTIONS = 5
_MEMBER, _FIRST, _OF_IMPORT, _OF_VARIABLE, _UNUSED = -1.0, -0.95, -0.9, 0.75, 1.0
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CONSTANTS = ("None", "True", "False")

Ranked = tuple[float, int, str]  # the lower the better, then the order of what is equal, the text


def suggest(scopes: Scopes, found: Occurrence) -> tuple[str, ...]:
    """Replacements for an undefined name, best first."""
    method = _method_around(scopes, found.scope)
    receiver = method.parameters[0] if method is not None else ""
    ranked = [
        *_members(scopes, found, receiver),
        *_first_parameter(scopes, found),
        *_attributes(scopes, found, receiver),
        *_spelled_alike(scopes, found),
        *_unused(scopes, found),
    ]
    best = dict.fromkeys(text for _, _, text in sorted(ranked))
    return tuple(best)[:MAX_SUGGESTIONS]


def suggest_renamed(scopes: Scopes, found: Occurrence) -> str | None:
    """What the latest changes of the file put in the place of an undefined name most often.

    Only what is visible where the name stands, and of ``self`` what its class has.
    """
    method = _method_around(scopes, found.scope)
    receiver = method.parameters[0] if method is not None else ""
    members = _members_of(scopes, found, receiver)
    visible = {*scopes.visible_in(found.scope), *COMMON_CALLABLES, *EXCEPTIONS}
    best, most = None, 0.0
    for text, count in scopes.tree.history.renames.get(found.name, {}).items():
        root, _, rest = text.partition(".")
        is_there = root in visible and not (
            receiver and root == receiver and rest and rest.partition(".")[0] not in members
        )
        if is_there and text != found.name and count > most:
            best, most = text, count
    return best


def _members(scopes: Scopes, found: Occurrence, receiver: str) -> Iterator[Ranked]:
    """``self.name``, but not as the value that ``self.name`` is set to."""
    name = found.name
    members = _members_of(scopes, found, receiver)
    before = scopes.tree.data[max(0, found.start - 200) : found.start]
    for rank, member in enumerate((name, f"_{name}", f"{name}_")):
        text = f"{receiver}.{member}"
        is_set = rb"\b" + re.escape(text.encode()) + rb"\s*(:[^=\n]*)?=\s*\Z"
        if member in members and not re.search(is_set, before):
            yield _MEMBER, rank, text


def _members_of(scopes: Scopes, found: Occurrence, receiver: str) -> set[str]:
    """What the class around a name has, as far as it shows."""
    owner = scopes.class_of(found.scope)
    if owner is None or not receiver:
        return set()
    return set(owner.bound) | {
        used.name for used in scopes.attribute_uses
        if used.receiver == receiver and owner.start <= used.start < owner.end
    }  # fmt: skip


def _first_parameter(scopes: Scopes, found: Occurrence) -> Iterator[Ranked]:
    if found.name not in ("self", "cls"):
        return
    functions = _functions(scopes, found)
    if functions and functions[-1].parameters:
        yield _FIRST, 0, functions[-1].parameters[0]


def _attributes(scopes: Scopes, found: Occurrence, receiver: str) -> Iterator[Ranked]:
    """``x.name`` for each plain or dotted x of which the file uses it, often used ones first."""
    visible = set(scopes.visible_in(found.scope))
    used = Counter(one.receiver for one in scopes.attribute_uses if one.name == found.name)
    for text, count in used.items():
        root = text.partition(".")[0]
        if root in visible and text != receiver:
            rank = _OF_IMPORT if root in scopes.imports else _OF_VARIABLE
            yield rank, -count, f"{text}.{found.name}"


def _spelled_alike(scopes: Scopes, found: Occurrence) -> Iterator[Ranked]:
    visible = scopes.visible_in(found.scope) + COMMON_CALLABLES + EXCEPTIONS + _CONSTANTS
    for rank, other in enumerate(dict.fromkeys(visible)):
        distance = spelling_distance(found.name, other)
        if distance is not None and other != found.name:
            callable_mismatch = found.role == CALLEE and other not in scopes.callables
            yield distance + callable_mismatch, rank, other


def _unused(scopes: Scopes, found: Occurrence) -> Iterator[Ranked]:
    """Variables of the innermost function that are never read and share a word with the name."""
    scope = next(iter(_functions(scopes, found)), None)
    if scope is None:
        return
    used = {
        one.name for one in scopes.names
        if one.role <= ANNOTATION and scope.start <= one.start < scope.end
    }  # fmt: skip
    words = _words(found.name)
    for rank, other in enumerate(scope.bound):
        shared = words & _words(other)
        if shared and other not in used:
            yield _UNUSED + 1 - len(shared) / len(words | _words(other)), rank, other


def _functions(scopes: Scopes, found: Occurrence) -> list[Scope]:
    """The functions around a name, the innermost first."""
    around = [scopes.scopes[index] for index in scopes.chain(found.scope)]
    return [one for one in around if one.kind == FUNCTION]


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(name)}


def _method_around(scopes: Scopes, scope: int) -> Scope | None:
    """The method (function directly in a class, with a first parameter) that holds a scope."""
    index = scope
    while index >= 0:
        here = scopes.scopes[index]
        above = here.parent
        if above >= 0 and scopes.scopes[above].kind == CLASS:
            return here if here.parameters else None
        index = above
    return None


@lru_cache(maxsize=1 << 16)
def spelling_distance(one: str, two: str) -> float | None:
    """How far apart two names are spelled; None if too far for a slip of the keyboard.

    The number of inserted, deleted, replaced or exchanged neighbouring characters (optimal string
    alignment; Damerau 1964), upper and lower case counting half.
    """
    shortest = min(len(one), len(two))
    limit = 0.5 if shortest < 3 else 1 if shortest < 5 else 2 if shortest < 10 else 3
    if abs(len(one) - len(two)) > limit:
        return None
    before: list[float] = []
    row: list[float] = [float(j) for j in range(len(two) + 1)]
    for i, a in enumerate(one, 1):
        previous, row = row, [float(i)]
        for j, b in enumerate(two, 1):
            replace = 0.0 if a == b else 0.5 if a.lower() == b.lower() else 1.0
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + replace)
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return None
        before = previous
    return row[-1] if row[-1] <= limit else None
