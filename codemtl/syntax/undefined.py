"""Names that nothing in the file can define, with the names that were probably meant.

Reports must be right nearly always, so whatever could define a name without a visible binding
(star imports, ``exec``, writes through ``globals()``, a test under ``except NameError``) silences
the report, for the file or for the name. So do many such names in one file: something fills its
namespace from outside.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tree_sitter import Query

from codemtl.syntax.actions import UNDEFINED
from codemtl.syntax.builtin_names import PYTHON2
from codemtl.syntax.names import ANNOTATION, CALLEE, WORD, Occurrence
from codemtl.syntax.suggestions import suggest
from codemtl.syntax.tree import SourceTree, captures, language

if TYPE_CHECKING:
    from codemtl.syntax.scopes import Scopes

_SHORT = 120  # bytes of a try body that is there to see whether a name exists
_MANY = 6  # different names in a file; of 113 real mistakes one stood among more
_LINE = 400  # bytes around broken text that count as its line, at most
_NEVER = frozenset({"_", "__", "get_ipython", "__class__"})
_BOTH_PYTHONS = re.compile(rb"version_info|PY2|PY3|\bsix\b|python_2_unicode|print_function")
_SETTERS = re.compile(rb"setattr|__dict__|builtins|__builtin__|globals\(|locals\(|vars\(")


class UndefinedName(NamedTuple):
    """A use of a name, or of an attribute of ``self``, that is bound nowhere.

    ``suggestions`` are replacements, best first; ``kind`` is that of the finding.
    """

    start: int  # bytes
    end: int
    name: str
    function: str | None  # qualified name of the function around it
    suggestions: tuple[str, ...]
    kind: str = UNDEFINED


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
        if name in excused or (sets_names and quoted(data, name)):
            continue
        out.append(report(scopes, found, suggest(scopes, found), UNDEFINED))
    return out if len({found.name for found in out}) <= _MANY else []


def report(
    scopes: Scopes, found: Occurrence, suggestions: tuple[str, ...], kind: str
) -> UndefinedName:
    """What is reported of a name or attribute where it stands."""
    function = scopes.function_of(found.scope)
    qualname = function.qualname if function is not None else None
    return UndefinedName(found.start, found.end, found.name, qualname, suggestions, kind)


def report_attribute(
    scopes: Scopes, found: Occurrence, suggestions: tuple[str, ...]
) -> UndefinedName:
    """The same of an attribute, whose kind is that of its use."""
    kind = "call-misuse" if found.role == CALLEE else "attribute-misuse"
    return report(scopes, found, suggestions, kind)


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
    return {w.decode("utf-8", "replace") for span in spans for w in WORD.findall(data, *span)}


@cache
def _query() -> Query:
    return Query(language(), "(ERROR) @broken (except_clause) @except")


def quoted(data: bytes, name: str) -> bool:
    """Whether a file holds a name as a string."""
    text = name.encode()
    return b"'" + text + b"'" in data or b'"' + text + b'"' in data
