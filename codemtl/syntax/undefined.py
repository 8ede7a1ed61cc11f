"""Names that nothing in the file can define, with the names that were probably meant.

Reports must be right nearly always, so whatever could define a name without a visible binding
(star imports, ``exec``, writes through ``globals()``, a test under ``except NameError``) silences
the report, for the file or for the name.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Query

from codemtl.syntax.builtin_names import COMMON_CALLABLES, PYTHON2
from codemtl.syntax.names import ANNOTATION, CALLEE, CLASS, Occurrence, Scope
from codemtl.syntax.tree import SourceTree, captures, language

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

MAX_SUGGESTIONS = 5
_WORD = re.compile(rb"[^\W\d][\w\x80-\xff]*|[\x80-\xff][\w\x80-\xff]*")
_SHORT = 120  # bytes of a try body that is there to see whether a name exists
_LINE = 400  # bytes around broken text that count as its line, at most
_NEVER = frozenset({"_", "__", "get_ipython", "__class__"})
_BOTH_PYTHONS = re.compile(rb"version_info|PY2|PY3|\bsix\b|python_2_unicode|print_function")
_SETTERS = re.compile(rb"setattr|__dict__|builtins|__builtin__|globals\(|locals\(|vars\(")


class UndefinedName(NamedTuple):
    """A use of a name that is bound nowhere; ``suggestions`` are replacements, best first."""

    start: int  # bytes
    end: int
    name: str
    function: str | None  # qualified name of the function around it
    suggestions: tuple[str, ...]


def undefined_names(scopes: Scopes) -> list[UndefinedName]:
    """The undefined names of a file in source order."""
    if scopes.star or scopes.dynamic or scopes.python2:
        return []
    unresolved = [
        found
        for found in scopes.names
        if found.role <= ANNOTATION
        and scopes.resolve(found.scope, found.name) == -2
        and found.name not in _NEVER
    ]
    if not unresolved:
        return []
    data = scopes.tree.data
    excused = _guarded(scopes.tree)
    if _BOTH_PYTHONS.search(data):
        excused |= PYTHON2
    sets_names = _SETTERS.search(data) is not None
    out = []
    for found in unresolved:
        name = found.name
        if name in excused or (sets_names and _quoted(data, name)):
            continue
        function = scopes.function_of(found.scope)
        qualname = function.qualname if function is not None else None
        out.append(UndefinedName(found.start, found.end, name, qualname, suggest(scopes, found)))
    return out


def _guarded(tree: SourceTree) -> set[str]:
    """Names that a file tries out, under ``except NameError``, or that stand in broken lines and
    may be defined there.
    """
    found = captures(_query(), tree.root)
    data = tree.data
    spans = []
    for node in found.get("broken", []):
        low, high = max(node.start_byte - _LINE, 0), min(node.end_byte + _LINE, len(data))
        start = max(data.rfind(b"\n", low, node.start_byte), low)
        end = data.find(b"\n", node.end_byte, high)
        spans.append((start, end if end >= 0 else high))
    for clause in found.get("except", []):
        body = clause.parent.child_by_field_name("body") if clause.parent is not None else None
        if body is None:
            continue
        head = data[clause.start_byte : data.find(b":", clause.start_byte) + 1]
        catches_all = b"Exception" in head or head.strip() == b"except:"
        short = body.end_byte - body.start_byte <= _SHORT
        if b"NameError" in head or (short and catches_all):
            spans.append((body.start_byte, body.end_byte))
    return {w.decode("utf-8", "replace") for span in spans for w in _WORD.findall(data, *span)}


@cache
def _query() -> Query:
    return Query(language(), "(ERROR) @broken (except_clause) @except")


def _quoted(data: bytes, name: str) -> bool:
    text = name.encode()
    return b"'" + text + b"'" in data or b'"' + text + b'"' in data


def suggest(scopes: Scopes, found: Occurrence) -> tuple[str, ...]:
    """Replacements for an undefined name: visible names that are spelled nearly like it, and
    ``self.name`` where the class around it has such an attribute.
    """
    name = found.name
    ranked: list[tuple[float, int, str]] = []
    visible = scopes.visible_in(found.scope) + COMMON_CALLABLES
    for rank, other in enumerate(dict.fromkeys(visible)):
        distance = spelling_distance(name, other)
        if distance is not None and other != name:
            callable_mismatch = found.role == CALLEE and other not in scopes.callables
            ranked.append((distance + callable_mismatch, rank, other))
    owner = scopes.class_of(found.scope)
    method = _method_around(scopes, found.scope)
    if owner is not None and method is not None:
        members = set(owner.bound) | {
            used.name
            for used in scopes.attribute_uses
            if used.receiver == method.parameters[0] and owner.start <= used.start < owner.end
        }
        if name in members:
            ranked.append((-1, 0, f"{method.parameters[0]}.{name}"))
    return tuple(other for _, _, other in sorted(ranked)[:MAX_SUGGESTIONS])


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
